import fc from 'fast-check';
import pg from 'pg';

/** What a statement's `$n` stands for; values are drawn to suit, and not to suit. */
type ParameterKind = 'number' | 'moment' | 'day' | 'integer' | 'text' | 'texts' | 'limit' | 'offset';

/** A table, what is in it, and statements about it. */
export interface RewriteTable {
  ddl: string[];
  /** Each a row; one that a constraint refuses is left out. */
  rows: Record<string, string | null>[];
  /** Rows that come after the rewrites were offered: what is so today only is not what equality may rest on. */
  later: Record<string, string | null>[];
  cases: RewriteCase[];
}

export interface RewriteCase {
  sql: string;
  parameters: ParameterKind[];
  /** Output columns that the order is by, where the order has no more to it; without LIMIT the rest is open. */
  sortedBy: string[];
  /** Which rows are returned depends on the order. */
  limited: boolean;
  values: (string | null)[][];
  settings: string[];
}

/** A statement that is said to give the same. */
export interface Offer {
  kind: string;
  rewritten: string;
  firstPage: string | null;
  keys: { parameter: number; column: string }[];
  /** It is said to hold only where sessions print dates with DateStyle ISO. */
  isoDates: boolean;
}

const CANONICAL = (column: string, format: string, pattern: string) =>
  `CHECK (${column} ~ '${pattern}' AND ${column} = to_char(${column}::timestamp, '${format}'))`;
const MOMENT = ['YYYY-MM-DD HH24:MI:SS', '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$'] as const;
const DAY = ['YYYY-MM-DD', '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'] as const;

const INTEGERS = ['0', '1', '2', '3', '7', '10', '70', '-1', '-7', '32767'];
const BIGS = [
  ...INTEGERS,
  '2147483648',
  '9223372036854775807',
  '-9223372036854775808',
  '1000000000000000000',
];
const NUMBERS = [
  ...BIGS,
  null,
  '',
  ' ',
  'x',
  '007',
  '+7',
  ' 7',
  '7 ',
  '7\n',
  '7.0',
  '7e0',
  '0x7',
  '7_0',
  '-0',
  '00',
  '７',
  '٧',
  'NaN',
  '99999999999',
  '9223372036854775808',
  '-9223372036854775809',
  '100000000000000000000',
];
const TEXTS = [
  '',
  'a',
  'A',
  'ä',
  'a\u0308',
  'b',
  'ß',
  'ss',
  'z',
  'Z',
  'ab',
  'a b',
  ' a',
  '10',
  '9',
  '٧',
  'é',
  '\\',
  '%',
];
const MOMENTS = [
  '2024-01-01 00:00:00',
  '2024-01-01 00:00:01',
  '2024-01-01 23:59:59',
  '2024-01-02 00:00:00',
  '2023-12-31 23:59:59',
  '0001-01-01 00:00:00',
  '9999-12-31 23:59:59',
  '1999-12-31 23:59:59',
];
const DAYS = [
  '2024-01-01',
  '2024-01-02',
  '2023-12-31',
  '2011-12-30',
  '2011-12-31',
  '0001-01-01',
  '9999-12-31',
];
/** Texts that are dates in another form, or in none. */
const ODD_MOMENTS = [
  '2024-01-01 24:00:00',
  '2024-1-1 00:00:00',
  '2024-01-01',
  '2024-01-01 00:00:00.5',
  'infinity',
  '2024-13-01 00:00:00',
  'x',
];
const ODD_DAYS = ['2024-1-1', '01/02/2024', 'infinity', '20240101', '2024-13-01', 'x'];
const MOMENT_VALUES = [
  ...MOMENTS,
  null,
  '2024-01-01 00:00:00.5',
  '2024-01-01 00:00:00.000001',
  '2024-01-01 23:59:59.999999',
  '1999-12-31 23:59:59.5',
  '2024-01-01T00:00:01+05',
  '2024-01-01 00:00:01 Europe/Berlin',
  '2024-01-02',
  '02/01/2024',
  'infinity',
  '-infinity',
  '0044-03-15 BC',
  '12024-01-01',
  '9999-12-31 23:59:59.5',
  '',
  'x',
];
const DAY_VALUES = [
  ...DAYS,
  null,
  '02/01/2024',
  'infinity',
  '-infinity',
  '0044-03-15 BC',
  '12024-01-01',
  '5874897-12-31',
  '2011-12-30 23:30',
  '',
  'x',
];

