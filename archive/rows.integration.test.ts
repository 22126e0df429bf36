import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { dumpBinDir, pgDump, startDumpServer } from '../test/support/dump.ts';
import { propertyRuns } from '../test/support/property.ts';
import { planPolicy, restorePolicy, runPolicy } from './partitions.ts';
import type { ArchivePolicy, ArchiveUnit } from './policy.ts';
import { listArchive } from './read.ts';

/**
 * No row leaves unseen: whatever the schema, an archival takes nothing that is not in a file, changes nothing else, and
 * restoring it makes the database what it was.
 */

const RUNS = propertyRuns(8);
/** Ends what hangs; many schemas take longer than the limit of other tests. */
const TIMEOUT_MS = Math.max(600_000, RUNS * 30_000);
const SEED = process.env['SQLTRAIL_PROPERTY_SEED'];
const ACTIONS = ['NO ACTION', 'RESTRICT', 'CASCADE', 'SET NULL', 'SET DEFAULT'] as const;
const TRIGGERS = {
  none: () => '',
  'keeps every third': (t: Table) =>
    `CREATE TRIGGER odd BEFORE DELETE ON ${t.name} FOR EACH ROW WHEN (OLD.id % 3 = 0) EXECUTE FUNCTION a.keep()`,
  'forbids every fourth': (t: Table) =>
    `CREATE TRIGGER odd BEFORE DELETE ON ${t.name} FOR EACH ROW WHEN (OLD.id % 4 = 0) EXECUTE FUNCTION a.forbid()`,
  'marks every third as deleted': (t: Table) =>
    `CREATE TRIGGER odd BEFORE DELETE ON ${t.name} FOR EACH ROW WHEN (OLD.id % 3 = 0) EXECUTE FUNCTION a.mark()`,
  'writes an audit of every fifth': (t: Table) =>
    `CREATE TRIGGER odd AFTER DELETE ON ${t.name} FOR EACH ROW WHEN (OLD.id % 5 = 0) EXECUTE FUNCTION a.audit()`,
  'writes an audit at commit': (t: Table) =>
    `CREATE CONSTRAINT TRIGGER odd AFTER DELETE ON ${t.name} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.id % 2 = 0) EXECUTE FUNCTION a.audit()`,
  'deletes elsewhere, by statement': (t: Table) =>
    `CREATE TRIGGER odd AFTER DELETE ON ${t.name} REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION a.sweep()`,
  'empties a table': (t: Table) =>
    `CREATE TRIGGER odd AFTER DELETE ON ${t.name} FOR EACH ROW WHEN (OLD.id % 7 = 0) EXECUTE FUNCTION a.empty()`,
  'puts it back': (t: Table) =>
    `CREATE TRIGGER odd AFTER DELETE ON ${t.name} FOR EACH ROW WHEN (OLD.id % 3 = 0) EXECUTE FUNCTION a.again()`,
  'stamps what comes': (t: Table) =>
    `CREATE TRIGGER odd BEFORE INSERT OR UPDATE ON ${t.name} FOR EACH ROW EXECUTE FUNCTION a.stamp();
     CREATE TRIGGER told AFTER INSERT ON ${t.name} FOR EACH ROW EXECUTE FUNCTION a.audit()`,
  'is a rule that marks': (t: Table) =>
    `CREATE RULE odd AS ON DELETE TO ${t.name} DO INSTEAD UPDATE ${t.name} SET note = 'deleted' WHERE id = OLD.id`,
  'is a rule that audits': (t: Table) =>
    `CREATE RULE odd AS ON DELETE TO ${t.name} DO ALSO INSERT INTO a.audited VALUES (OLD.id)`,
} as const;
const FUNCTIONS = `
  CREATE TABLE a.audited (id int);
  CREATE TABLE a.swept (id int);
  INSERT INTO a.swept SELECT generate_series(1, 20);
  CREATE FUNCTION a.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
  CREATE FUNCTION a.forbid() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''% may not go'', OLD.id; END';
  CREATE FUNCTION a.audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO a.audited VALUES (CASE TG_OP WHEN ''INSERT'' THEN NEW.id ELSE OLD.id END); RETURN NULL; END';
  CREATE FUNCTION a.mark() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN EXECUTE format(''UPDATE %I.%I SET note = %L WHERE id = $1'', TG_TABLE_SCHEMA, TG_TABLE_NAME, ''deleted'') USING OLD.id; RETURN NULL; END';
  CREATE FUNCTION a.sweep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM a.swept WHERE id IN (SELECT id FROM gone); RETURN NULL; END';
  CREATE FUNCTION a.empty() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN TRUNCATE a.swept; RETURN NULL; END';
  CREATE FUNCTION a.again() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN EXECUTE format(''INSERT INTO %I.%I SELECT ($1).*'', TG_TABLE_SCHEMA, TG_TABLE_NAME) USING OLD; RETURN NULL; END';
  CREATE FUNCTION a.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated := clock_timestamp(); RETURN NEW; END';`;

