import { readCapabilities, readTables } from '../diagnosis/catalogue.ts';
import { readAges } from '../diagnosis/checks/size/rowAge.ts';
import type { Session } from '../diagnosis/readSession.ts';
import type { SeenColumn } from './monitorRole.ts';

/** A table for `databases[].tables`. */
export interface DatedTable {
  table: string;
  /** None where the bounds of its partitions say it. */
  date?: string;
  datedBy?: string;
  /** Some of its rows are older than a year. */
  old: boolean;
}

export interface DatabaseFacts {
  name: string;
  version: number;
  tables: DatedTable[];
  /** Tables that cannot be named in the file, or whose age nothing says, each with why. */
  skipped: string[];
  /** What the monitoring role has to see the statistics of. */
  columns: SeenColumn[];
  schemas: string[];
  pgStatStatements: boolean;
  /** pg_stat_statements is loaded, and only the extension is missing. */
  preloaded: boolean;
  statementsSchema: string | undefined;
  roles: { name: string; monitors: boolean }[];
}

/** Without a point, a blank or a quote, which would have to be quoted in more than one language. */
const PLAIN = /^[^.\s'"\\]+$/;
const YEAR_MS = 365 * 86_400_000;

/** Partitioned tables whose key is a date, so that the bounds of a partition say how old its rows are. */
const BY_TIME = `SELECT k.partrelid::int8::float8 AS oid, a.attname AS column
  FROM pg_partitioned_table k JOIN pg_attribute a ON a.attrelid = k.partrelid AND a.attnum = k.partattrs[0]
 WHERE k.partstrat = 'r' AND a.atttypid IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)`;

const SERVER = `SELECT current_database() AS name,
       string_to_array(replace(current_setting('shared_preload_libraries'), ' ', ''), ',') @> '{pg_stat_statements}' AS preloaded,
       (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements') AS "statementsSchema",
       (SELECT coalesce(json_agg(json_build_object('name', r.rolname, 'monitors', pg_has_role(r.oid, 'pg_monitor', 'USAGE')) ORDER BY r.rolname), '[]')
          FROM pg_roles r WHERE r.rolcanlogin) AS roles`;

/** Reads what a configuration needs to know of a database: catalogue and statistics, no rows. */
export async function readDatabase(session: Session): Promise<DatabaseFacts> {
  const capabilities = await readCapabilities(session);
  const all = await readTables(session, (locked) => {
    throw new Error(
      `Another session has ${locked.map(({ schema, name }) => `${schema}.${name}`).join(', ')} for itself, so its age cannot be read. sqltrail diagnose --only lock-waits says which; run init again when it has ended.`,
    );
  });
  // The exporter's queries compare the column with dates.
  const ages = (await readAges({ session, tables: all })).filter(({ perSecond }) => perSecond === undefined);
  const byTime = await session.query<{ oid: number; column: string }>(BY_TIME);
  const [server] =
    await session.query<Pick<DatabaseFacts, 'name' | 'preloaded' | 'statementsSchema' | 'roles'>>(SERVER);
  if (!server) throw new Error('the server gave no answer about itself');
  const tables: DatedTable[] = [];
  const skipped: string[] = [];
  const columns: SeenColumn[] = [];
  const nameOf = ({ schema, name }: { schema: string; name: string }) => `${schema}.${name}`;
  for (const table of all.filter(({ kind }) => kind === 'table' || kind === 'partitioned')) {
    const name = nameOf(table);
    const age = ages.find((given) => given.table === table);
    const parted = table.kind === 'partitioned';
    if (parted ? !byTime.some(({ oid }) => oid === table.oid) : !age) continue;
    if (![table.schema, table.name, ...(age ? [age.column] : [])].every((word) => PLAIN.test(word))) {
      skipped.push(`${name}: its name, or that of its date column, has a point, a blank or a quote`);
      continue;
    }
    const old = age !== undefined && (age.bounds[0] ?? 0) < Date.now() - YEAR_MS;
    if (parted || !age) {
      tables.push({ table: name, old });
      continue;
    }
    if (age.through?.kind === 'partitioned') {
      skipped.push(
        `${name}: it is as old as ${nameOf(age.through)}, of which only the partitions have an age`,
      );
      continue;
    }
    const dated = age.through ?? table;
    tables.push({
      table: name,
      date: age.column,
      ...(age.through ? { datedBy: nameOf(age.through) } : {}),
      old,
    });
    if (!age.through) columns.push({ schema: dated.schema, table: dated.name, column: age.column });
  }
  const { statementsSchema } = server;
  return {
    ...server,
    version: capabilities.version,
    tables,
    skipped,
    columns,
    schemas: [...new Set(all.map(({ schema }) => schema))],
    pgStatStatements: capabilities.pgStatStatements,
    statementsSchema:
      statementsSchema === null || statementsSchema === 'public' ? undefined : statementsSchema,
  };
}
