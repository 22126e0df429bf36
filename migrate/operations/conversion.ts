import { quote as id, literal } from '../../lib/pg/quote.ts';

/** A way to turn values of a column into another type, and back. */
export interface Conversion {
  /** In words, for the plan; empty for a plain cast. */
  form: string;
  /** SQL of the value in the other type; `value` is SQL too, and may be in it more than once. */
  there(value: string): string;
  back(value: string): string;
}

export interface ConversionWanted {
  column: string;
  /** As format_type() prints them; of a domain the type that it is made from. */
  from: string;
  to: string;
  /** Of text: a pattern of to_char(); of integers: `seconds` or `milliseconds` since 1970. */
  format?: string;
  /** Zone of local times, where the new type is a moment. */
  timeZone: string;
  /** Amounts become whole numbers of a currency's smallest unit: decimals of the currency. */
  minorUnits?: number;
  /** SQL over the column's name, in place of all that is known here, and its way back. */
  using?: string;
  back?: string;
}

const TEXT = /^(text|character varying|character|citext|.*\.citext)(\(\d+\))?$/;
export const isText = (type: string) => TEXT.test(type);
const INTEGERS = ['smallint', 'integer', 'bigint'];
/** Each value of the narrower integer is one of the wider: nothing can fail, and the order of a key stays. */
export const isWidening = (from: string, to: string) =>
  INTEGERS.includes(from) && INTEGERS.indexOf(to) > INTEGERS.indexOf(from);
const isInteger = (type: string) => INTEGERS.includes(type);
const isMoment = (type: string) => /^timestamp(\(\d\))? with time zone$/.test(type);
const isTime = (type: string) => /^timestamp(\(\d\))? with/.test(type);
const isTemporal = (type: string) => type === 'date' || isTime(type);

/** Always ends in an error, which names the value within the database only. */
const fails = (value: string, type: string) => `CAST('no such form: ' || ${value} AS ${type})`;
/** Whatever the column's collation is: not all of them know regular expressions. */
const looksLike = (value: string, shape: string) => `${value}::text COLLATE "C" ~ ${literal(shape)}`;
const guarded = (value: string, shape: string, result: string, type: string) =>
  `CASE WHEN ${looksLike(value, shape)} THEN ${result} ELSE ${fails(value, type)} END`;

/** Patterns of to_char() that have one meaning on the way back, with what they look like. */
const PATTERNS: Record<string, string> = {
  YYYY: String.raw`\d{4}`,
  YY: String.raw`\d{2}`,
  MM: String.raw`\d{1,2}`,
  DD: String.raw`\d{1,2}`,
  HH24: String.raw`\d{1,2}`,
  MI: String.raw`\d{2}`,
  SS: String.raw`\d{2}`,
  MS: String.raw`\d{3}`,
  US: String.raw`\d{6}`,
};
const PATTERN = /"[^"]*"|YYYY|YY|MM|DD|HH24|MI|SS|MS|US|[^A-Za-z0-9"]/g;

/** @returns a regular expression of the values that a format gives; undefined where it cannot be read */
export function shapeOf(format: string): string | undefined {
  const parts = format.match(PATTERN) ?? [];
  if (parts.join('') !== format || !parts.some((part) => part in PATTERNS)) return undefined;
  const literally = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return `^ *${parts.map((part) => PATTERNS[part] ?? literally(part.replaceAll('"', ''))).join('')} *$`;
}