const pick = <T>(...values: readonly T[]) => fc.constantFrom(...values);
const mostly = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>, weight = 4) =>
  fc.oneof({ weight, arbitrary: usual }, { weight: 1, arbitrary: odd });

const parameterValue: Record<ParameterKind, fc.Arbitrary<string | null>> = {
  number: pick(...NUMBERS),
  moment: pick(...MOMENT_VALUES),
  day: pick(...DAY_VALUES),
  integer: pick(...INTEGERS, null),
  text: pick(...TEXTS, null),
  texts: pick('{a,b}', '{}', '{NULL}', null),
  limit: pick('0', '1', '2', '5', '100', null, '-1'),
  offset: pick('0', '1', '2', '3', '6'),
};

type Schema = Pick<RewriteTable, 'ddl' | 'rows' | 'later'>;

const row = fc.record({
  id: pick(...INTEGERS, '4', '5', '6', '8', '9', '11', '12', null),
  n: pick(...INTEGERS, null),
  big: pick(...BIGS, null),
  at: mostly(pick(...MOMENTS), pick(...ODD_MOMENTS, null), 6),
  day: mostly(pick(...DAYS), pick(...ODD_DAYS, null), 6),
  name: pick(...TEXTS, null),
  stamp: pick('0', '1', '2', '3', null),
  tags: pick('{a,b}', '{}', null, '{x}'),
  price: pick('1.5', '1.5', '2', '-3', 'NaN', null),
  flag: pick('true', 'false', null),
});

/** Fixed columns, whose types, constraints, collations and keys vary: what equality may and may not rest on. */
const schema: fc.Arbitrary<Schema> = fc
  .record({
    idType: mostly(pick('integer', 'bigint', 'smallint'), pick('numeric', 'float8', 'number')),
    idKey: mostly(
      pick('PRIMARY KEY', 'NOT NULL UNIQUE'),
      pick(
        '',
        'UNIQUE',
        'NOT NULL',
        'PRIMARY KEY DEFERRABLE',
        'NOT NULL /* partial */',
        'NOT NULL /* expression */',
      ),
    ),
    intNull: pick('', 'NOT NULL'),
    atType: pick('text', 'varchar', 'varchar(30)'),
    atCollation: mostly(pick('', 'COLLATE "C"', 'COLLATE "und-x-icu"'), pick('COLLATE backwards')),
    atCheck: mostly(
      pick(CANONICAL('at', ...MOMENT)),
      pick('', `CHECK (at ~ '${MOMENT[1]}')`, "CHECK (at = to_char(at::timestamp, 'YYYY-MM-DD HH24:MI:SS'))"),
      2,
    ),
    atNull: mostly(pick('NOT NULL'), pick('')),
    dayCheck: mostly(pick(CANONICAL('day', ...DAY)), pick('', `CHECK (day ~ '${DAY[1]}')`), 2),
    nameCollation: mostly(
      pick('', 'COLLATE "C"', 'COLLATE "und-x-icu"', 'COLLATE "en-x-icu"'),
      pick('COLLATE loose'),
    ),
    nameKey: mostly(pick('NOT NULL'), pick('', 'NOT NULL UNIQUE', 'UNIQUE'), 2),
    stampType: pick('timestamptz', 'timestamp', 'date', 'uuid'),
    extra: pick(
      '',
      'CREATE INDEX ON things (at, id)',
      'CREATE INDEX ON things (name DESC, id)',
      'CREATE INDEX ON things (n)',
      'CREATE INDEX ON things (big); CREATE INDEX ON things (day)',
    ),
    table: mostly(
      pick('plain', 'partitioned'),
      pick('inherited', 'row security', 'view', 'NOT VALID', 'twice', 'operator'),
      6,
    ),
    rows: fc.array(row, { maxLength: 14 }),
    later: fc.array(row, { maxLength: 5 }),
  })
  .map(({ rows, later, ...it }) => {
    const stamps: Record<string, string[]> = {
      timestamptz: [
        '2024-03-31 01:30:00+00',
        '2024-10-27 00:30:00.123456+00',
        '2024-10-27 01:30:00+00',
        'infinity',
      ],
      timestamp: ['2024-03-31 02:30:00', '2024-01-01 00:00:00.123456', '0044-03-15 00:00:00 BC', 'infinity'],
      date: ['2011-12-30', '2024-01-02', '0044-03-15 BC', '-infinity'],
      uuid: ['0', '1', '2', '3'].map((digit) => digit.repeat(32)),
    };
    const keyed = it.table !== 'partitioned' || it.idKey !== 'PRIMARY KEY DEFERRABLE';
    const columns = `id ${it.idType} ${keyed ? it.idKey : 'NOT NULL'}, n integer ${it.intNull}, big bigint,
      at ${it.atType} ${it.atCollation} ${it.atNull} ${it.atCheck}, day text ${it.dayCheck},
      name text ${it.nameCollation} ${it.table === 'partitioned' ? it.nameKey.replace('UNIQUE', '') : it.nameKey},
      stamp ${it.stampType} ${it.intNull}, tags text[], price numeric, flag boolean`;
    const ddl =
      it.table === 'partitioned'
        ? [
            `CREATE TABLE things (${columns}) PARTITION BY RANGE (id)`,
            'CREATE TABLE things_low PARTITION OF things FOR VALUES FROM (MINVALUE) TO (5)',
            'CREATE TABLE things_high PARTITION OF things FOR VALUES FROM (5) TO (MAXVALUE)',
          ]
        : it.table === 'view'
          ? [`CREATE TABLE base (${columns})`, 'CREATE VIEW things AS SELECT * FROM base']
          : [`CREATE UNLOGGED TABLE things (${columns})`];
    if (it.idKey.includes('partial')) ddl.push('CREATE UNIQUE INDEX ON things (id) WHERE n > 2');
    if (it.idKey.includes('expression')) ddl.push('CREATE UNIQUE INDEX ON things ((id * 2))');
    if (it.table === 'inherited') ddl.push('CREATE TABLE child () INHERITS (things)');
    if (it.table === 'row security')
      ddl.push(
        'ALTER TABLE things ENABLE ROW LEVEL SECURITY; CREATE POLICY some ON things USING (1 / n > 0)',
      );
    if (it.table === 'twice') ddl.push('CREATE SCHEMA other; CREATE TABLE other.things (id text)');
    if (it.table === 'operator')
      ddl.push(`CREATE FUNCTION never(integer, bigint) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT false';
        CREATE OPERATOR = (LEFTARG = integer, RIGHTARG = bigint, FUNCTION = never)`);
    if (it.extra && it.table !== 'view') ddl.push(it.extra);
    if (it.table === 'NOT VALID' && !it.dayCheck)
      ddl.push(`ALTER TABLE things ADD ${CANONICAL('day', ...DAY)} NOT VALID`);
    const stamped = (each: typeof rows) =>
      each.map((one) => ({
        ...one,
        stamp: one.stamp === null ? null : ((stamps[it.stampType] as string[])[Number(one.stamp)] ?? null),
      }));
    return { ddl, rows: stamped(rows), later: stamped(later) };
  });

