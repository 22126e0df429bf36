import pg from 'pg';
import { waitFor } from '../../../lib/waitFor.ts';
import { PATIENCE_MS } from '../patience.ts';

/**
 * An application whose sessions differ from those that a new connection has: other databases, search paths, roles,
 * settings. Each statement is slow; the schemas' tables of one name differ in their columns, so that a plan of the
 * wrong one shows.
 */
const base = process.env['DATABASE_URL'] ?? '';
// As applications have it that pass documents through: plans are read as they are nonetheless.
pg.types.setTypeParser(pg.types.builtins.JSON, (text) => text);
const url = (database: string) => Object.assign(new URL(base), { pathname: `/${database}` }).href;
const [first = '', second = ''] = (process.env['TEST_DATABASES'] ?? '').split(',');

/** How many plans were captured, or given up, so far. */
async function captures(): Promise<number> {
  const text = await (
    await fetch(`http://127.0.0.1:${process.env['OTEL_EXPORTER_PROMETHEUS_PORT']}/metrics`)
  ).text();
  return [...text.matchAll(/^sqltrail_plan_captures_total\{.*\} (\d+)/gm)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  );
}

async function within(config: pg.ClientConfig, statements: string[]): Promise<void> {
  const client = new pg.Client(config);
  await client.connect();
  const before = await captures();
  for (const sql of statements) await client.query(sql);
  await waitFor('the plan', async () => (await captures()) > before, { deadlineMs: PATIENCE_MS });
  await client.end();
}

const slow = (name: string) => `SELECT count(*) AS ${name} FROM t, pg_sleep(0.05)`;
await within({ connectionString: url(first) }, [slow('first')]);
await within({ connectionString: url(second) }, [slow('second')]);
await within({ connectionString: url(first) }, ['SET search_path TO other', slow('in_other')]);
await within({ connectionString: url(first), options: '-c search_path=other' }, [slow('in_other_by_option')]);
await within({ connectionString: url(first) }, ['SET ROLE reader', slow('as_reader')]);
await within({ connectionString: url(first) }, ['SET enable_seqscan = off', slow('without_seqscan')]);
await within({ connectionString: url(first) }, [
  "SELECT set_config('search_path', 'other', false)",
  slow('not_known'),
]);
await within({ connectionString: url(first) }, [
  'CREATE TEMP TABLE t (temporary int)',
  slow('of_a_temporary_table'),
]);
