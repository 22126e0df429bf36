import type { CheckContext } from '../../check.ts';
import { READS_MUCH } from '../../readSession.ts';
import type { Column, Table } from '../../relations.ts';
import { endIfOver } from '../shared.ts';

/** Rows of a table as text, by column; null stays null. The same index in each column is the same row. */
export interface Sample {
  table: Table;
  rows: number;
  /** The sample holds every row. */
  whole: boolean;
  columns: ReadonlyMap<string, readonly (string | null)[]>;
}

/** Larger tables first; a database of thousands of tables is looked at where it matters. */
const MAX_TABLES = 100;
const MAX_COLUMNS = 80;
const MAX_VALUE = 400;
const MIN_ROWS = 20;
/** Of the time that is left, for reading samples. */
const SAMPLING_SHARE = 0.2;
/** With fewer rows a sample of a large table shows no repetition; so many are read however slow the server is. */
const FEWEST_ROWS = 1_500;
/** Fewer values tell of the way to the server and back, not of how fast it reads. */
const TELLING_VALUES = 20_000;

const known = new WeakMap<CheckContext, Promise<Sample[]>>();

/** One sample of each table that can be read, the largest table first; read once, and shared by all checks of a run. */
export function readSamples(context: CheckContext): Promise<Sample[]> {
  const samples = known.get(context) ?? read(context);
  known.set(context, samples);
  return samples;
}

/**
 * Where migration tools keep what they have run, and pg_partman what it has to do: Rails, Flyway, Liquibase, Django,
 * Alembic, Knex, Prisma, Sequelize, TypeORM, Entity Framework, goose, Atlas, Diesel, sqlx, Refinery, node-pg-migrate,
 * Drizzle, golang-migrate, Ecto, Doctrine, Synapse. Their model is the tool's.
 */
const BOOKKEEPING =
  /^(schema_migrations?|ar_internal_metadata|flyway_schema_history|schema_version|databasechangelog(lock)?|django_migrations|alembic_version|knex_migrations(_lock)?|_prisma_migrations|sequelizemeta|migrations|typeorm_metadata|__efmigrationshistory|goose_db_version|atlas_schema_revisions|__diesel_schema_migrations|_sqlx_migrations|refinery_schema_history|pgmigrations|__drizzle_migrations|doctrine_migration_versions|gorp_migrations|schema_compat_version|applied_(module_schemas|schema_deltas)|part_config(_sub)?)$/i;

/** A table of a tool, not of the application. */
export const isBookkeeping = ({ schema, name }: Pick<Table, 'schema' | 'name'>) =>
  schema === 'sqltrail' || BOOKKEEPING.test(name) || (schema === 'partman' && name.startsWith('template_'));

/** Tables whose model is judged: partitions are their parent's, what tools keep for themselves is theirs. */
export const modelTables = (context: CheckContext) =>
  context.tables.filter(
    (table) =>
      (table.kind === 'table' || table.kind === 'partitioned') &&
      table.partitionOf === null &&
      !isBookkeeping(table),
  );

async function read(context: CheckContext): Promise<Sample[]> {
  const found: Sample[] = [];
  const tables = modelTables(context)
    .filter(({ estimatedRows }) => estimatedRows >= MIN_ROWS)
    .sort((a, b) => b.estimatedRows - a.estimatedRows);
  if (tables.length > MAX_TABLES)
    context.blind({
      what: `the model of ${tables.length - MAX_TABLES} smaller tables`,
      remedy: `Only the ${MAX_TABLES} largest are sampled in one run.`,
    });
  let leftMs = context.remainingMs() * SAMPLING_SHARE;
  // The small ones first: they show how fast this server answers now, and what they leave is for the large ones.
  const ascending = tables.slice(0, MAX_TABLES).reverse();
  let [values, valuesMs, overheadMs] = [0, 0, Number.POSITIVE_INFINITY];
  for (const [at, table] of ascending.entries()) {
    context.signal.throwIfAborted();
    const started = performance.now();
    const msForThis = Math.max(0, leftMs) / (ascending.length - at);
    const affordable =
      values < TELLING_VALUES
        ? context.sampleRows
        : (msForThis * values) / Math.max(1, valuesMs) / table.columns.length;
    const rows = Math.round(Math.min(context.sampleRows, Math.max(FEWEST_ROWS, affordable)));
    try {
      const sample = await readOne(context, table, rows);
      if (sample) found.push(sample);
      const tookMs = performance.now() - started;
      overheadMs = Math.min(overheadMs, tookMs);
      values += (sample?.rows ?? 0) * table.columns.length;
      valuesMs += tookMs - overheadMs;
    } catch (error) {
      endIfOver(context, error);
      const { code, message } = error as { code?: string; message?: string };
      const target = context.session.quote(table.schema, table.name);
      context.blind({
        what: `the rows of ${table.schema}.${table.name} (${message})`,
        remedy: code === '42501' ? `GRANT SELECT ON ${target} to this role.` : 'Run the diagnosis again.',
      });
    }
    leftMs -= performance.now() - started;
  }
  return found.toReversed();
}

const unreadable = (column: Column) => /^(bytea|tsvector|geometry|geography|vector|xml)/.test(column.type);

async function readOne(context: CheckContext, table: Table, most: number): Promise<Sample | undefined> {
  const columns = table.columns.filter((column) => !unreadable(column)).slice(0, MAX_COLUMNS);
  if (columns.length === 0) return undefined;
  const whole = table.estimatedRows <= most;
  const percent = Math.min(100, (100 * most * 1.1) / Math.max(1, table.estimatedRows));
  const [row] = await context.session.query<Record<string, (string | null)[] | null>>(
    // A column a JSON array: taking as many values one by one is work for which the server would wait here.
    `SELECT ${columns.map((_, at) => `json_agg(c${at}) AS c${at}`).join(', ')}
       FROM (SELECT ${columns.map(({ name }, at) => `left(${context.session.quote(name)}::text, ${MAX_VALUE}) AS c${at}`).join(', ')}
               FROM ${context.session.quote(table.schema, table.name)}${
                 whole ? '' : ` TABLESAMPLE SYSTEM (${percent.toFixed(6)})`
               } LIMIT ${most}) AS sampled`,
    [],
    READS_MUCH,
  );
  return {
    table,
    rows: row?.['c0']?.length ?? 0,
    whole,
    columns: new Map(columns.map(({ name }, at) => [name, row?.[`c${at}`] ?? []])),
  };
}

/** Small tables first, by what it takes to read them whole. */
export const bySize = (a: Sample, b: Sample) => a.table.heapBytes - b.table.heapBytes;

export const isText = ({ type, base = type }: Column) =>
  /^(text|character varying|character|name|(.*\.)?citext)/.test(base);

/** Values of the column that hold something. */
export const valuesOf = (sample: Sample, column: Column) =>
  (sample.columns.get(column.name) ?? []).filter((value) => value !== null && value !== '') as string[];

/** Fewer values show no form. */
export const MIN_VALUES = 30;