/** A piece of SQL whose `?` are parameters. */
interface Piece {
  sql: string;
  parameters?: ParameterKind[];
  columns?: string[];
  limits?: boolean;
}
const piece = (sql: string, ...parameters: ParameterKind[]): Piece => ({ sql, parameters });

const numberArm = pick(
  piece('id::text = ?', 'number'),
  piece('CAST(n AS text) = ?', 'number'),
  piece('big::varchar = ?', 'number'),
  piece('? = n::text', 'number'),
);
const dateArm = fc
  .tuple(
    pick('<', '<=', '=', '>=', '>'),
    pick<[string, ParameterKind]>(
      ['at::timestamp % ?', 'moment'],
      ['CAST(things.at AS timestamp) % ?', 'moment'],
      ['? % at::timestamp', 'moment'],
      ['day::date % ?', 'day'],
    ),
  )
  .map(([operator, [sql, kind]]) => piece(sql.replace('%', operator), kind));
const otherArm = pick(
  piece('n = ?', 'integer'),
  piece('n > ? ', 'integer'),
  piece('big <> ?', 'integer'),
  piece('(n = ? OR flag)', 'integer'),
  piece('name >= ?', 'text'),
  piece('name = ANY(?)', 'texts'),
  piece('name IN (?, ?)', 'text', 'text'),
  piece('n BETWEEN ? AND ?', 'integer', 'integer'),
  piece('price IS NOT NULL'),
  piece('NOT flag'),
  piece('flag IS NOT TRUE'),
);
const oddArm = pick(
  piece('id::varchar(1) = ?', 'number'),
  piece('id::char = ?', 'number'),
  piece('price::text = ?', 'number'),
  piece('n::text > ?', 'number'),
  piece("n::text = lpad(?, 2, '0')", 'number'),
  piece('(id::text = ? OR n = ?)', 'number', 'integer'),
  piece('NOT n::text = ?', 'number'),
  piece('coalesce(n::text = ?, true)', 'number'),
  piece('n::text IS DISTINCT FROM ?', 'number'),
  piece('at::timestamp(0) > ?', 'moment'),
  piece('at::timestamptz > ?', 'moment'),
  piece('at::date = ?', 'day'),
  piece('day::timestamp >= ?', 'moment'),
  piece('at::timestamp > ?::date', 'day'),
  piece('1 / n >= 0'),
  piece('name LIKE ?', 'text'),
  piece('name ~ ?', 'text'),
  piece('at::timestamp > now()'),
  piece('random() < 2'),
  piece('n IN (SELECT n FROM things)'),
);
const columnsOf = (...columns: string[]): Piece => ({ sql: columns.join(', '), columns });
const output = mostly(
  pick<Piece>(
    { sql: '*', columns: ['id', 'n', 'at', 'day', 'name', 'stamp', 'big', 'price'] },
    { sql: 'things.*', columns: ['id', 'n', 'at', 'day', 'name', 'stamp', 'big', 'price'] },
    columnsOf('id', 'at', 'name', 'stamp', 'n', 'price'),
    columnsOf('id', 'day', 'at'),
    columnsOf('name', 'id'),
    { sql: 'count(*)' },
    { sql: 'count(n)' },
  ),
  pick<Piece>(
    { sql: 'id, unnest(tags) AS tag' },
    { sql: 'id, generate_series(1, n) AS g' },
    { sql: 'id, lower(name) AS name, at, stamp, n' },
    { sql: 'big AS id, id AS x, at, name' },
    { sql: 'id, n AS at, name' },
    { sql: 'id, -n AS n, at, name' },
    { sql: 'id::text, at, name, n' },
    { sql: 'id, at::text || name AS at, name' },
    { sql: 'id, row_number() OVER (ORDER BY n, id) AS r' },
    { sql: '1 / n AS q, id' },
    { sql: 'string_agg(name, $$,$$)' },
    { sql: 'DISTINCT n, id' },
    { sql: 'at' },
    { sql: 'things' },
  ),
);
const KEYS = ['id', 'n', 'at', 'name', 'stamp', 'price', 'big', 'day'];
const order = mostly(
  fc
    .tuple(
      fc.uniqueArray(pick(...KEYS, 'at', 'name'), { maxLength: 2 }),
      mostly(pick('id'), pick('name', '')),
      pick('', ' DESC', ' ASC'),
      pick('', '', '', 'NULLS FIRST', 'NULLS LAST'),
    )
    .map(([columns, last, direction, nulls]): Piece => {
      const all = [...columns.filter((column) => column !== last), ...(last ? [last] : [])];
      return {
        sql: all.map((column) => `${column}${direction} ${nulls}`).join(', '),
        columns: all,
      };
    }),
  pick<Piece>(
    { sql: '' },
    { sql: 'at::timestamp, id', columns: ['at', 'id'] },
    { sql: 'at::timestamp DESC', columns: ['at'] },
    { sql: 'day::date, id', columns: ['day', 'id'] },
    { sql: 'things.at DESC, things.id DESC', columns: ['at', 'id'] },
    { sql: 'at DESC, id' },
    { sql: '1' },
    { sql: 'lower(name), id' },
    { sql: 'id::text' },
    { sql: 'id USING >' },
    { sql: 'name COLLATE "C", id' },
  ),
  3,
);
const limit = mostly(
  pick<Piece>(
    { sql: '' },
    { sql: '' },
    { sql: 'LIMIT ?', parameters: ['limit'], limits: true },
    { sql: 'LIMIT 1', limits: true },
    { sql: 'LIMIT ? OFFSET ?', parameters: ['limit', 'offset'], limits: true },
    { sql: 'LIMIT 3 OFFSET ?', parameters: ['offset'], limits: true },
    { sql: 'OFFSET ?', parameters: ['offset'], limits: true },
    { sql: 'OFFSET ? FETCH FIRST 2 ROWS ONLY', parameters: ['offset'], limits: true },
  ),
  pick<Piece>(
    { sql: 'FETCH FIRST 2 ROWS WITH TIES', limits: true },
    { sql: 'OFFSET ? FETCH FIRST 2 ROWS WITH TIES', parameters: ['offset'], limits: true },
    { sql: 'LIMIT ? OFFSET ? FOR UPDATE', parameters: ['limit', 'offset'], limits: true },
    { sql: 'OFFSET (? + 0)', parameters: ['offset'], limits: true },
  ),
);

