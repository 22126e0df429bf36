import { createHash } from 'node:crypto';
import { literal } from '../../lib/pg/quote.ts';
import type { Column, Reference, Table } from './catalogue.ts';
import type { Filling, Value } from './corpusDatabase.ts';
import { words } from './words.ts';

/**
 * Values are SQL of the row's ordinal, so a reference needs no look-up: the key of the row that it refers to is the
 * key's own expression with another ordinal in it. In a value of a {@link Filling}:
 *
 * - `{i}` the row's ordinal, `{n}` the number of rows of its table, `{n:table}` of another
 * - `{u}` a number from 0 to 1 that depends on the column and the ordinal; `{u:x}` another one
 * - `{row:x}` a number from 0 to 1 that all columns of the row share
 * - `{at}` the row's moment (timestamptz): ordinals rise with time
 * - `{uuid}` the key of this row
 * - `{ref:table.column}` the column of a row of the table, its first rows the most often (Zipf); `{ref:…/label}` of the
 *   same row for each column with the label; `{own:…}` of the row with the same ordinal
 * - `{word}`, `{words}`, `{sentence}`, `{text}` one word, three, a sentence, up to five
 */
export interface Context {
  tables: ReadonlyMap<string, Table>;
  filling: Filling;
  rowsOf(table: string): number;
}

const DEFAULT_DAYS = 1_460;
const seedOf = (text: string) => createHash('md5').update(text).digest().readInt32LE(0);
const WORDS = `ARRAY[${words.map(literal).join()}]`;

/** 0 (inclusive) to 1. */
const uniform = (ordinal: string, seed: string) =>
  `((hashint8extended((${ordinal})::int8, ${seedOf(seed)}) & 1125899906842623)::float8 / 1125899906842624)`;
const wordOf = (ordinal: string, seed: string) =>
  `(pg_temp.words())[1 + floor(${uniform(ordinal, seed)} * ${words.length})::int]`;
const sentenceOf = (ordinal: string, seed: string) =>
  `(pg_temp.sentences())[1 + floor(${uniform(ordinal, seed)} * ${SENTENCES})::int]`;
const SENTENCES = 400;

/** Functions of the session that loads, gone with it. */
export const helpers = `
  CREATE FUNCTION pg_temp.words() RETURNS text[] LANGUAGE sql IMMUTABLE AS $f$ SELECT ${WORDS} $f$;
  CREATE FUNCTION pg_temp.sentences() RETURNS text[] LANGUAGE sql IMMUTABLE AS $f$
    SELECT array_agg(sentence ORDER BY i) FROM (
      SELECT i, initcap(${wordOf('i', 'first')}) || ' ' || string_agg(${wordOf('i * 50 + k', 'next')}, ' ') || '.' AS sentence
      FROM generate_series(1, ${SENTENCES}) AS i, generate_series(1, 5 + (i * 7) % 11) AS k GROUP BY i) s $f$;`;

/** Half of the references go to any row, half to the first ones (Zipf's law), up to the number of rows. */
const zipf = (ordinal: string, seed: string, rows: string) =>
  `(CASE WHEN ${uniform(ordinal, `${seed}~`)} < 0.5 THEN least(${rows}, floor(exp(${uniform(ordinal, seed)} * ln((${rows}) + 1.0)))::int8) ELSE 1 + floor(${uniform(ordinal, `${seed}^`)} * (${rows}))::int8 END)`;

/** The past fills faster the nearer it comes to today. */
function momentOf(ordinal: string, rows: number, { filling }: Context): string {
  const days = filling.days ?? DEFAULT_DAYS;
  return `(date_trunc('day', now()) - interval '1 day' * (${days} * (1 - power((${ordinal})::float8 / ${rows + 1}, 0.6)) + ${uniform(ordinal, 'moment')} * 0.01))`;
}

/** How many are NULL where they may be. */
function nullsOf(name: string, reference: boolean): number {
  if (/delet|remov|revok|archiv|ban|disabl|suspend|expire|cancel|void/i.test(name)) return 0.97;
  return reference ? 0.3 : /_at$|At$|_on$/.test(name) ? 0.5 : 0.15;
}

