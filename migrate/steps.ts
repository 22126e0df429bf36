import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { escapeIdentifier as id, escapeLiteral as literal } from 'pg';
import { OperationError } from '../lib/pg/errors.ts';
import { backfill, cutover, derive, partitions, sweep } from './carry.ts';
import { forwardTriggers, reverseTriggers, syncSql } from './generate.ts';
import type { Mapping, Phase } from './mapping.ts';
import {
  LEDGER_COMPLETE,
  MODELS_EQUAL,
  type Progress,
  type Running,
  SHORT_LOCK,
  type Step,
  UNUSED,
  VERIFY,
} from './migration.ts';
import type { Undo } from './state.ts';

/** What the catalogue says of the legacy tables. */
export interface Facts {
  columns: ReadonlyMap<string, readonly string[]>;
  /** Estimates of the planner. */
  rows: ReadonlyMap<string, number>;
  /** The same for what a backfill goes through: rows, or groups of rows. */
  units: ReadonlyMap<string, number>;
  /** Heap, indexes and TOAST, bytes. */
  bytes: ReadonlyMap<string, number>;
  /** Legacy tables with an index of their own that begins with the key of their units. */
  indexed: ReadonlySet<string>;
  sequences: ReadonlyMap<string, string>;
  /** Extensions of the database. */
  extensions: ReadonlySet<string>;
}

/** @throws OperationError when the server is too old, or a legacy table or a column is not what the mapping says */
export async function readFacts(client: pg.ClientBase, mapping: Mapping): Promise<Facts> {
  const { leastServer } = mapping;
  const { rows: server } = await client.query<{ number: number; name: string }>(
    "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS name",
  );
  if (leastServer && server[0] && server[0].number < leastServer.version)
    throw new OperationError(
      `This server is Postgres ${server[0].name}; the migration needs ${Math.floor(leastServer.version / 10_000)} or newer (${leastServer.because}). Upgrade it first (pg_upgrade); no table was changed.`,
    );
  const { rows: tables } = await client.query<{
    name: string;
    rows: number;
    bytes: number;
    columns: string[];
    leading: string[];
  }>(
    `SELECT c.relname AS name, greatest(c.reltuples, 0)::float8 AS rows, pg_total_relation_size(c.oid)::float8 AS bytes,
            ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum) AS columns,
            ARRAY(SELECT a.attname::text FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                   WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
                     AND i.indexrelid::regclass::text !~ 'sqltrail_') AS leading
       FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname = ANY ($2)`,
    [mapping.legacySchema, mapping.tables.map(({ table }) => table)],
  );
  const found = new Map(tables.map((table) => [table.name, table]));
  const columns = new Map<string, string[]>();
  const indexed = new Set<string>();
  for (const { table, key, addKey } of mapping.tables) {
    const fact = found.get(table);
    if (!fact)
      throw new OperationError(
        `The table ${mapping.legacySchema}.${table} does not exist. Is this the right database, or has the migration been completed?`,
      );
    const all = addKey && !fact.columns.includes(key) ? [...fact.columns, key] : fact.columns;
    if (!all.includes(key))
      throw new OperationError(`The table ${mapping.legacySchema}.${table} has no column ${key}.`);
    columns.set(table, all);
    if (fact.leading.includes(key)) indexed.add(table);
  }
  const sequences = new Map<string, string>();
  for (const { legacyTable, legacyColumn } of mapping.ids) {
    const { rows } = await client.query<{ sequence: string | null }>(
      'SELECT pg_get_serial_sequence($1, $2) AS sequence',
      [legacyTable, legacyColumn],
    );
    if (!rows[0]?.sequence)
      throw new OperationError(`${legacyTable}.${legacyColumn} does not use a sequence.`);
    sequences.set(legacyTable, rows[0].sequence);
  }
  const units = new Map<string, number>();
  for (const { table, key, unit } of mapping.tables) {
    const rows = found.get(table)?.rows ?? 0;
    const { rows: known } =
      unit === 'group'
        ? await client.query<{ n: number }>(
            'SELECT n_distinct::float8 AS n FROM pg_stats WHERE schemaname = $1 AND tablename = $2 AND attname = $3',
            [mapping.legacySchema, table, key],
          )
        : { rows: [] };
    const distinct = known[0]?.n;
    // Negative: a share of the rows (pg_stats).
    units.set(table, distinct === undefined ? rows : distinct < 0 ? -distinct * rows : distinct);
  }
  const { rows: extensions } = await client.query<{ extname: string }>('SELECT extname FROM pg_extension');
  return {
    columns,
    indexed,
    units,
    sequences,
    extensions: new Set(extensions.map(({ extname }) => extname)),
    rows: new Map(tables.map(({ name, rows }) => [name, rows])),
    bytes: new Map(tables.map(({ name, bytes }) => [name, bytes])),
  };
}

/** Steps of the contract that change nothing which the legacy tables need, of an operation too. */
const STILL_USES = 'the shop still uses the new model';
export const isHarmless = (step: string) =>
  [STILL_USES, UNUSED, MODELS_EQUAL, LEDGER_COMPLETE].includes(step);