const statement = fc
  .record({
    output,
    arms: fc.tuple(
      mostly(fc.option(fc.oneof(numberArm, dateArm), { freq: 3 }), oddArm, 6),
      fc.option(mostly(otherArm, oddArm, 6), { freq: 2 }),
      fc.option(otherArm, { freq: 1 }),
      fc.boolean(),
    ),
    order,
    limit,
  })
  .map(({ output: out, arms: [first, second, third, swapped], order: sorted, limit: limits }) => {
    const where = [first, second, third].filter((arm) => arm !== null);
    if (swapped) where.reverse();
    const parameters = [...where, limits].flatMap((each) => each.parameters ?? []);
    let number = 0;
    const sql = [
      `SELECT ${out.sql} FROM things`,
      ...(where.length > 0 ? [`WHERE ${where.map((arm) => arm.sql).join(' AND ')}`] : []),
      ...(sorted.sql ? [`ORDER BY ${sorted.sql}`] : []),
      limits.sql,
    ]
      .join(' ')
      .replaceAll('?', () => {
        number += 1;
        return `$${number}`;
      });
    const shown = sorted.columns?.every((column) => out.columns?.includes(column));
    return {
      sql,
      parameters,
      sortedBy: shown ? (sorted.columns ?? []) : [],
      limited: limits.limits === true,
    };
  });

