import fc from 'fast-check';

/** A value as text that the type's input function takes. */
export type Values = fc.Arbitrary<string>;

const among = (...values: string[]): Values => fc.constantFrom(...values);
const big = (min: bigint, max: bigint): Values => fc.bigInt({ min, max }).map(String);
const signed = (bits: number): Values => big(-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n);
const unsigned = (bits: number): Values => big(0n, 2n ** BigInt(bits) - 1n);
const digits = (min: number, max: number): Values =>
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: min, maxLength: max });
const sign = fc.constantFrom('', '-');
const two = (n: number) => String(n).padStart(2, '0');
const double: Values = fc.double().map((x) => (Object.is(x, -0) ? '-0' : String(x)));
const finite: Values = fc
  .double({ noNaN: true, noDefaultInfinity: true, min: -1e100, max: 1e100 })
  .map((x) => (Object.is(x, -0) ? '-0' : String(x)));
const point: Values = fc.tuple(finite, finite).map(([x, y]) => `(${x},${y})`);
const hex = (bytes: number): Values =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((all) => Buffer.from(all).toString('hex'));

/** Any text that a UTF-8 database takes; what CSV, SQL and arrays give a meaning to more often than others. */
export const anyText: Values = fc.oneof(
  among(
    '',
    ' ',
    '  a ',
    '\\N',
    '\\.',
    'a\n\\.\nb',
    '\n',
    '\r\n',
    '\r',
    '"',
    "'",
    ',',
    'NULL',
    '{}',
    '(,)',
    '🙂',
    '\t',
    'é',
    '\\001',
    'ﬀ',
  ),
  fc.string({ unit: 'binary', maxLength: 30 }).map((all) => all.replaceAll(/[\0\ud800-\udfff]/g, '')),
);

const numeric: Values = fc.oneof(
  among('NaN', 'Infinity', '-Infinity', '0', '0.000', '-0.00100', '1e300', '1e-300'),
  fc.tuple(sign, digits(1, 60), digits(0, 40)).map(([s, a, b]) => `${s}${a}${b ? `.${b}` : ''}`),
);
const date: Values = fc
  .tuple(
    fc.integer({ min: 1, max: 9999 }),
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 28 }),
    fc.boolean(),
  )
  .map(
    ([y, m, d, bc]) =>
      `${String(bc ? 1 + (y % 4000) : y).padStart(4, '0')}-${two(m)}-${two(d)}${bc ? ' BC' : ''}`,
  );
const time: Values = fc
  .tuple(
    fc.integer({ min: 0, max: 23 }),
    fc.integer({ min: 0, max: 59 }),
    fc.integer({ min: 0, max: 59 }),
    fc.integer({ min: 0, max: 999_999 }),
  )
  .map(([h, m, s, us]) => `${two(h)}:${two(m)}:${two(s)}.${String(us).padStart(6, '0')}`);
const offset: Values = fc
  .tuple(fc.constantFrom('+', '-'), fc.integer({ min: 0, max: 14 }), fc.constantFrom('00', '30', '45'))
  .map(([s, h, m]) => `${s}${two(h)}:${m}`);
const moment = fc.tuple(date, time).map(([d, t]) => d.replace(/( BC)?$/, (bc) => ` ${t}${bc}`));
const timestamp: Values = fc.oneof(
  among('infinity', '-infinity', '294276-12-31 23:59:59.999999', '4713-01-01 00:00:00 BC'),
  moment,
);
const timestamptz: Values = fc.oneof(
  among('infinity', '-infinity', '2026-03-29 01:30:00+00'),
  fc.tuple(moment, offset).map(([t, o]) => t.replace(/( BC)?$/, (bc) => `${o}${bc}`)),
);
const interval: Values = fc
  .tuple(signed(20), signed(20), signed(50))
  .map(([months, days, us]) => `${months} months ${days} days ${us} microseconds`);
const ipv4: Values = fc.ipV4();
const ipv6: Values = fc.ipV6();
const word: Values = anyText.map((all) => `'${(all || 'x').replaceAll("'", "''").replaceAll('\\', '\\\\')}'`);

const range = (bound: Values, order: (a: string, b: string) => number): Values =>
  fc.oneof(
    among('empty', '(,)'),
    fc
      .tuple(bound, bound, fc.constantFrom('[', '('), fc.constantFrom(']', ')'))
      .map(([a, b, open, close]) => {
        const [low, high] = order(a, b) <= 0 ? [a, b] : [b, a];
        return `${open}"${low}","${high}"${close}`;
      }),
    bound.map((low) => `["${low}",)`),
  );
const multirange = (of: Values): Values => fc.array(of, { maxLength: 3 }).map((all) => `{${all.join(',')}}`);
const byNumber = (a: string, b: string) => Number(a) - Number(b);
const byText = (a: string, b: string) => (a < b ? -1 : 1);
const smallDay: Values = fc
  .date({ min: new Date('0100-01-01Z'), max: new Date('9000-01-01Z'), noInvalidDate: true })
  .map((day) => day.toISOString().slice(0, 23).replace('T', ' '));
