import pg from 'pg';
import { OperationError } from '../lib/pg/errors.ts';
import { quote } from '../lib/pg/quote.ts';
import type {
  Change,
  ExtensionChange,
  OptionsChange,
  SettingChange,
  StatisticsChange,
  Work,
} from './change.ts';
import { withLockRetries } from './indexes.ts';
import { inTransaction } from './signature.ts';
import type { Effect, Named } from './statement.ts';

const text = ({ schema, name }: Named) => (schema === undefined ? quote(name) : quote(schema, name));

interface Relation {
  oid: number;
  schema: string;
  table: string;
  kind: string;
  options: string[];
  toast: string[];
}

async function relationBy(client: pg.ClientBase, by: Named | number): Promise<Relation | undefined> {
  const { rows } = await client.query<Relation>(
    `SELECT c.oid::int8::float8 AS oid, n.nspname AS schema, c.relname AS table, c.relkind AS kind,
            coalesce(c.reloptions, '{}') AS options, coalesce(t.reloptions, '{}') AS toast
       FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_class AS t ON t.oid = c.reltoastrelid
      WHERE c.oid = ${typeof by === 'number' ? '$1::oid' : 'to_regclass($1)'}`,
    [typeof by === 'number' ? by : text(by)],
  );
  return rows[0];
}

async function columnsOf(client: pg.ClientBase, relation: number, column: string, recurses: boolean) {
  const { rows } = await client.query<{
    relation: number;
    schema: string;
    table: string;
    options: string[];
    target: number;
  }>(
    `WITH RECURSIVE tree AS (SELECT $1::oid AS oid UNION SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid WHERE $3)
     SELECT c.oid::int8::float8 AS relation, n.nspname AS schema, c.relname AS table,
            coalesce(a.attoptions, '{}') AS options, coalesce(a.attstattarget, -1)::int AS target
       FROM tree JOIN pg_class AS c USING (oid) JOIN pg_namespace AS n ON n.oid = c.relnamespace
       JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = $2 AND NOT a.attisdropped ORDER BY c.oid`,
    [relation, column, recurses],
  );
  return rows;
}

async function settingNow(
  client: pg.ClientBase,
  { database, role, name }: Pick<SettingChange, 'database' | 'role' | 'name'>,
): Promise<string | null> {
  if (database === null && role === null) {
    const { rows } = await client.query<{ setting: string }>(
      `SELECT setting FROM pg_file_settings WHERE lower(name) = lower($1) AND sourcefile LIKE '%postgresql.auto.conf' ORDER BY seqno DESC LIMIT 1`,
      [name],
    );
    return rows[0]?.setting ?? null;
  }
  const { rows } = await client.query<{ value: string }>(
    `SELECT substr(entry, strpos(entry, '=') + 1) AS value FROM pg_db_role_setting, unnest(setconfig) AS entry
      WHERE setdatabase = coalesce((SELECT oid FROM pg_database WHERE datname = $1), 0)
        AND setrole = coalesce((SELECT oid FROM pg_roles WHERE rolname = $2), 0)
        AND lower(split_part(entry, '=', 1)) = lower($3)`,
    [database, role, name],
  );
  return rows[0]?.value ?? null;
}

async function extensions(client: pg.ClientBase): Promise<ExtensionChange[]> {
  const { rows } = await client.query<{ oid: number; name: string }>(
    'SELECT oid::int8::float8 AS oid, extname AS name FROM pg_extension ORDER BY oid',
  );
  return rows.map((row) => ({ change: 'extension', ...row }));
}

const same = (a: readonly string[], b: readonly string[]) => JSON.stringify(a) === JSON.stringify(b);

/** What may be undone of an effect, as it is now. `before` and `after` are the same. */
async function sight(client: pg.ClientBase, effect: Effect): Promise<Change[]> {
  if (effect.on === 'setting' || effect.on === 'system') {
    const { name } = effect;
    const [database, role] = effect.on === 'setting' ? [effect.database, effect.role] : [null, null];
    const value = await settingNow(client, { database, role, name });
    return [{ change: 'setting', database, role, name, before: value, after: value }];
  }
  if (effect.on === 'extension') return extensions(client);
  if (effect.on !== 'options' && effect.on !== 'column') return [];
  const found = await relationBy(client, effect.relation);
  if (!found) return [];
  const place = { relation: found.oid, schema: found.schema, table: found.table };
  const options = (of: OptionsChange['of'], now: string[], column: string | null): OptionsChange => ({
    change: 'options',
    ...place,
    of,
    column,
    before: now,
    after: now,
  });
  if (effect.on === 'options')
    return [options('relation', found.options, null), options('toast', found.toast, null)];
  const columns = await columnsOf(client, found.oid, effect.column, effect.recurses);
  return columns.flatMap(({ options: now, target, ...where }): Change[] => [
    { ...options('column', now, effect.column), ...where },
    { change: 'statistics', ...where, column: effect.column, before: target, after: target },
  ]);
}

