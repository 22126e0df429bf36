import { readCapabilities, readSettings, readStatements, readTables } from '../diagnosis/catalogue.ts';
import type { Session } from '../diagnosis/readSession.ts';
import type { Statement, Table } from '../diagnosis/relations.ts';
import { BudgetExceeded, NoTimeLeft, openSession } from '../diagnosis/session.ts';
import { bytesText, count } from '../lib/units/format.ts';
import type { Action } from './action.ts';

type Settings = Awaited<ReturnType<typeof readSettings>>;

interface Facts {
  session: Session;
  tables: readonly Table[];
  settings: Settings;
  statements: readonly Statement[];
  /** Storage parameters that a table has of its own, by oid. */
  own: ReadonlyMap<number, ReadonlyMap<string, string>>;
  database: string;
}

const settingsAction = (
  action: Pick<Action, 'id' | 'title' | 'reason' | 'sql' | 'undo' | 'risk'> & Partial<Action>,
): Action => ({
  kind: 'settings',
  findings: [],
  lock: 'none',
  bytes: null,
  predictedSpeedup: null,
  // Settings act later, on the next vacuum or session; what they change is not seen in the next seconds.
  statements: [],
  index: null,
  temporary: false,
  ...action,
});

/** Sets storage parameters of a table, and back to what they were. */
function storage({ session, own }: Facts, table: Table, parameters: Record<string, string>) {
  const target = session.quote(table.schema, table.name);
  const before = own.get(table.oid);
  return {
    sql: [
      `ALTER TABLE ${target} SET (${Object.entries(parameters)
        .map(([name, value]) => `${name} = ${value}`)
        .join(', ')})`,
    ],
    undo: Object.keys(parameters).map((name) => {
      const value = before?.get(name);
      return value === undefined
        ? `ALTER TABLE ${target} RESET (${name})`
        : `ALTER TABLE ${target} SET (${name} = ${value})`;
    }),
    lock: 'SHARE UPDATE EXCLUSIVE for a moment; reads and writes continue',
  };
}

/** A table in which vacuum and ANALYZE wait for more changed rows than this. */
const LATE_ROWS = 10_000;
const EARLIER = 0.02;

/**
 * Autovacuum waits for a share of the table (a fifth of its rows changed, a tenth for ANALYZE), so the larger the
 * table, the older its statistics and the more dead rows. Large tables get a fiftieth.
 */
function* autovacuum(facts: Facts): Generator<Action> {
  const setting = (name: string) => Number(facts.settings.get(name)?.value ?? 0);
  for (const table of facts.tables) {
    if (table.kind === 'partitioned' || table.kind === 'materialized view') continue;
    const { inserted, updated, deleted } = table.activity;
    const parameters: Record<string, string> = {};
    const late = (name: string, changes: number) => {
      const share = Number(facts.own.get(table.oid)?.get(name) ?? setting(name));
      if (changes > 0 && share > EARLIER && share * table.estimatedRows > LATE_ROWS)
        parameters[name] = String(EARLIER);
    };
    late('autovacuum_vacuum_scale_factor', updated + deleted);
    late('autovacuum_vacuum_insert_scale_factor', inserted);
    late('autovacuum_analyze_scale_factor', inserted + updated + deleted);
    const names = Object.keys(parameters);
    if (names.length === 0) continue;
    yield settingsAction({
      id: `settings:autovacuum:${table.schema}.${table.name}`,
      title: `autovacuum earlier on ${table.name}`,
      reason: `${table.name} has ${count(table.estimatedRows)} rows; ${names.join(', ')} ${names.length === 1 ? 'waits' : 'wait'} until ${names
        .map((name) => count(setting(name) * table.estimatedRows))
        .join(
          ', ',
        )} of them have changed. Expected: fresher statistics, fewer dead rows, a visibility map that lets index-only scans work.`,
      ...storage(facts, table, parameters),
      risk: 'Vacuum and ANALYZE run more often, each on less; they pause by their cost limit.',
    });
  }
}

const MIN_UPDATES = 1_000;
/** Peers call fewer than half of the updates within the page (HOT) too few. */
const MIN_HOT = 0.5;
const ROOM = 80;

/**
 * Updates that find no room in their page write to all indexes of the table. Room is left in pages that are filled
 * from now on.
 */