const setting = pick(
  'SET plan_cache_mode = force_generic_plan',
  'SET plan_cache_mode = force_custom_plan',
  'SET enable_seqscan = off',
  'SET enable_indexscan = off; SET enable_bitmapscan = off',
  'SET enable_sort = off',
  "SET DateStyle = 'SQL, DMY'",
  "SET DateStyle = 'German'",
  "SET TimeZone = 'Pacific/Apia'",
  "SET TimeZone = 'America/Sao_Paulo'",
  'SET extra_float_digits = 0',
  "SET lc_time = 'C'; SET transform_null_equals = on",
);

const rewriteCase: fc.Arbitrary<RewriteCase> = fc
  .tuple(statement, fc.uniqueArray(setting, { maxLength: 3 }))
  .chain(([asked, settings]) =>
    fc
      .array(fc.tuple(...asked.parameters.map((kind) => parameterValue[kind])), {
        minLength: 3,
        maxLength: 6,
      })
      .map((values) => ({ ...asked, settings, values })),
  );

/** Statements that are tried on one table, whose making takes longer than any of them. */
export const CASES_A_TABLE = 10;

export const rewriteTable: fc.Arbitrary<RewriteTable> = fc
  .tuple(schema, fc.array(rewriteCase, { minLength: CASES_A_TABLE, maxLength: CASES_A_TABLE }))
  .map(([made, cases]) => ({ ...made, cases }));

/** What the cases are made in, once a database. */
export const CASE_SETUP = `DO $$BEGIN
    IF current_setting('server_version_num')::int >= 160000 THEN
      CREATE COLLATION backwards (provider = icu, locale = 'und', rules = '&9 < 1');
    END IF;
  END$$;
  CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
  CREATE DOMAIN number AS integer`;

/** @returns whether the server takes its definition */
export async function makeTable(owner: pg.Client, { ddl, rows }: RewriteTable): Promise<boolean> {
  await owner.query(
    `RESET ALL; DEALLOCATE ALL; SET client_min_messages = error;
     DO $$BEGIN IF EXISTS (SELECT FROM pg_class WHERE relname = 'things' AND relkind = 'v') THEN DROP VIEW things; END IF; END$$;
     DROP TABLE IF EXISTS things, base, child CASCADE; DROP SCHEMA IF EXISTS other CASCADE; DROP FUNCTION IF EXISTS never CASCADE`,
  );
  try {
    for (const each of ddl) await owner.query(each);
  } catch {
    return false;
  }
  await insertRows(owner, rows);
  return true;
}

export async function insertRows(owner: pg.Client, rows: RewriteTable['rows']): Promise<void> {
  const inserts = rows.map((each) => {
    const values = Object.values(each).map((value) => (value === null ? 'NULL' : pg.escapeLiteral(value)));
    return `BEGIN INSERT INTO things (${Object.keys(each).join(', ')}) VALUES (${values.join(', ')}); EXCEPTION WHEN OTHERS THEN NULL; END;`;
  });
  await owner.query(`DO $rows$BEGIN ${inserts.join('\n')} NULL; END$rows$`);
}