/** What came about between two sights of the same effect. */
function between(before: readonly Change[], after: readonly Change[]): Change[] {
  return after.flatMap((now, at): Change[] => {
    if (now.change === 'extension')
      return before.some((known) => known.change === 'extension' && known.oid === now.oid) ? [] : [now];
    const known = before[at];
    if (now.change === 'options' && known?.change === 'options')
      return same(known.before, now.after) ? [] : [{ ...now, before: known.before }];
    if (now.change === 'statistics' && known?.change === 'statistics')
      return known.before === now.after ? [] : [{ ...now, before: known.before }];
    if (now.change === 'setting' && known?.change === 'setting')
      return known.before === now.after ? [] : [{ ...now, before: known.before }];
    return [];
  });
}

/** So that nobody changes the table between what is noted of it and what is done. */
async function holdStill(client: pg.ClientBase, effects: readonly Effect[]): Promise<void> {
  for (const effect of effects) {
    if (effect.on !== 'options' && effect.on !== 'column') continue;
    const relation = await relationBy(client, effect.relation);
    if (relation && ['r', 'p'].includes(relation.kind))
      await client.query(
        `LOCK TABLE ONLY ${quote(relation.schema, relation.table)} IN SHARE UPDATE EXCLUSIVE MODE`,
      );
  }
}

/**
 * Runs a statement and notes what it changed in one transaction, so that a run which is killed has done and noted
 * both or neither.
 */
export async function runNoted(work: Work, sql: string, effects: readonly Effect[]): Promise<void> {
  const { client, changes, signal } = work;
  const all = async () => {
    const seen: Change[] = [];
    for (const effect of effects) seen.push(...(await sight(client, effect)));
    return seen;
  };
  await withLockRetries(
    client,
    async () => {
      const known = changes.length;
      try {
        await inTransaction(client, async () => {
          await holdStill(client, effects);
          const before = await all();
          await client.query(sql);
          changes.push(...between(before, await all()));
          if (changes.length > known) await work.save();
        });
      } catch (error) {
        changes.length = known;
        throw error;
      }
    },
    { signal },
  );
}

/** ALTER SYSTEM knows no transaction: what was there is noted first. */
export async function runSystem(work: Work, sql: string, name: string): Promise<void> {
  const { client, changes } = work;
  const before = await settingNow(client, { database: null, role: null, name });
  const noted: SettingChange = { change: 'setting', database: null, role: null, name, before, after: null };
  const known = changes.find(
    (change) =>
      change.change === 'setting' &&
      change.database === null &&
      change.role === null &&
      change.name === name &&
      !change.undone,
  ) as SettingChange | undefined;
  // One that is there is of a run that was killed here.
  const change = known ?? noted;
  if (!known) {
    changes.push(change);
    await work.save();
  }
  await client.query(sql);
  change.after = await settingNow(client, change);
  await work.save();
  await client.query('SELECT pg_reload_conf()');
}

const nameOf = (option: string) => option.slice(0, option.indexOf('='));
const valueIn = (option: string) => option.slice(option.indexOf('=') + 1);

/**
 * What the options have to be. The catalogue keeps their order, the one set last at the end, and pg_dump shows it: those
 * that are as before come in the order of before, then what the owner set since.
 */
export function optionsBack(
  { before, after }: Pick<OptionsChange, 'before' | 'after'>,
  now: readonly string[],
): { wanted: string[]; left: string[] } {
  const was = new Map(before.map((option) => [nameOf(option), option]));
  const made = new Map(after.map((option) => [nameOf(option), option]));
  const is = new Map(now.map((option) => [nameOf(option), option]));
  const ours = [...new Set([...was.keys(), ...made.keys()])].filter(
    (name) => was.get(name) !== made.get(name),
  );
  if (ours.length === 0) return { wanted: [...now], left: [] };
  const left = ours.filter((name) => is.get(name) !== made.get(name) && is.get(name) !== was.get(name));
  const value = (name: string) =>
    ours.includes(name) && !left.includes(name) ? was.get(name) : is.get(name);
  // Nothing is to be given back, so nothing is touched.
  if (ours.every((name) => value(name) === is.get(name))) return { wanted: [...now], left };
  const asBefore = [...was.keys()].filter((name) => value(name) === was.get(name));
  const names = new Set([...asBefore, ...is.keys()]);
  return { wanted: [...names].flatMap((name) => value(name) ?? []), left };
}