interface Table {
  at: number;
  /** In SQL. */
  name: string;
  schema: string;
  kind: 'plain' | 'partitioned' | 'inherited';
  trigger: keyof typeof TRIGGERS;
  security: boolean;
  /** Age and values of its rows; ids count from 1. */
  rows: { old: boolean; note: string | null; heir: boolean }[];
}

interface Key {
  from: number;
  to: number;
  action: (typeof ACTIONS)[number];
  composite: boolean;
  timing: 'NOT DEFERRABLE' | 'DEFERRABLE' | 'DEFERRABLE INITIALLY DEFERRED';
  /** For each row of the referring table, which row it refers to; modulo, and every so often none. */
  picks: number[];
}

interface Schema {
  tables: Table[];
  keys: Key[];
  /** Units of the policy. */
  units: { root: number; keyed: boolean; children: boolean[]; where: boolean }[];
  segmentUnits: number;
}

const weighted = <T>(...of: [number, T][]) =>
  fc.oneof(...of.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));

const schemaOf: fc.Arbitrary<Schema> = fc.integer({ min: 2, max: 5 }).chain((n) =>
  fc.record({
    tables: fc
      .array(
        fc.record({
          schema: fc.constantFrom('a', 'b'),
          kind: weighted<Table['kind']>([4, 'plain'], [1, 'partitioned'], [1, 'inherited']),
          trigger: fc.oneof(
            { weight: 3, arbitrary: fc.constant('none' as const) },
            { weight: 1, arbitrary: fc.constantFrom(...(Object.keys(TRIGGERS) as Table['trigger'][])) },
          ),
          security: weighted([12, false], [1, true]),
          rows: fc.array(
            fc.record({
              old: weighted([4, true], [1, false]),
              note: fc.constantFrom(null, '', 'x', "it's", 'a,"b"\n'),
              heir: weighted([4, false], [1, true]),
            }),
            { minLength: 1, maxLength: 14 },
          ),
        }),
        { minLength: n, maxLength: n },
      )
      .map((tables) =>
        tables.map((table, at) => ({ ...table, at, name: `${table.schema}.t${at}` }) as Table),
      ),
    keys: fc.array(
      fc.record({
        from: fc.nat(n - 1),
        to: fc.nat(n - 1),
        action: fc.constantFrom(...ACTIONS),
        composite: weighted([3, false], [1, true]),
        timing: weighted<Key['timing']>(
          [3, 'NOT DEFERRABLE'],
          [1, 'DEFERRABLE'],
          [1, 'DEFERRABLE INITIALLY DEFERRED'],
        ),
        picks: fc.array(fc.nat(40), { minLength: 14, maxLength: 14 }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    units: fc.array(
      fc.record({
        root: fc.nat(n - 1),
        keyed: weighted([4, true], [1, false]),
        children: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
        where: weighted([3, false], [1, true]),
      }),
      { minLength: 1, maxLength: 2 },
    ),
    segmentUnits: weighted([1, 3], [3, 1_000]),
  }),
);

/** DDL and rows. References are filled in last, by the superuser, with triggers off. */
function ddl({ tables, keys }: Schema): string {
  const sql = [
    'CREATE SCHEMA a AUTHORIZATION app; CREATE SCHEMA b AUTHORIZATION app; SET ROLE app',
    FUNCTIONS,
  ];
  for (const { at, name, schema, kind } of tables) {
    sql.push(
      `CREATE TABLE ${name} (id int NOT NULL DEFAULT 1, grp int NOT NULL, day date, note text, updated timestamptz, twice int GENERATED ALWAYS AS (id * 2) STORED,
         ${keys.flatMap((key, k) => (key.from === at ? [`k${k} int DEFAULT 1, g${k} int DEFAULT 1,`] : [])).join(' ')}
         PRIMARY KEY (id), UNIQUE (id, grp))${kind === 'partitioned' ? ' PARTITION BY RANGE (id)' : ''}`,
    );
    if (kind === 'partitioned')
      sql.push(
        `CREATE TABLE ${schema}.t${at}_low PARTITION OF ${name} FOR VALUES FROM (MINVALUE) TO (6); CREATE TABLE ${schema}.t${at}_high PARTITION OF ${name} FOR VALUES FROM (6) TO (MAXVALUE)`,
      );
    if (kind === 'inherited') sql.push(`CREATE TABLE ${schema}.t${at}_heir (extra text) INHERITS (${name})`);
  }
  for (const { at, name, rows, schema, kind } of tables)
    for (const [i, { old, note, heir }] of rows.entries()) {
      const id = i + 1;
      const values = `${id}, ${id % 3}, ${old ? "'2020-02-29'" : "'2999-01-01'"}, ${note === null ? 'NULL' : pg.escapeLiteral(note)}, '2021-01-01Z'`;
      const more = keys.flatMap((key, k) => (key.from === at ? [`k${k}`, `g${k}`] : []));
      const columns = ['id, grp, day, note, updated', ...more].join(', ');
      const nulls = more.map(() => ', NULL').join('');
      sql.push(
        kind === 'inherited' && heir
          ? `INSERT INTO ${schema}.t${at}_heir (${columns}, extra) VALUES (${values}${nulls}, 'own ' || ${id})`
          : `INSERT INTO ${name} (${columns}) VALUES (${values}${nulls})`,
      );
    }
  for (const [k, { from, to, composite, picks }] of keys.entries()) {
    const referring = tables[from] as Table;
    const referred = tables[to] as Table;
    const there = referred.rows.flatMap(({ heir }, i) =>
      referred.kind === 'inherited' && heir ? [] : [i + 1],
    );
    for (const [i, pick] of picks.entries())
      if (pick % 3 > 0 && there.length > 0 && i < referring.rows.length) {
        const target = there[pick % there.length] as number;
        sql.push(
          `UPDATE ${referring.name} SET k${k} = ${target}, g${k} = ${composite ? target % 3 : 'NULL'} WHERE id = ${i + 1}`,
        );
      }
  }
  for (const [k, { from, to, action, composite, timing }] of keys.entries()) {
    const referring = tables[from] as Table;
    const referred = tables[to] as Table;
    sql.push(
      `ALTER TABLE ${referring.name} ADD CONSTRAINT f${k} FOREIGN KEY (k${k}${composite ? `, g${k}` : ''}) REFERENCES ${referred.name} (id${composite ? ', grp' : ''}) ON DELETE ${action} ${timing};
       CREATE INDEX i${k} ON ${referring.name} (k${k})`,
    );
  }
  for (const table of tables) {
    const made = TRIGGERS[table.trigger](table);
    // A partitioned table takes no triggers with transition tables by row, but these are by statement.
    if (made) sql.push(made);
    if (table.security)
      sql.push(
        `ALTER TABLE ${table.name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY even ON ${table.name} USING (id % 2 = 0)`,
      );
  }
  return sql.join(';\n');
}

function policyOf({ tables, keys, units }: Schema): ArchivePolicy {
  return {
    version: 1,
    units: units.map(({ root, keyed, children, where }, i): ArchiveUnit => {
      const { schema, name } = tables[root] as Table;
      const taken = new Set([root]);
      const chosen = keys.flatMap((key, k) => {
        if (!keyed || !children[k] || key.to !== root || key.composite || taken.has(key.from)) return [];
        taken.add(key.from);
        const child = tables[key.from] as Table;
        return [{ table: { schema: child.schema, table: child.name.slice(2) }, column: `k${k}` }];
      });
      return {
        name: `unit-${i}`,
        reason: 'test',
        table: { schema, table: name.slice(2) },
        ...(keyed ? { key: 'id' } : {}),
        age: 'day',
        olderThanDays: 30,
        ...(where ? { where: "note IS DISTINCT FROM 'x'" } : {}),
        holds: [],
        children: chosen,
        retention: { months: 1, rule: 'test' },
      };
    }),
  };
}

let url: string;
let owner: string;
let client: pg.Client;
let close: () => Promise<void>;

beforeAll(async () => {
  // With pg_dump where it is to be had: it says more than a comparison of rows.
  const server = dumpBinDir ? await startDumpServer() : undefined;
  const base = server?.url() ?? inject('postgresUrl');
  const admin = new pg.Client(base);
  await admin.connect();
  const database = `rows_${process.pid}`;
  await admin.query(`CREATE DATABASE ${database}`);
  await admin.query(`CREATE ROLE rows_app_${process.pid} LOGIN PASSWORD 'app'`);
  const at = new URL(base);
  at.pathname = `/${database}`;
  url = at.href;
  at.username = `rows_app_${process.pid}`;
  at.password = 'app';
  owner = at.href;
  client = new pg.Client(url);
  await client.connect();
  await client.query(`GRANT CREATE ON DATABASE ${database} TO rows_app_${process.pid}`);
  close = async () => {
    await client.end();
    await admin.query(`DROP DATABASE ${database} WITH (FORCE)`);
    await admin.query(`DROP ROLE rows_app_${process.pid}`);
    await admin.end();
    await server?.close();
  };
});
afterAll(() => close());

async function make(schema: Schema): Promise<void> {
  await client.query(
    'RESET ROLE; DROP SCHEMA IF EXISTS a CASCADE; DROP SCHEMA IF EXISTS b CASCADE; DROP SCHEMA IF EXISTS sqltrail CASCADE',
  );
  await client.query(ddl(schema).replaceAll(/\bapp\b/g, `rows_app_${process.pid}`));
  await client.query('RESET ROLE');
}

/** Every row of every table that holds rows, by that table, sorted. */
async function rows(): Promise<Map<string, string[]>> {
  const { rows: tables } = await client.query<{ name: string }>(
    "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname IN ('a', 'b') AND c.relkind = 'r' ORDER BY 1",
  );
  const found = new Map<string, string[]>();
  for (const { name } of tables)
    found.set(
      name,
      (
        await client.query<{ row: string }>(`SELECT t::text AS row FROM ONLY ${name} AS t ORDER BY 1`)
      ).rows.map(({ row }) => row),
    );
  return found;
}

/** Definitions that a restore changes for a while. */
async function definitions(): Promise<unknown[]> {
  const { rows: found } = await client.query(
    `SELECT conrelid::regclass::text AS of, conname AS name, pg_get_constraintdef(oid) AS is FROM pg_constraint WHERE connamespace IN ('a'::regnamespace, 'b'::regnamespace)
     UNION ALL SELECT tgrelid::regclass::text, tgname, concat(tgenabled, pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
     UNION ALL SELECT oid::regclass::text, relname, concat(relkind, array_to_string(reloptions, ','), pg_get_expr(relpartbound, oid), relrowsecurity) FROM pg_class WHERE relnamespace IN ('a'::regnamespace, 'b'::regnamespace)
     ORDER BY 1, 2, 3`,
  );
  return found;
}

/** What pg_dump says of all but our own schema. Rows may be in another order than they were. */
async function dump(): Promise<string> {
  const text = await pgDump(url, ['--exclude-schema=sqltrail', '--inserts']);
  const inserts = text.match(/^INSERT INTO (?:[^']|'(?:[^']|'')*')*?;$/gm) ?? [];
  return text.replaceAll(/^INSERT INTO (?:[^']|'(?:[^']|'')*')*?;$/gm, '') + inserts.sort().join('\n');
}

const missing = (before: Map<string, string[]>, after: Map<string, string[]>) =>
  [...before].flatMap(([name, all]) => {
    const left = [...(after.get(name) ?? [])];
    return all.filter((row) => {
      const at = left.indexOf(row);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    });
  });

async function restoreAll(directory: string): Promise<number> {
  let restored = 0;
  // What left last is referred to by what left before.
  for (const { id, state } of (await listArchive({ url: owner })).toReversed())
    if (state === 'archived')
      restored += await restorePolicy({ url: owner, directory, segment: id, holdDays: 0, reason: 'test' });
  return restored;
}

let made = 0;

async function holds(schema: Schema, directory: string, stopAt?: number): Promise<void> {
  await make(schema);
  const policy = policyOf(schema);
  const options = { url: owner, policy, directory, segmentUnits: schema.segmentUnits, dutyCycle: 1 };
  const before = await rows();
  made += 1;
  if (RUNS > 100 && made % 25 === 0) process.stderr.write(`${made} schemas\n`);
  // It takes longer than all the rest; of many schemas, some are enough beside the rows and the definitions.
  const dumped = dumpBinDir && (RUNS <= 100 || made % 10 === 0) ? await dump() : undefined;
  const defined = await definitions();
  const plans = await planPolicy({ url: owner, policy });
  expect(await rows(), 'a plan changes nothing').toEqual(before);
  if (stopAt !== undefined) {
    const stop = new AbortController();
    let events = 0;
    await runPolicy({
      ...options,
      signal: stop.signal,
      onProgress: () => {
        events += 1;
        if (events === stopAt) stop.abort(new Error('stopped'));
      },
    }).catch((error: Error) => {
      if (error.message !== 'stopped') throw error;
    });
  }
  const results = await runPolicy(options);
  const after = await rows();
  const gone = missing(before, after);
  expect(missing(after, before), 'nothing is changed or new').toEqual([]);
  const segments = await listArchive({ url: owner });
  expect(segments.every(({ state }) => state === 'archived')).toBe(true);
  // Without triggers, the plan of the first unit says exactly what leaves; the others depend on it.
  const [first] = plans;
  const { root } = schema.units[0] as Schema['units'][number];
  const of = new Set([root, ...schema.keys.flatMap(({ from }) => from)]);
  const quiet = [...of].every((at) =>
    ['none', 'stamps what comes'].includes(schema.tables[at]?.trigger as string),
  );
  // Partition by partition, rows that others of the same table refer to can go once those have gone.
  const ofItself =
    schema.tables[root]?.kind === 'partitioned' &&
    schema.keys.some(({ from, to }) => from === root && to === root);
  if (quiet && stopAt === undefined && schema.segmentUnits === 1_000 && first?.problems.length === 0) {
    const units = results[0]?.units;
    if (ofItself) expect(units, 'as planned').toBeGreaterThanOrEqual(first.eligible);
    else expect(units, 'as planned').toBe(first.eligible);
  }
  const restored = await restoreAll(directory);
  expect(restored > 0).toBe(gone.length > 0);
  expect(await rows(), 'as before').toEqual(before);
  expect(await definitions(), 'as before').toEqual(defined);
  if (dumped) expect(await dump(), 'as before').toBe(dumped);
}

describe('no row leaves unseen', () => {
  const check = (property: (schema: Schema, directory: string) => Promise<void>, share = 1) =>
    fc.assert(
      fc.asyncProperty(schemaOf, async (schema) => {
        const directory = await mkdtemp(path.join(tmpdir(), 'rows-'));
        try {
          await property(schema, directory);
        } finally {
          await rm(directory, { recursive: true });
        }
      }),
      {
        numRuns: Math.max(1, Math.ceil(RUNS * share)),
        ...(SEED ? { seed: Number(SEED) } : {}),
        endOnFailure: true,
      },
    );

  it(
    'of any schema: what vanishes is in a file, nothing else changes, and restored it is as before',
    {
      timeout: TIMEOUT_MS,
    },
    () => check((schema, directory) => holds(schema, directory)),
  );

  it('and the same when the run is stopped anywhere and started again', {
    timeout: TIMEOUT_MS,
  }, () => {
    let at = 0;
    return check((schema, directory) => {
      at = (at % 9) + 1;
      return holds(schema, directory, at);
    }, 0.25);
  });
});