/** The same store once more: the shop may have been started again since, with another one. */
// biome-ignore lint/correctness/useYield: it takes part in a run and has nothing to report
async function* confirm(run: Running, store: string): AsyncGenerator<Progress> {
  await run.switch(store);
  await sleep(run.options.drainMs);
}

/** All steps in their order. */
export function stepsOf(mapping: Mapping, facts: Facts, previousStore: string): Step[] {
  const steps: Step[] = [];
  const add = (phase: Phase, name: string, lock: string, work: Step['work'], undo: Undo = { kind: 'none' }) =>
    steps.push({ phase, name, lock, work, undo });
  const transaction = (phase: Phase, name: string, lock: string, up: string, down?: string) =>
    add(
      phase,
      name,
      lock,
      { kind: 'transaction', sql: up },
      down ? { kind: 'transaction', sql: down } : { kind: 'none' },
    );
  const legacy = (table: string) => `${id(mapping.legacySchema)}.${id(table)}`;
  const target = id(mapping.targetSchema);

  for (const extension of mapping.extensions)
    if (!facts.extensions.has(extension))
      transaction(
        'expand',
        `extension ${extension}`,
        'none',
        `CREATE EXTENSION IF NOT EXISTS ${id(extension)}`,
        dropUnusedSql(extension),
      );
  transaction('expand', 'new model', 'none: new tables only', mapping.model, `DROP SCHEMA ${target} CASCADE`);
  for (const { table, column, legacyTable } of mapping.ids)
    transaction(
      'expand',
      `${table}.${column} from the legacy sequence`,
      'none on legacy tables',
      `ALTER TABLE ${table} ALTER COLUMN ${id(column)} SET DEFAULT nextval(${literal(facts.sequences.get(legacyTable) ?? '')})`,
    );
  if (mapping.partitions)
    add('expand', 'partitions', 'none on legacy tables', {
      kind: 'run',
      run: (run, { phase, step }) => partitions(run, mapping, phase, step),
    });
  for (const { table, key, addKey } of mapping.tables)
    if (addKey)
      transaction(
        'expand',
        `${table}: a key`,
        `ACCESS EXCLUSIVE on ${table} ${SHORT_LOCK}; no row is rewritten`,
        `ALTER TABLE ${legacy(table)} ADD COLUMN ${id(key)} bigint;
ALTER TABLE ${legacy(table)} ALTER COLUMN ${id(key)} SET DEFAULT nextval(${literal(addKey.sequence)})`,
        `ALTER TABLE ${legacy(table)} DROP COLUMN ${id(key)}`,
      );
  for (const { table, key, addKey } of mapping.tables) {
    const name = `sqltrail_${table}_${key}_idx`;
    if (facts.indexed.has(table) && !addKey) continue;
    add(
      'expand',
      `${table}: index of the key`,
      'SHARE UPDATE EXCLUSIVE: reads and writes continue (CONCURRENTLY)',
      {
        kind: 'indexes',
        indexes: [
          {
            name,
            schema: mapping.legacySchema,
            sql: addKey
              ? `CREATE UNIQUE INDEX CONCURRENTLY ${id(name)} ON ${legacy(table)} (${id(key)}) WHERE ${id(key)} IS NOT NULL`
              : `CREATE INDEX CONCURRENTLY ${id(name)} ON ${legacy(table)} (${id(key)})`,
          },
        ],
      },
      {
        kind: 'concurrently',
        sql: `DROP INDEX CONCURRENTLY IF EXISTS ${id(mapping.legacySchema)}.${id(name)}`,
      },
    );
  }
  transaction(
    'expand',
    'synchronisation',
    'none: functions and views only',
    syncSql(mapping, facts.columns),
    `DROP SCHEMA ${id(mapping.syncSchema)} CASCADE`,
  );

  // Undone last: without the triggers the new model is out of date, and is emptied so that nobody takes it for true.
  add(
    'dual-write',
    'new model is kept in step',
    'none',
    { kind: 'nothing' },
    { kind: 'transaction', sql: emptySql(mapping) },
  );
  for (const { label, up, down } of forwardTriggers(mapping))
    transaction(
      'dual-write',
      `triggers on ${label}`,
      `SHARE ROW EXCLUSIVE on ${label} ${SHORT_LOCK}`,
      up,
      down,
    );
  for (const { name, up, down } of mapping.dualWrite)
    transaction('dual-write', name, `SHARE ROW EXCLUSIVE ${SHORT_LOCK}`, up, down);

  for (const table of mapping.tables)
    steps.push({
      phase: 'backfill',
      name: table.table,
      lock: 'the rows of a batch, FOR SHARE, for about 200 ms; backs off after 300 ms of waiting',
      work: { kind: 'run', run: (run, { phase }) => backfill(run, mapping, table, phase) },
      undo: {
        kind: 'transaction',
        sql: `DELETE FROM sqltrail.migration_cursor WHERE migration = ${literal(mapping.name)} AND legacy_table = ${literal(table.table)}`,
      },
      size: {
        rows: facts.rows.get(table.table) ?? 0,
        units: facts.units.get(table.table) ?? 0,
        bytes: facts.bytes.get(table.table) ?? 0,
      },
    });

  const { derived } = mapping;
  if (derived)
    add('backfill', derived.table, 'none on legacy tables', {
      kind: 'run',
      run: (run, { phase }) => derive(run, derived, phase),
    });

  add('verify', MODELS_EQUAL, 'none: reads only', VERIFY);

  for (const { label, up, down } of reverseTriggers(mapping))
    transaction(
      'reverse-sync',
      `triggers on ${mapping.targetSchema}.${label}`,
      `SHARE ROW EXCLUSIVE on ${mapping.targetSchema}.${label} ${SHORT_LOCK}`,
      up,
      down,
    );
  // Last to come and first to go: the new model can be written to only while every write is sent back.
  for (const role of mapping.writers) {
    const tables = `ALL TABLES IN SCHEMA ${target} TO ${id(role)}`;
    transaction(
      'reverse-sync',
      `${role} may write`,
      'none',
      grantSql(mapping, role),
      `REVOKE INSERT, UPDATE, DELETE ON ${tables.replace(' TO ', ' FROM ')}`,
    );
  }

  const { reads, writes } = mapping.stores;
  const change = (phase: Phase, store: string, back: string) =>
    add(
      phase,
      `the shop uses ${store}`,
      'none',
      { kind: 'run', run: (run, { phase: at, step }) => cutover(run, at, step, { store, back }) },
      { kind: 'switch', store: back },
    );
  change('cutover-reads', reads, previousStore);
  change('cutover-writes', writes, reads);
  add('cutover-writes', 'both models are still equal', 'none: reads only', VERIFY);

  add('contract', STILL_USES, 'none', { kind: 'run', run: (run) => confirm(run, writes) });
  add('contract', MODELS_EQUAL, 'none: reads only', VERIFY);
  add('contract', LEDGER_COMPLETE, 'none', {
    kind: 'run',
    run: (run, { phase, step }) => sweep(run, mapping, phase, step),
  });
  for (const { table, column, sequence, legacyTable } of mapping.ids)
    transaction(
      'contract',
      `${table}.${column} from its own sequence`,
      `ACCESS EXCLUSIVE on ${table} ${SHORT_LOCK}`,
      // The table is locked first, so that no number is taken between reading the sequence and leaving it.
      `ALTER TABLE ${table} ALTER COLUMN ${id(column)} SET DEFAULT nextval(${literal(sequence)});
SELECT setval(${literal(sequence)}, last_value, is_called) FROM ${facts.sequences.get(legacyTable)}`,
    );
  for (const { label, down } of reverseTriggers(mapping))
    transaction(
      'contract',
      `no triggers on ${mapping.targetSchema}.${label}`,
      `ACCESS EXCLUSIVE ${SHORT_LOCK}`,
      down,
    );
  for (const { label, down } of forwardTriggers(mapping))
    transaction('contract', `no triggers on ${label}`, `ACCESS EXCLUSIVE ${SHORT_LOCK}`, down);
  for (const { name, down } of mapping.dualWrite)
    transaction('contract', `without ${name}`, SHORT_LOCK, down);
  transaction('contract', 'no synchronisation', 'none', `DROP SCHEMA ${id(mapping.syncSchema)} CASCADE`);
  for (const table of [...mapping.tables.map((each) => each.table).reverse(), ...mapping.obsolete])
    transaction(
      'contract',
      `drop ${table}`,
      `ACCESS EXCLUSIVE on ${table}, which nobody uses`,
      `DROP TABLE ${legacy(table)}`,
    );
  return steps;
}