function* fillfactor(facts: Facts): Generator<Action> {
  for (const table of facts.tables) {
    const { updated, hotUpdated } = table.activity;
    const share = hotUpdated / Math.max(1, updated);
    if (table.kind === 'partitioned' || table.kind === 'materialized view') continue;
    if (facts.own.get(table.oid)?.has('fillfactor')) continue;
    if (updated < MIN_UPDATES || share >= MIN_HOT || table.indexes.length === 0) continue;
    yield settingsAction({
      id: `settings:fillfactor:${table.schema}.${table.name}`,
      title: `room for updates in the pages of ${table.name}`,
      reason: `${Math.round((1 - share) * 100)} % of ${count(updated)} updates of ${table.name} found no room in their page or changed an indexed column, and wrote to ${table.indexes.length} indexes. Expected: updates that stay in their page (HOT) write to none.`,
      ...storage(facts, table, { fillfactor: String(ROOM) }),
      risk: 'New pages hold a fifth less. Old pages change as they are written; updates of an indexed column gain nothing.',
    });
  }
}

/** What the keys of one column may take, milliseconds. */
const KEYS_TIMEOUT_MS = 2_000;

/**
 * @returns undefined for a table that cannot be read in time, or not by this role; `over` when there is no time for any
 *   further one
 */
async function asked<Row extends object>(
  session: Session,
  sql: string,
  values: unknown[],
): Promise<Row | undefined | 'over'> {
  try {
    const [row] = await session.query<Row>(sql, values, { withinMs: KEYS_TIMEOUT_MS });
    return row;
  } catch (error) {
    if (error instanceof BudgetExceeded || error instanceof NoTimeLeft) return 'over';
    if ((error as { code?: string }).code) return undefined;
    throw error;
  }
}

const KEYS = 200;
/** The planner is this many times off before it matters: below, plans seldom change. */
const OFF = 3;
const MIN_ROWS = 20_000;

/**
 * The number of distinct keys that ANALYZE estimates from its sample is too low where rows of one key lie together, as
 * the lines of an order do. It is held against what random keys have, looked up by the index.
 */
async function* distinctValues({ session, tables }: Facts): AsyncGenerator<Action> {
  for (const table of tables) {
    if (table.estimatedRows < MIN_ROWS || table.kind !== 'table') continue;
    for (const column of table.columns) {
      const estimated = column.stats?.distinct ?? 0;
      const indexed = table.indexes.some(
        // GIN finds no equal values, and BRIN reads the table to find one.
        ({ columns, valid, predicate, method }) =>
          valid &&
          predicate === null &&
          columns[0] === column.name &&
          (method === 'btree' || method === 'hash'),
      );
      if (!indexed || estimated < 100 || estimated >= table.estimatedRows * 0.99) continue;
      const target = session.quote(table.schema, table.name);
      const name = session.quote(column.name);
      // Values of random pages, each once: as random as keys can be had without reading the table.
      const percent = Math.min(100, (KEYS * 500) / table.pages);
      const found = await asked<{ per_key: number | null; keys: number; given: boolean }>(
        session,
        `WITH keys AS MATERIALIZED (SELECT DISTINCT ${name} AS key FROM ${target} TABLESAMPLE SYSTEM (${percent.toFixed(4)})
                        WHERE ${name} IS NOT NULL LIMIT ${KEYS})
         SELECT avg((SELECT count(*) FROM ${target} WHERE ${name} = keys.key))::float8 AS per_key, count(*)::int AS keys,
                (SELECT attoptions IS NOT NULL FROM pg_attribute WHERE attrelid = $1::oid AND attname = $2) AS given FROM keys`,
        [table.oid, column.name],
      );
      if (found === 'over') return;
      if (!found?.per_key || found.given || found.keys < KEYS / 2) continue;
      // A row without a value is in no key, for the planner too; its share of distinct values is one of all rows.
      const filled = 1 - (column.stats?.nullFraction ?? 0);
      const believed = (table.estimatedRows * filled) / estimated;
      if (believed / found.per_key < OFF) continue;
      // Rounded to places, few values among very many rows would be 0, which means that nothing is said.
      const distinct = (-filled / found.per_key).toPrecision(4);
      yield settingsAction({
        id: `settings:n_distinct:${table.schema}.${table.name}.${column.name}`,
        title: `the planner knows how many values ${table.name}.${column.name} has`,
        reason: `The planner expects ${count(believed)} rows for each value of ${column.name}; ${found.keys} values that were looked up have ${found.per_key.toFixed(1)} each. Expected: plans for few rows where there are few.`,
        sql: [
          `ALTER TABLE ${target} ALTER COLUMN ${name} SET (n_distinct = ${distinct})`,
          `ANALYZE ${target} (${name})`,
        ],
        undo: [
          `ALTER TABLE ${target} ALTER COLUMN ${name} RESET (n_distinct)`,
          `ANALYZE ${target} (${name})`,
        ],
        reads: [{ schema: table.schema, table: table.name, sample: true }],
        lock: 'SHARE UPDATE EXCLUSIVE for a moment and while a sample is read; reads and writes continue',
        risk: 'It stays when the data changes its shape; it is a share of the rows, so growth does not matter.',
      });
    }
  }
}