function textOf(table: Table, column: Column, i: string, seed: string): Value {
  const name = column.name.toLowerCase();
  const word = wordOf(i, seed);
  const unique = table.unique.includes(column.name);
  const limited = (expression: string) =>
    column.length > 0 ? `left(${expression}, ${column.length})` : expression;
  if (/token|secret|hash|digest|md5|sha\d|checksum|fingerprint|etag|salt|password|signature|_key$/.test(name))
    return limited(`md5(${literal(seed)} || (${i}))`);
  if (/e_?mail/.test(name))
    return limited(`${word} || (${i}) || '@' || ${wordOf(i, `${seed}@`)} || '.example'`);
  if (/ur[li]$|^ur[li]|href|website|link|avatar|image/.test(name))
    return limited(`'https://' || ${word} || '.example/' || ${wordOf(i, `${seed}/`)} || '/' || (${i})`);
  if (unique) return limited(`lower(${word}) || '-' || (${i})`);
  if (/(^|_)ip(_|$)|ip_?addr/.test(name))
    return `'10.' || floor(${uniform(i, `${seed}a`)} * 255) || '.' || floor(${uniform(i, `${seed}b`)} * 255) || '.' || floor(${uniform(i, seed)} * 255)`;
  if (/local|lang/.test(name)) return choice(i, seed, ['en', 'de', 'fr', 'es', 'ja', 'pt', 'pl']);
  if (/country/.test(name)) return choice(i, seed, ['US', 'DE', 'FR', 'GB', 'JP', 'BR', 'IN']);
  if (/currency/.test(name)) return choice(i, seed, ['USD', 'EUR', 'GBP']);
  if (/stat(us|e)$|type$|kind$|role$|level$|category$|visibility$|mode$|source$/.test(name))
    return limited(choice(i, seed, ['active', 'pending', 'closed', 'draft', 'other']));
  if (/body|content|descri|comment|text|message|bio|note|about|summary|reason/.test(name))
    return limited(manySentences(i, seed));
  if (/domain|host/.test(name)) return limited(`${word} || '-' || ${wordOf(i, `${seed}.`)} || '.example'`);
  if (/title|name|subject|label|display/.test(name))
    return limited(`initcap(${word}) || ' ' || ${wordOf(i, `${seed}2`)} || ' ' || ${wordOf(i, `${seed}3`)}`);
  return limited(word);
}

const choice = (i: string, seed: string, from: readonly string[]) =>
  `(ARRAY[${from.map(literal).join()}])[least(${from.length}, 1 + floor(power(${uniform(i, seed)}, 2) * ${from.length})::int)]`;

function manySentences(i: string, seed: string): string {
  const more = [2, 3, 4, 5].map(
    (at) =>
      `CASE WHEN ${uniform(i, `${seed}n`)} > ${(at - 1) / 5} THEN ' ' || ${sentenceOf(i, `${seed}${at}`)} ELSE '' END`,
  );
  return `(${[sentenceOf(i, seed), ...more].join(' || ')})`;
}

function byType(table: Table, column: Column, i: string, context: Context): Value {
  const seed = `${table.name}.${column.name}`;
  const u = uniform(i, seed);
  const n = context.rowsOf(table.name);
  const unique = table.unique.includes(column.name);
  const at = momentOf(i, n, context);
  const later = /creat|insert|record|^at$|_ts$|^ts$/i.test(column.name)
    ? at
    : `least(${at} + interval '1 hour' * power(${u}, 4) * 300, now())`;
  if (column.labels.length > 0)
    return column.array ? `'{}'` : `${choice(i, seed, column.labels)}::${column.type}`;
  if (column.array) return `'{}'::${column.type}`;
  switch (column.type) {
    case 'uuid':
      return `md5(${literal(unique ? table.name : seed)} || (${i}))::uuid`;
    case 'smallint':
      return `floor(power(${u}, 3) * 5)`;
    case 'bigint':
      if (!unique && /(^|_)ts($|_)|_time$|^time$|_ms$/.test(column.name))
        return `(extract(epoch FROM ${later}) * 1000)::bigint`;
      return unique ? i : `floor(power(${u}, 6) * 5000)`;
    case 'integer':
      return unique ? i : `floor(power(${u}, 6) * 5000)`;
    case 'numeric':
      return `round((power(${u}, 4) * ${column.digits > 0 ? Math.min(10 ** column.digits - 1, 2000) : 2000})::numeric, 2)`;
    case 'real':
    case 'double precision':
      return `round((power(${u}, 4) * 100)::numeric, 3)::float8`;
    case 'money':
      return `(round((power(${u}, 4) * 2000)::numeric, 2))::money`;
    case 'boolean':
      return `${u} < ${/enabled|active|visible|public|confirmed|approved|read$/.test(column.name) ? 0.9 : 0.1}`;
    case 'timestamp without time zone':
      return `(${later} AT TIME ZONE 'UTC')`;
    case 'timestamp with time zone':
      return later;
    case 'date':
      return `(${at})::date`;
    case 'time without time zone':
      return `time '00:00' + interval '1 second' * floor(${u} * 86399)`;
    case 'interval':
      return `interval '1 second' * floor(${u} * 86400)`;
    case 'json':
    case 'jsonb':
      return `jsonb_build_object('size', floor(${u} * 100), 'name', ${wordOf(i, seed)})::${column.type}`;
    case 'inet':
      return `('10.' || floor(${u} * 255) || '.' || floor(${uniform(i, `${seed}b`)} * 255) || '.1')::inet`;
    case 'bytea':
      return `decode(md5(${literal(seed)} || (${i})), 'hex')`;
    case 'tsvector':
      return `to_tsvector('simple', ${manySentences(i, seed)})`;
    case 'point':
      return `point(${u} * 180, ${uniform(i, `${seed}y`)} * 90)`;
    case 'text':
    case 'citext':
    case 'character varying':
    case 'character':
    case 'name':
      return textOf(table, column, i, seed);
    default:
      return 'NULL';
  }
}