const alter: Record<string, string> = {
  i: 'INDEX',
  I: 'INDEX',
  m: 'MATERIALIZED VIEW',
  v: 'VIEW',
  f: 'FOREIGN TABLE',
};

async function undoOptions({ client }: Work, change: OptionsChange): Promise<string | undefined> {
  const { relation, of, column } = change;
  const found = await relationBy(client, relation);
  if (!found) return undefined;
  const now =
    of === 'column'
      ? (await columnsOf(client, relation, column ?? '', false))[0]?.options
      : of === 'toast'
        ? found.toast
        : found.options;
  if (!now) return undefined;
  const { wanted, left } = optionsBack(change, now);
  if (!same(wanted, now)) {
    const prefix = of === 'toast' ? 'toast.' : '';
    const gone = now.map(nameOf).filter((name) => !wanted.some((option) => nameOf(option) === name));
    const reset = gone.map((name) => prefix + quote(name)).join(', ');
    const set = wanted
      .map((option) => `${prefix}${quote(nameOf(option))} = ${pg.escapeLiteral(valueIn(option))}`)
      .join(', ');
    const where = column === null ? '' : `ALTER COLUMN ${quote(column)} `;
    const parts = [...(reset ? [`${where}RESET (${reset})`] : []), ...(set ? [`${where}SET (${set})`] : [])];
    await client.query(
      `ALTER ${alter[found.kind] ?? 'TABLE'} ${quote(found.schema, found.table)} ${parts.join(', ')}`,
    );
    // The planner goes by what was said until the next one.
    if (column !== null && [...now, ...wanted].some((option) => /^n_distinct/.test(option)))
      await client.query(`ANALYZE ${quote(found.schema, found.table)} (${quote(column)})`);
  }
  return left.length > 0
    ? `${left.join(', ')} of ${found.table}${column === null ? '' : `.${column}`} left as the owner has set it since`
    : undefined;
}

async function undoStatistics({ client }: Work, change: StatisticsChange): Promise<string | undefined> {
  const [now] = await columnsOf(client, change.relation, change.column, false);
  if (!now || now.target === change.before || change.before === change.after) return undefined;
  if (now.target !== change.after)
    return `the statistics target of ${now.table}.${change.column} left as the owner has set it since`;
  await client.query(
    `ALTER TABLE ONLY ${quote(now.schema, now.table)} ALTER COLUMN ${quote(change.column)} SET STATISTICS ${change.before}`,
  );
  return undefined;
}

/** Settings whose value is a list of quoted names, which SET takes apart again. */
const LISTS = [
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'shared_preload_libraries',
  'temp_tablespaces',
  'unix_socket_directories',
];

/** Elements of a list of names, quoted where they have to be, as literals. */
function listElements(value: string): string {
  const parts = value.match(/"(?:[^"]|"")*"|[^,\s"]+/g) ?? [];
  return (
    parts
      .map((part) => pg.escapeLiteral(part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part))
      .join(', ') || "''"
  );
}

async function undoSetting({ client }: Work, change: SettingChange): Promise<string | undefined> {
  const { database, role, name, before, after } = change;
  const now = await settingNow(client, change);
  if (now === before || before === after) return undefined;
  const system = database === null && role === null;
  if (now !== after) return `${name} left as the owner has set it since (${now ?? 'no value'})`;
  const { rows } = await client.query<{ database: boolean; role: boolean }>(
    `SELECT $1::text IS NULL OR EXISTS (SELECT FROM pg_database WHERE datname = $1) AS database,
            $2::text IS NULL OR EXISTS (SELECT FROM pg_roles WHERE rolname = $2) AS role`,
    [database, role],
  );
  if (!rows[0]?.database || !rows[0].role) return undefined;
  const target = system
    ? 'SYSTEM'
    : role === null
      ? `DATABASE ${quote(database ?? '')}`
      : `ROLE ${quote(role)}${database === null ? '' : ` IN DATABASE ${quote(database)}`}`;
  const setting = name
    .split('.')
    .map((part) => quote(part))
    .join('.');
  const value =
    before === null
      ? ''
      : LISTS.includes(name.toLowerCase())
        ? listElements(before)
        : pg.escapeLiteral(before);
  await client.query(
    `ALTER ${target} ${before === null ? `RESET ${setting}` : `SET ${setting} TO ${value}`}`,
  );
  if (system) await client.query('SELECT pg_reload_conf()');
  return undefined;
}

