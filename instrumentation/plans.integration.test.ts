import pg from 'pg';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { type ReceivedSpan, startCollector } from '../test/support/otlpCollector.ts';
import { startNode, telemetryArguments } from '../test/support/process.ts';

const databases = ['plans_first', 'plans_second'];
let spans: ReceivedSpan[];

async function inDatabase(database: string, statements: string[]): Promise<void> {
  const client = new pg.Client(
    Object.assign(new URL(inject('postgresUrl')), { pathname: `/${database}` }).href,
  );
  await client.connect();
  for (const sql of statements) await client.query(sql);
  await client.end();
}

beforeAll(async () => {
  await inDatabase('postgres', [
    ...databases.flatMap((name) => [`DROP DATABASE IF EXISTS ${name}`, `CREATE DATABASE ${name}`]),
    'DROP ROLE IF EXISTS reader',
    'CREATE ROLE reader',
  ]);
  for (const [i, name] of databases.entries())
    await inDatabase(name, [
      `CREATE TABLE t (${name} int); INSERT INTO t VALUES (${i})`,
      'ALTER TABLE t ENABLE ROW LEVEL SECURITY',
      `CREATE POLICY own ON t USING (${name} = 42)`,
      'CREATE SCHEMA other; CREATE TABLE other.t (other int PRIMARY KEY)',
      'GRANT SELECT ON t TO reader',
    ]);
  const collector = await startCollector();
  const application = startNode([...telemetryArguments, 'test/support/observed/plans.ts'], {
    DATABASE_URL: inject('postgresUrl'),
    TEST_DATABASES: databases.join(),
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_PROMETHEUS_PORT: String(await freePort()),
    SQLTRAIL_PLAN_SLOW_MS: '40',
  });
  expect(await application.exited, application.output()).toBe(0);
  collector.close();
  spans = collector.spans;
  return () =>
    inDatabase('postgres', [...databases.map((name) => `DROP DATABASE ${name}`), 'DROP ROLE reader']);
});

/** The plan of the statement whose column has this alias. */
function planOf(alias: string): string | undefined {
  const statement = spans.find(({ attributes }) =>
    String(attributes['db.query.text']).includes(` AS ${alias} `),
  );
  expect(statement, `the statement ${alias}`).toBeDefined();
  const plan = spans.find(
    ({ parentId, attributes }) => parentId === statement?.spanId && attributes['sqltrail.plan'],
  );
  return plan && String(plan.attributes['sqltrail.plan']);
}

describe('a plan is that of the session that ran the statement', () => {
  it.each([
    ['first', '"Schema":"public"|"Relation Name":"t"', ''],
    ['second', '"Relation Name":"t"', ''],
    // Only there has the table an index.
    ['in_other', '"Relation Name":"t"', ''],
    ['in_other_by_option', '"Relation Name":"t"', ''],
    ['as_reader', '"Filter"', ''],
    ['without_seqscan', '"enable_seqscan":"off"', ''],
  ])('%s', (alias, pattern) => {
    expect(planOf(alias)).toMatch(new RegExp(pattern));
  });

  it('so a policy of another role is not in it', () => {
    expect(planOf('first')).not.toContain('"Filter"');
  });

  it.each(['in_other', 'in_other_by_option'])('%s: with the search path', (alias) => {
    expect(planOf(alias)).toContain('"search_path"');
  });

  it.each(['not_known', 'of_a_temporary_table'])('%s: or there is none', (alias) => {
    expect(planOf(alias)).toBeUndefined();
  });
});