/** Texts of one pattern. A `Z` at its end says that the times are of UTC. */
function formatted({ to, timeZone }: ConversionWanted, format: string): Conversion {
  const zone = literal(/Z"?$/.test(format) ? 'UTC' : timeZone);
  const shape = shapeOf(format) ?? '';
  const pattern = literal(format);
  // The zone of the session is UTC wherever values are converted.
  const local = (value: string) => `(to_timestamp(btrim(${value}), ${pattern}) AT TIME ZONE 'UTC')`;
  return {
    form: `text of the form ${format}${isMoment(to) ? `, times of ${zone.slice(1, -1)}` : ''}`,
    there: (value) =>
      guarded(
        value,
        shape,
        to === 'date'
          ? `to_date(btrim(${value}), ${pattern})`
          : isMoment(to)
            ? `(${local(value)} AT TIME ZONE ${zone})::${to}`
            : `${local(value)}::${to}`,
        to,
      ),
    back: (value) =>
      `to_char(${isMoment(to) ? `${value} AT TIME ZONE ${zone}` : `${value}::timestamp`}, ${pattern})`,
  };
}

const ISO_DATE = String.raw`\d{4}-\d{1,2}-\d{1,2}`;
const ISO_TIME = String.raw`\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?`;
const ISO_ZONE = String.raw`(Z|[+-]\d{2}(:?\d{2})?)`;

/** ISO 8601 as Postgres reads it; the forms differ in how values are written back. */
function isoForms(wanted: ConversionWanted): Conversion[] {
  const { to, timeZone } = wanted;
  const zone = literal(timeZone);
  const there = (value: string) => {
    if (!isMoment(to)) {
      const time = to === 'date' ? '' : `([ T]${ISO_TIME})?`;
      return guarded(value, `^ *${ISO_DATE}${time} *$`, `${value}::${to}`, to);
    }
    return `CASE WHEN ${looksLike(value, `^ *${ISO_DATE}[ T]${ISO_TIME} ?${ISO_ZONE} *$`)} THEN ${value}::${to}
      WHEN ${looksLike(value, `^ *${ISO_DATE}([ T]${ISO_TIME})? *$`)} THEN (${value}::timestamp AT TIME ZONE ${zone})::${to}
      ELSE ${fails(value, to)} END`;
  };
  const form = `ISO 8601${isMoment(to) ? `, times without a zone are of ${timeZone}` : ''}`;
  const times = ['HH24:MI:SS', 'HH24:MI:SS.MS', 'HH24:MI:SS.US', 'HH24:MI'].flatMap((time) => [
    `YYYY-MM-DD ${time}`,
    `YYYY-MM-DD"T"${time}`,
  ]);
  const formats =
    to === 'date'
      ? []
      : isMoment(to)
        ? ['YYYY-MM-DD', ...times, ...times.map((time) => `${time}"Z"`)]
        : ['YYYY-MM-DD', ...times];
  const local = isMoment(to)
    ? [{ form, there, back: (value: string) => `(${value} AT TIME ZONE ${zone})::text` }]
    : [];
  return [
    { form, there, back: (value) => `${value}::text` },
    ...local,
    ...formats.map((format) => ({
      form: `${form}, written back as ${format}`,
      there,
      back: formatted(wanted, format).back,
    })),
  ];
}

/** Numbers of seconds or milliseconds since 1970. */
function epoch({ from, to }: ConversionWanted, unit: 'seconds' | 'milliseconds'): Conversion {
  const factor = unit === 'seconds' ? 1 : 1000;
  const moment = (value: string) => `(timestamptz 'epoch' + ${value} * interval '1 ${unit.slice(0, -1)}')`;
  return {
    form: `${unit} since 1970`,
    there: (value) => `(${moment(value)}${isMoment(to) ? '' : " AT TIME ZONE 'UTC'"})::${to}`,
    back: (value) => `(extract(epoch FROM ${value}) * ${factor})::${from}`,
  };
}

const asText = (to: string): Conversion[] => [
  { form: '', there: (value) => `${value}::${to}`, back: (value) => `${value}::text` },
  // As the type prints it, which a cast to text may do in another way: 10.0.0.1 and 10.0.0.1/32, t and true.
  { form: '', there: (value) => `${value}::${to}`, back: (value) => `format('%s', ${value})` },
];

function booleans(to: string): Conversion[] {
  const words = [
    ['yes', 'no'],
    ['y', 'n'],
    ['true', 'false'],
    ['t', 'f'],
    ['on', 'off'],
  ].flatMap(([yes = '', no = '']) => [
    [yes, no],
    [yes.toUpperCase(), no.toUpperCase()],
    [`${yes.slice(0, 1).toUpperCase()}${yes.slice(1)}`, `${no.slice(0, 1).toUpperCase()}${no.slice(1)}`],
  ]);
  return [['1', '0'], ...words].map(([yes = '', no = '']) => ({
    form: `${yes} and ${no}`,
    there: (value) => `${value}::${to}`,
    back: (value) => `CASE WHEN ${value} THEN ${literal(yes)} ELSE ${literal(no)} END`,
  }));
}

const DECIMAL_COMMA: Conversion = {
  form: 'numbers with a decimal comma',
  there: (value) =>
    guarded(
      value,
      String.raw`^ *-?\d{1,3}(\.?\d{3})*(,\d+)? *$`,
      `replace(replace(${value}, '.', ''), ',', '.')::numeric`,
      'numeric',
    ),
  back: (value) => `replace(${value}::text, '.', ',')`,
};

/** Text forms of the types whose input says all. */
function textForms(wanted: ConversionWanted): Conversion[] {
  const { to, format } = wanted;
  if (isTemporal(to))
    return format && !/^iso$/i.test(format) ? [formatted(wanted, format)] : isoForms(wanted);
  const plain = asText(to);
  if (to === 'boolean') return [...plain, ...booleans(to)];
  if (to === 'uuid')
    return [
      ...plain,
      {
        form: 'without hyphens',
        there: (value) => `${value}::uuid`,
        back: (value) => `replace(${value}::text, '-', '')`,
      },
      {
        form: 'in upper case',
        there: (value) => `${value}::uuid`,
        back: (value) => `upper(${value}::text)`,
      },
    ];
  if (/^(numeric|real|double precision)/.test(to))
    return [...plain, { ...DECIMAL_COMMA, there: (value) => `(${DECIMAL_COMMA.there(value)})::${to}` }];
  return plain;
}

/** Amounts as numeric and back, then in the smallest unit. */
function inMinorUnits({ from, to }: ConversionWanted, digits: number): Conversion[] {
  const amounts: Conversion[] = isText(from)
    ? [{ form: '', there: (value) => `${value}::numeric`, back: (value) => `${value}::text` }, DECIMAL_COMMA]
    : [{ form: '', there: (value) => `${value}::numeric`, back: (value) => `${value}::${from}` }];
  const factor = `1${'0'.repeat(digits)}`;
  return amounts.map((amount) => ({
    form: `${amount.form ? `${amount.form}, ` : ''}in units of 1/${factor}`,
    there: (value) => `((${amount.there(value)}) * ${factor})::${to}`,
    back: (value) => amount.back(`(${value}::numeric / ${factor})::numeric(40, ${digits})`),
  }));
}

/** @throws Error where a format has no meaning for these types */
export function conversionsFor(wanted: ConversionWanted): Conversion[] {
  const { column, from, to, using, back, format, minorUnits } = wanted;
  if (using !== undefined) {
    const over = (sql: string) => (value: string) =>
      `(SELECT ${sql} FROM (SELECT ${value} AS ${id(column)}) AS x)`;
    return [
      {
        form: `${using}; back by ${back ?? `the cast to ${from}`}`,
        there: over(`(${using})::${to}`),
        back: over(back === undefined ? `${id(column)}::${from}` : `(${back})::${from}`),
      },
    ];
  }
  const cast = (conversion: Conversion): Conversion => ({
    ...conversion,
    back: (value) => `(${conversion.back(value)})::${from}`,
  });
  if (minorUnits !== undefined) return inMinorUnits(wanted, minorUnits).map(cast);
  if (isInteger(from) && isTemporal(to))
    return format === 'seconds' || format === 'milliseconds' ? [epoch(wanted, format)] : [];
  if (isText(from)) return textForms(wanted).map(cast);
  if (isTemporal(from) && isTemporal(to) && isMoment(from) !== isMoment(to)) {
    const zone = literal(wanted.timeZone);
    // A date is its midnight there; AT TIME ZONE would take it for a moment of the session's zone.
    const local = (value: string, type: string) => (type === 'date' ? `${value}::timestamp` : value);
    const over = (source: string, type: string) => (value: string) =>
      `(${local(value, source)} AT TIME ZONE ${zone})::${type}`;
    return [{ form: `times of ${wanted.timeZone}`, there: over(from, to), back: over(to, from) }];
  }
  return [{ form: '', there: (value) => `${value}::${to}`, back: (value) => `${value}::${from}` }];
}

/** Why the options do not fit the types; undefined when they do. */
export function wrongOptions({
  from,
  to,
  format,
  minorUnits,
  using,
  back,
}: ConversionWanted): string | undefined {
  if (using !== undefined) return undefined;
  if (back !== undefined) return '--back is the way back of --using.';
  if (minorUnits !== undefined && !isInteger(to))
    return `--minor-units makes whole numbers: the new type is integer or bigint, not ${to}.`;
  if (isInteger(from) && isTemporal(to) && format !== 'seconds' && format !== 'milliseconds')
    return 'Numbers are moments only when their unit is known: say --format seconds or --format milliseconds (since 1970).';
  if (format === undefined) return undefined;
  if (isInteger(from) && isTemporal(to)) return undefined;
  if (!isText(from) || !isTemporal(to)) return `--format has no meaning from ${from} to ${to}.`;
  if (!/^iso$/i.test(format) && shapeOf(format) === undefined)
    return `The format ${format} is not understood: it takes YYYY, YY, MM, DD, HH24, MI, SS, MS and US, signs between them, and other letters in double quotes.`;
  return undefined;
}

/** Postgres changes the type itself without a rewrite: every value is one of the new type, in the same bytes. */
export function needsNoRewrite(from: string, to: string): boolean {
  const varchar = (type: string) => /^character varying(?:\((\d+)\))?$/.exec(type);
  const [a, b] = [varchar(from), varchar(to)];
  if (to === 'text') return a !== null;
  if (b && b[1] === undefined) return a !== null || from === 'text';
  if (a && b) return Number(a[1] ?? Number.POSITIVE_INFINITY) <= Number(b[1]);
  if (from === 'cidr' && to === 'inet') return true;
  const numeric = (type: string) => /^numeric(?:\((\d+),(-?\d+)\))?$/.exec(type);
  const [c, d] = [numeric(from), numeric(to)];
  if (c && d)
    return d[1] === undefined || (c[1] !== undefined && c[2] === d[2] && Number(c[1]) <= Number(d[1]));
  const time = (type: string) => /^(timestamp|time)(?:\((\d)\))? (with|without) time zone$/.exec(type);
  const [e, f] = [time(from), time(to)];
  return e !== null && f !== null && e[1] === f[1] && e[3] === f[3] && Number(e[2] ?? 6) <= Number(f[2] ?? 6);
}