/** Functions whose text names something of an extension; Postgres notes no dependency of a text. */
const inTexts = `SELECT format('function %s', p.oid::regprocedure) AS user FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
  WHERE l.lanname NOT IN ('internal', 'c')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
    AND p.pronamespace <> 'pg_catalog'::regnamespace AND p.pronamespace <> 'information_schema'::regnamespace
    AND EXISTS (SELECT FROM pg_depend AS d JOIN pg_proc AS member ON d.classid = 'pg_proc'::regclass AND d.objid = member.oid
                 WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = $1::oid AND d.deptype = 'e'
                   AND p.prosrc ~ ('\\m' || member.proname || '\\M')) LIMIT 1`;

async function undoExtension({ client }: Work, change: ExtensionChange): Promise<string | undefined> {
  const { oid, name } = change;
  const { rows } = await client.query<{ name: string }>(
    'SELECT extname AS name FROM pg_extension WHERE oid = $1::oid AND extname = $2',
    [oid, name],
  );
  if (!rows[0]) return undefined;
  const { rows: texts } = await client.query<{ user: string }>(inTexts, [oid]);
  if (texts[0]) throw new StillUsed(`the extension ${name} stays: ${texts[0].user} uses it`);
  await client.query('SAVEPOINT before_extension');
  try {
    await client.query(`DROP EXTENSION ${quote(name)}`);
  } catch (error) {
    const { code, detail = '' } = error as { code?: string; detail?: string };
    if (code !== '2BP01') throw error;
    await client.query('ROLLBACK TO before_extension');
    throw new StillUsed(`the extension ${name} stays: ${detail.split('\n')[0]}`);
  }
  return undefined;
}

/** What was made is used by others now; it may go when they do. */
export class StillUsed extends OperationError {}

/**
 * Gives back what is still as it was made, and marks it as undone, in one transaction.
 *
 * @returns what was left as the owner has it since, in words
 * @throws StillUsed for an extension that others use
 */
export async function undoNoted(work: Work, change: Exclude<Change, { change: 'index' | 'dropped-index' }>) {
  const { client, signal } = work;
  let remark: string | undefined;
  const run = async () => {
    if (change.change === 'options') remark = await undoOptions(work, change);
    else if (change.change === 'statistics') remark = await undoStatistics(work, change);
    else if (change.change === 'setting') remark = await undoSetting(work, change);
    else remark = await undoExtension(work, change);
    change.undone = true;
    await work.save();
  };
  const system = change.change === 'setting' && change.database === null && change.role === null;
  await withLockRetries(
    client,
    async () => {
      try {
        await (system ? run() : inTransaction(client, run));
      } catch (error) {
        delete change.undone;
        throw error;
      }
    },
    { signal },
  );
  return remark;
}

/**
 * Where a later action set the same thing again, undoing the earlier one changes nothing of it in the database: what was
 * there before the earlier one becomes what was there before the later one.
 */
export function handOver(earlier: Change, later: Change): void {
  if (
    (earlier.change === 'setting' &&
      later.change === 'setting' &&
      earlier.database === later.database &&
      earlier.role === later.role &&
      earlier.name === later.name &&
      later.before === earlier.after) ||
    (earlier.change === 'statistics' &&
      later.change === 'statistics' &&
      earlier.relation === later.relation &&
      earlier.column === later.column &&
      later.before === earlier.after)
  ) {
    Object.assign(later, { before: earlier.before });
    Object.assign(earlier, { before: earlier.after });
    return;
  }
  if (earlier.change !== 'options' || later.change !== 'options') return;
  if (earlier.relation !== later.relation || earlier.of !== later.of || earlier.column !== later.column)
    return;
  const by = (options: readonly string[]) => new Map(options.map((option) => [nameOf(option), option]));
  const [made, was, is] = [by(earlier.after), by(later.before), by(later.after)];
  const handed = new Set(
    [...made.keys(), ...was.keys(), ...is.keys()].filter(
      (name) => was.get(name) !== is.get(name) && was.get(name) === made.get(name),
    ),
  );
  const rest = [...new Set([...earlier.before.map(nameOf), ...made.keys()])].flatMap(
    (name) => (handed.has(name) ? made.get(name) : by(earlier.before).get(name)) ?? [],
  );
  later.before = optionsBack(earlier, later.before).wanted;
  later.after = optionsBack({ before: rest, after: earlier.after }, later.after).wanted;
  earlier.before = rest;
}