/** Only what the server takes is ever seen in pg_stat_statements. */
export async function isTaken(owner: pg.Client, { sql }: RewriteCase): Promise<boolean> {
  try {
    await owner.query(`PREPARE statement AS ${sql}`);
    await owner.query('DEALLOCATE statement');
    return true;
  } catch {
    return false;
  }
}

interface Outcome {
  error?: string | undefined;
  columns?: string[];
  rows?: (string | null)[][];
}

async function outcome(owner: pg.Client, sql: string, values: readonly (string | null)[]): Promise<Outcome> {
  try {
    const { rows, fields } = await owner.query<(string | null)[]>({
      text: sql,
      values: [...values],
      rowMode: 'array',
      types: { getTypeParser: () => (text: string | Buffer) => String(text) },
    });
    return { rows, columns: fields.map(({ name, dataTypeID }) => `${name} ${dataTypeID}`) };
  } catch (error) {
    return { error: (error as { code?: string }).code };
  }
}

/** The answer, with what the statement leaves open put in one order. */
function settled({ rows, columns, error }: Outcome, { limited, sortedBy }: RewriteCase): unknown {
  if (!rows || limited) return { rows, columns, error };
  const names = columns?.map((column) => column.split(' ')[0]) ?? [];
  return {
    error,
    columns,
    rows: rows.map((row) => JSON.stringify(row)).sort(),
    sorted: rows.map((row) => sortedBy.map((name) => row[names.indexOf(name)])),
  };
}

/** Runs both statements as an application would. @returns what differs, with what was passed; undefined when nothing does */
export async function refutation(owner: pg.Client, given: RewriteCase, offer: Offer): Promise<unknown> {
  const settings = given.settings.filter((each) => !(offer.isoDates && each.includes('DateStyle')));
  await owner.query(['SELECT', ...settings].join('; '));
  try {
    return offer.keys.length === 0
      ? await differingCast(owner, given, offer)
      : await differingPage(owner, given, offer);
  } finally {
    await owner.query('RESET ALL');
  }
}

async function differingCast(owner: pg.Client, given: RewriteCase, { rewritten }: Offer): Promise<unknown> {
  for (const values of given.values) {
    const before = settled(await outcome(owner, given.sql, values), given);
    const after = settled(await outcome(owner, rewritten, values), given);
    if (JSON.stringify(before) !== JSON.stringify(after)) return { values, before, after };
  }
  return undefined;
}

/** From page to page: the values of the last row are taken from what the original itself returned. */
async function differingPage(owner: pg.Client, given: RewriteCase, offer: Offer): Promise<unknown> {
  const at = given.parameters.indexOf('offset');
  const limitAt = given.parameters.indexOf('limit');
  const withOffset = (values: readonly (string | null)[], offset: number) => values.with(at, String(offset));
  for (const values of given.values) {
    if (offer.firstPage !== null) {
      const before = await outcome(owner, given.sql, withOffset(values, 0));
      const placeholders = new Set(
        [...offer.firstPage.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)),
      );
      const text = unusedTyped(offer.firstPage, placeholders, values.length);
      const after = await outcome(owner, text, values);
      if (JSON.stringify(before) !== JSON.stringify(after)) return { firstPage: values, before, after };
    }
    for (const offset of [1, 2, 3, 6]) {
      const earlier = await outcome(
        owner,
        given.sql,
        (limitAt < 0 ? values : values.with(limitAt, '1')).with(at, String(offset - 1)),
      );
      const last = earlier.rows?.[0];
      if (!last) break;
      const names = earlier.columns?.map((column) => column.split(' ')[0]) ?? [];
      const passed = [...values];
      for (const { parameter, column } of offer.keys)
        passed[parameter - 1] = last[names.indexOf(column)] ?? null;
      const before = await outcome(owner, given.sql, withOffset(values, offset));
      const after = await outcome(owner, offer.rewritten, passed);
      if (JSON.stringify(before) !== JSON.stringify(after)) return { offset, values, passed, before, after };
    }
  }
  return undefined;
}

/** A driver would leave a number out that no longer occurs; here its type is named instead, in front. */
function unusedTyped(sql: string, used: ReadonlySet<number>, most: number): string {
  const missing = Array.from({ length: most }, (_, at) => at + 1).filter((number) => !used.has(number));
  return missing.length === 0
    ? sql
    : `WITH sqltrail_unused AS (SELECT ${missing.map((number) => `$${number}::text`).join(', ')}) ${sql}`;
}