function expand(value: Value, table: Table, column: Column, i: string, context: Context): Value {
  const seed = `${table.name}.${column.name}`;
  const n = context.rowsOf(table.name);
  return value.replace(/\{(\w+)(?::([^}]*))?\}/g, (all, what: string, argument = '') => {
    const [path = '', shared] = argument.split('/');
    const [name = '', key = ''] = path.split('.');
    const target = context.tables.get(name);
    switch (what) {
      case 'i':
        return `(${i})`;
      case 'n':
        return String(argument ? context.rowsOf(argument) : n);
      case 'uuid':
        return `md5(${literal(table.name)} || (${i}))::uuid`;
      case 'u':
        return uniform(i, seed + argument);
      case 'row':
        return uniform(i, `${table.name}/${argument}`);
      case 'at':
        return momentOf(i, n, context);
      case 'word':
        return wordOf(i, seed + argument);
      case 'words':
        return `(${[1, 2, 3].map((at) => wordOf(i, seed + argument + at)).join(" || ' ' || ")})`;
      case 'sentence':
        return sentenceOf(i, seed + argument);
      case 'text':
        return manySentences(i, seed + argument);
      case 'ref':
      case 'own': {
        if (!target) throw new Error(`${seed} refers to the table ${name}, which is not there.`);
        const ordinal =
          what === 'own'
            ? i
            : zipf(i, shared ? `${table.name}/${shared}` : seed, String(context.rowsOf(name)));
        return columnValue(target, key, ordinal, context);
      }
      default:
        return all;
    }
  });
}

/** `user_id` and `userId` mean `users`, `user` or `User`, where that table has a key of the same type. */
function guessed(table: Table, column: Column, { tables, rowsOf }: Context): Reference | undefined {
  const base = /^(.+?)(?:_id|Id)$/.exec(column.name)?.[1];
  if (!base) return undefined;
  const capital = base[0]?.toUpperCase() + base.slice(1);
  for (const name of [base, `${base}s`, base.replace(/y$/, 'ies'), `${base}es`, capital]) {
    const target = tables.get(name);
    const key = target?.columns.find(
      ({ name: at }) => target.primaryKey.length === 1 && at === target.primaryKey[0],
    );
    if (target && target !== table && key?.type === column.type && rowsOf(name) > 0)
      return { columns: [column.name], table: name, keys: [key.name] };
  }
  return undefined;
}

/** SQL of the column's value in the row of the ordinal. */
export function columnValue(table: Table, name: string, i: string, context: Context): Value {
  const column = table.columns.find((candidate) => candidate.name === name);
  if (!column) throw new Error(`${table.name} has no column ${name}.`);
  const given = context.filling.columns?.[`${table.name}.${name}`] ?? context.filling.columns?.[`*.${name}`];
  if (given !== undefined) return `(${expand(given, table, column, i, context)})`;
  const declared = table.references.find(({ columns }) => columns.includes(name));
  // A key is what the ordinal says; a key that is a reference too has one parent each.
  const alone = table.primaryKey.length === 1 && table.primaryKey[0] === name;
  const reference = declared ?? (alone ? undefined : guessed(table, column, context));
  const seed = `${table.name}.${(declared?.columns ?? [name]).join()}`;
  const nullable = (value: string) =>
    column.notNull
      ? value
      : `CASE WHEN ${uniform(i, `${seed}?`)} >= ${nullsOf(name, reference !== undefined)} THEN ${value} END`;
  if (reference) {
    const target = context.tables.get(reference.table);
    const rows = context.rowsOf(reference.table);
    if (!target || rows === 0) return 'NULL';
    const key = reference.keys[reference.columns.indexOf(name)] as string;
    const ordinal =
      alone || table.unique.includes(name)
        ? `(1 + ((${i}) - 1) % ${rows})`
        : target === table
          ? zipf(i, seed, `greatest(1, (${i}) - 1)`)
          : zipf(i, seed, String(rows));
    return nullable(columnValue(target, key, ordinal, context));
  }
  return nullable(byType(table, column, i, context));
}