const READS = 20_000;
/** A spinning disk needs 4 ms and more for a block at random; below this a random read costs hardly more than the next. */
const FAST_READ_MS = 0.5;

/** Settings of the database that hold for new sessions. */
async function* planner({ session, settings, statements, database }: Facts): AsyncGenerator<Action> {
  const target = session.quote(database);
  const isDefault = (name: string) => settings.get(name)?.source === 'default';
  const forDatabase = (name: string, value: string) => ({
    sql: [`ALTER DATABASE ${target} SET ${name} = '${value}'`],
    undo: [`ALTER DATABASE ${target} RESET ${name}`],
  });
  const [reads] = await session.query<{ reads: number; ms: number }>(
    'SELECT blks_read::float8 AS reads, blk_read_time::float8 AS ms FROM pg_stat_database WHERE datname = current_database()',
  );
  const ms = reads && reads.ms > 0 ? reads.ms / reads.reads : Number.POSITIVE_INFINITY;
  if (isDefault('random_page_cost') && (reads?.reads ?? 0) >= READS && ms < FAST_READ_MS)
    yield settingsAction({
      id: 'settings:random_page_cost',
      title: 'random reads cost what they cost here',
      reason: `A block was read in ${ms.toFixed(3)} ms on average of ${count(reads?.reads ?? 0)} reads (track_io_timing), the disk or the file cache behind it; random_page_cost is at its default for spinning disks. Expected: the planner takes indexes where they are cheaper.`,
      ...forDatabase('random_page_cost', '1.1'),
      risk: 'Other plans for other statements. Holds for new sessions only.',
    });
  const workMem = Number(settings.get('work_mem')?.value ?? 0) * 1024;
  const spilt = statements
    .filter(({ calls, tempBlocksWritten }) => calls > 0 && tempBlocksWritten > 0)
    .map(({ calls, tempBlocksWritten }) => (tempBlocksWritten * 8192) / calls);
  // In memory rows take about twice what they take in a temporary file.
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, ...spilt) * 2));
  const sessions = Number(settings.get('max_connections')?.value ?? 100);
  const cache = Number(settings.get('effective_cache_size')?.value ?? 0) * 8192;
  // All sessions at once may take a quarter of the memory that the server knows of.
  const allowed = 2 ** Math.floor(Math.log2(Math.max(1, cache / 4 / sessions)));
  const size = Math.min(wanted, allowed);
  if (isDefault('work_mem') && spilt.length > 0 && size > workMem)
    yield settingsAction({
      id: 'settings:work_mem',
      title: 'sorts and hashes in memory',
      reason: `${spilt.length} ${spilt.length === 1 ? 'statement writes' : 'statements write'} temporary files, up to ${bytesText(Math.max(...spilt))} a call; work_mem is ${bytesText(workMem)}. Expected: ${size >= wanted ? 'none of that' : 'less of that'}.`,
      ...forDatabase('work_mem', `${Math.round(size / 1024)}kB`),
      risk: `Each sort or hash of each session may take it: ${count(sessions)} sessions with one each are ${bytesText(size * sessions)}. Holds for new sessions only.`,
    });
}

/** Planner and autovacuum settings that this database asks for, each with its reason and its way back. Read-only. */
export async function settingsActions(options: { url: string; signal: AbortSignal }): Promise<Action[]> {
  const session = await openSession({
    ...options,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 500,
    budgetMs: 20_000,
    dutyCycle: 0.5,
  });
  try {
    const { statements } = await readStatements(session, await readCapabilities(session));
    const rows = await session.query<{ oid: number; options: Record<string, string> }>(
      `SELECT c.oid::int8::float8 AS oid, (SELECT json_object_agg(option_name, option_value) FROM pg_options_to_table(c.reloptions)) AS options
         FROM pg_class AS c WHERE c.reloptions IS NOT NULL AND c.relkind IN ('r', 'm')`,
    );
    const [row] = await session.query<{ database: string }>('SELECT current_database() AS database');
    const facts: Facts = {
      session,
      tables: await readTables(session),
      settings: await readSettings(session),
      statements,
      own: new Map(rows.map(({ oid, options: given }) => [oid, new Map(Object.entries(given))])),
      database: row?.database ?? '',
    };
    const actions = [...autovacuum(facts), ...fillfactor(facts)];
    for await (const action of distinctValues(facts)) actions.push(action);
    for await (const action of planner(facts)) actions.push(action);
    return actions;
  } finally {
    await session.close();
  }
}