/** Somebody may have come to use it since: then it stays. */
const dropUnusedSql = (extension: string) => `DO $$
BEGIN
  DROP EXTENSION IF EXISTS ${id(extension)};
EXCEPTION WHEN dependent_objects_still_exist THEN
  NULL;
END $$`;

/**
 * Only tables that are reached by name, since partitions are reached through their parents; and none that functions of
 * the model write to.
 */
const grantSql = (mapping: Mapping, role: string) => `DO $$
DECLARE
  each  regclass;
BEGIN
  FOR each IN SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = ${literal(mapping.targetSchema)} AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND c.relname <> ALL (${names([...mapping.registry, ...(mapping.derived ? [mapping.derived.table] : [])])})
  LOOP
    EXECUTE format('GRANT INSERT, UPDATE, DELETE ON %s TO %I', each, ${literal(role)});
  END LOOP;
END $$`;

const names = (tables: readonly string[]) => `ARRAY[${tables.map(literal).join(', ')}]::text[]`;

/** Empties the new model but for what describes its partitions. */
const emptySql = (mapping: Mapping) => `DO $$
DECLARE
  tables  text;
BEGIN
  SELECT string_agg(c.oid::regclass::text, ', ') INTO tables
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
   WHERE n.nspname = ${literal(mapping.targetSchema)} AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> ALL (${names(mapping.registry)});
  EXECUTE 'TRUNCATE ' || tables;
END $$;
DELETE FROM sqltrail.migration_resolution WHERE migration = ${literal(mapping.name)}`;