const int4range = range(big(-(2n ** 31n), 2n ** 31n - 2n), byNumber);
const int8range = range(big(-(2n ** 53n), 2n ** 53n), byNumber);
const numrange = range(
  fc.tuple(signed(30), digits(1, 9)).map(([a, b]) => `${a}.${b}`),
  byNumber,
);
const daterange = range(
  smallDay.map((day) => day.slice(0, 10)),
  byText,
);
const tsrange = range(smallDay, byText);
const tstzrange = range(
  smallDay.map((t) => `${t}+00`),
  byText,
);

/** OIDs, of what is there and of what is not. */
const objects: Values = fc.oneof(
  among('0', '11', '23', '1259', '10', '3748', '100', '4294967295'),
  unsigned(32),
);

/** Values of each type of pg_catalog that can be a column's and be read back; `pg_type` has the list, this the values. */
export const builtIn: Record<string, Values> = {
  aclitem: among('postgres=r*w/postgres', '=arwdDxt/postgres'),
  bool: among('t', 'f'),
  bit: among('0', '1'),
  box: fc.tuple(point, point).map(([a, b]) => `(${a},${b})`),
  bpchar: anyText,
  bytea: fc.uint8Array({ maxLength: 20 }).map((all) => `\\x${Buffer.from(all).toString('hex')}`),
  char: fc.oneof(among('', 'a', '"', ',', ' ', '\n', '\\', '\\200', '\\377')),
  cid: unsigned(32),
  cidr: among('10.0.0.0/8', '0.0.0.0/0', '192.168.1.1/32', '::/0', '2001:db8::/32', '::1/128'),
  circle: fc.tuple(point, fc.double({ min: 0, max: 1e100, noNaN: true })).map(([p, r]) => `<${p},${r}>`),
  date: fc.oneof(among('infinity', '-infinity', '5874897-12-31', '4713-01-01 BC'), date),
  datemultirange: multirange(daterange),
  daterange,
  float4: fc.float().map((x) => (Object.is(x, -0) ? '-0' : String(x))),
  float8: fc.oneof(among('-0', 'NaN', '5e-324', '-2.2250738585072011e-308', '0.1'), double),
  inet: fc.oneof(
    ipv4,
    ipv6,
    ipv4.map((a) => `${a}/7`),
    ipv6.map((a) => `${a}/64`),
    ipv4.map((a) => `${a}/32`),
  ),
  int2: signed(16),
  int2vector: fc.array(signed(16), { maxLength: 4 }).map((all) => all.join(' ')),
  int4: signed(32),
  int4multirange: multirange(int4range),
  int4range,
  int8: signed(64),
  int8multirange: multirange(int8range),
  int8range,
  interval,
  json: fc.oneof(among('{"a": 1, "a" :2}', ' [1.00, 1e5]  ', '"\\u0000"', '{}'), fc.json()),
  jsonb: fc.oneof(
    among('{"a": 1, "a": 2}', '1.00', '1e100', '[[], {}, null]'),
    fc.json().map((all) => all.replaceAll('\\u0000', '')),
  ),
  jsonpath: among('$.a[*] ? (@ > 1)', 'strict $."b c".size()', '$', 'lax $ like_regex "a.c" flag "i"'),
  line: fc
    .tuple(fc.double({ min: 1, max: 1e9, noNaN: true }), finite, finite)
    .map(([a, b, c]) => `{${a},${b},${c}}`),
  lseg: fc.tuple(point, point).map(([a, b]) => `[${a},${b}]`),
  macaddr: hex(6),
  macaddr8: hex(8),
  money: signed(64).map((cents) => {
    const all = cents.replace('-', '').padStart(3, '0');
    return `${cents.startsWith('-') ? '-' : ''}${all.slice(0, -2)}.${all.slice(-2)}`;
  }),
  name: anyText.map((all) => all.slice(0, 15)),
  numeric,
  nummultirange: multirange(numrange),
  numrange,
  oid: unsigned(32),
  oidvector: fc.array(unsigned(32), { maxLength: 4 }).map((all) => all.join(' ')),
  path: fc
    .tuple(fc.array(point, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([all, open]) => (open ? `[${all}]` : `(${all})`)),
  pg_lsn: fc
    .tuple(unsigned(32), unsigned(32))
    .map(([a, b]) => `${Number(a).toString(16)}/${Number(b).toString(16)}`),
  pg_snapshot: among('10:20:10,14,15', '1:1:', '9223372036854775806:9223372036854775807:'),
  point: fc.oneof(point, among('(NaN,Infinity)', '(-0,0)')),
  polygon: fc.array(point, { minLength: 1, maxLength: 4 }).map((all) => `(${all})`),
  refcursor: anyText,
  regclass: objects,
  regcollation: objects,
  regconfig: objects,
  regdatabase: objects,
  regdictionary: objects,
  regnamespace: objects,
  regoper: objects,
  regoperator: objects,
  regproc: objects,
  regprocedure: objects,
  regrole: objects,
  regtype: objects,
  text: anyText,
  tid: fc.tuple(unsigned(32), unsigned(16)).map(([a, b]) => `(${a},${b})`),
  time: fc.oneof(among('24:00:00', '00:00:00'), time),
  timestamp,
  timestamptz,
  timetz: fc.tuple(time, offset).map(([t, o]) => `${t}${o}`),
  tsmultirange: multirange(tsrange),
  tsquery: fc.oneof(
    among("'a' & !'b':*A <2> 'c'", ''),
    fc.tuple(word, word).map(([a, b]) => `${a} | !${b}:B`),
  ),
  tsrange,
  tstzmultirange: multirange(tstzrange),
  tstzrange,
  tsvector: fc
    .array(fc.tuple(word, fc.constantFrom('', ':1', ':3A,7B', ':16383C')), { maxLength: 4 })
    .map((all) => all.map(([w, p]) => `${w}${p}`).join(' ')),
  txid_snapshot: among('10:20:10,14,15', '1:1:'),
  uuid: fc.uuid(),
  varbit: fc.string({ unit: fc.constantFrom('0', '1'), maxLength: 70 }),
  varchar: anyText,
  xid: unsigned(32),
  xid8: unsigned(64),
  xml: among(
    '<a b="c">x &lt; y</a>',
    'text',
    '<?xml version="1.0" encoding="UTF-8"?><a/>',
    '<a>\n é 🙂</a>',
    '',
  ),
};

/** Types with a modifier, and those that people make. */
export const declared: Record<string, Values> = {
  'character(5)': anyText.map((all) => [...all.replaceAll(/\p{M}/gu, '')].slice(0, 2).join('')),
  'character varying(12)': anyText.map((all) => [...all].slice(0, 6).join('')),
  'bit(13)': fc.string({ unit: fc.constantFrom('0', '1'), minLength: 13, maxLength: 13 }),
  'numeric(12,2)': fc.oneof(
    among('NaN'),
    fc.tuple(sign, digits(1, 10), digits(2, 2)).map(([s, a, b]) => `${s}${a}.${b}`),
  ),
  'numeric(3,3)': digits(3, 3).map((a) => `-0.${a}`),
  'numeric(38,38)': digits(38, 38).map((a) => `0.${a}`),
  'numeric(38,0)': fc.tuple(sign, digits(1, 38)).map(([s, a]) => `${s}${a}`),
  'numeric(40,2)': fc.tuple(digits(1, 38), digits(2, 2)).map(([a, b]) => `${a}.${b}`),
  'numeric(3,-2)': fc
    .tuple(sign, digits(1, 5))
    .map(([s, a]) => (Math.abs(Number(a)) < 99_949 ? `${s}${a}` : '0')),
  'numeric(3,5)': digits(3, 3).map((a) => `0.00${a}`),
  'timestamp(0) without time zone': timestamp.filter((t) => !t.startsWith('294276')),
  'interval year to month': signed(16).map((n) => `${n} months`),
  mood: among('sad', 'B c', '"', ','),
  host: fc.oneof(ipv4, ipv6),
  percent: among('0.500', '1.00', 'NaN'),
  pair: among('(,)', '(a,)', '("a ""q"", b",10.0.0.1)', '("",::1)', '(" ",10.0.0.1/8)', '("\\\\N",)'),
  pairs: among('("{""(,)"",NULL}",1)', '(,2)', '("{}",)'),
  whole_pair: among('(a,)', '(,::1)'),
  even: range(big(-100n, 100n), byNumber),
};

/** Of the extensions that come with Postgres. */
export const ofExtensions: Record<string, { type: string; values: Values }> = {
  hstore: {
    type: 'hstore',
    values: fc
      .array(fc.tuple(anyText, fc.option(anyText)), { maxLength: 3 })
      .map((all) => all.map(([k, v]) => `${quoted(k)}=>${v === null ? 'NULL' : quoted(v)}`).join(',')),
  },
  citext: { type: 'citext', values: anyText },
  ltree: { type: 'ltree', values: among('', 'Top.Science.A_1', 'a') },
  cube: { type: 'cube', values: among('(1,2),(3,4)', '(0.1)', '(-0,1e300)') },
  isn: { type: 'isbn', values: among('0-306-40615-2', '1-56619-909-3') },
  seg: { type: 'seg', values: among('1 .. 2', '~6.5', '<3') },
};

const quoted = (value: string) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

/** An array of values: empty, with NULLs, with other lower bounds, of two dimensions. */
export function arrayOf(values: Values, delimiter: string): Values {
  const element = fc.option(values, { freq: 4 }).map((value) => (value === null ? 'NULL' : quoted(value)));
  const list = (min: number, max: number) =>
    fc.array(element, { minLength: min, maxLength: max }).map((all) => `{${all.join(delimiter)}}`);
  return fc.oneof(
    list(0, 3),
    list(2, 2).map((all) => `[-1:0]=${all}`),
    fc.tuple(list(2, 2), list(2, 2)).map((all) => `{${all.join(delimiter)}}`),
    list(1, 1).map((all) => `[5:5][0:0]={${all}}`),
  );
}
