import pg from 'pg';
import { beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../lib/waitFor.ts';
import { testAction } from '../test/support/action.ts';
import { databaseFor } from '../test/support/database.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import type { Action } from './action.ts';
import { type ApplyEvent, applyActions } from './apply.ts';
import { readJournal } from './journal.ts';
import { checkActions } from './planCheck.ts';
import { indexStatement } from './statement.ts';
import { undoActions } from './undo.ts';

const database = databaseFor('all');
const signal = new AbortController().signal;

beforeEach(async () => {
  await database.client.query(`DROP SCHEMA IF EXISTS sqltrail CASCADE; DROP EXTENSION IF EXISTS pg_trgm CASCADE;
    DROP SCHEMA public CASCADE; CREATE SCHEMA public;
    CREATE TABLE orders (id int, mail text, at date);
    INSERT INTO orders SELECT i, 'm' || i, date '2026-01-01' + i FROM generate_series(1, 50) AS i`);
});

const setting = (id: string, sql: string, undo = ''): Action =>
  testAction({ id: `settings:${id}`, title: 'an action', sql: [sql], undo: undo ? [undo] : [] });
function index(...sql: string[]): Action {
  const builds = sql.flatMap((each) => indexStatement(each) ?? []);
  const build = builds.find(({ only }) => only) ?? builds[0];
  if (build?.name === undefined) throw new Error(`no index: ${sql.join('; ')}`);
  const target = { schema: build.table.schema ?? 'public', table: build.table.name, name: build.name };
  return testAction({
    id: `index:${target.schema}.${target.name}`,
    kind: 'index',
    title: `index ${target.name}`,
    sql,
    undo: [`DROP INDEX CONCURRENTLY IF EXISTS ${pg.escapeIdentifier(target.name)}`],
    index: target,
    temporary: true,
  });
}
const onMail = index('CREATE INDEX CONCURRENTLY "orders_mail_idx" ON "public"."orders" ("mail")');
const onMailTrigram = index(
  'CREATE EXTENSION IF NOT EXISTS pg_trgm',
  'CREATE INDEX CONCURRENTLY "orders_mail_trgm_idx" ON "public"."orders" USING gin ("mail" gin_trgm_ops)',
);

async function apply(...actions: Action[]) {
  const events: ApplyEvent[] = [];
  const entries = await applyActions({
    url: database.url,
    actions,
    windows: 0,
    windowMs: 10,
    reviewDays: 30,
    signal,
    onEvent: (event) => events.push(event),
  });
  return {
    entries,
    states: entries.map(({ state }) => state),
    notes: events.flatMap((event) => ('note' in event ? [event.note] : [])).join('\n'),
  };
}

async function undo(...ids: string[]) {
  const left: string[] = [];
  const failed = await undoActions({
    url: database.url,
    ...(ids.length > 0 ? { ids } : {}),
    signal,
    onUndone: (_, remarks) => left.push(...remarks),
  });
  return { left, failed: failed.map(({ reason }) => reason) };
}

/** Every index with its OID, validity and comment; every relation with its options; columns, extensions, settings. */
async function catalogue(): Promise<string[]> {
  const { rows } = await database.client.query<{ line: string }>(
    `SELECT format('%s %s %s %s', indexrelid, indisvalid, pg_get_indexdef(indexrelid), obj_description(indexrelid)) AS line
       FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid WHERE relnamespace = 'public'::regnamespace
     UNION ALL SELECT format('%s %s %s', oid::regclass, relkind, reloptions) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'I')
     UNION ALL SELECT format('%s.%s %s %s', attrelid::regclass, attname, attoptions, attstattarget) FROM pg_attribute
                WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')) AND attnum > 0
     UNION ALL SELECT extname FROM pg_extension
     UNION ALL SELECT setconfig::text FROM pg_db_role_setting JOIN pg_database AS d ON d.oid = setdatabase WHERE datname = current_database() ORDER BY 1`,
  );
  return rows.map(({ line }) => line);
}
const indexes = async () =>
  (
    await database.client.query<{ name: string }>(
      "SELECT relname AS name FROM pg_class WHERE relkind IN ('i', 'I') AND relnamespace = 'public'::regnamespace ORDER BY 1",
    )
  ).rows.map(({ name }) => name);

describe('indexes', () => {
  it("an owner's index that Postgres named as we would is neither taken for ours nor dropped", async () => {
    await database.client.query('CREATE INDEX ON orders (mail) WHERE id > 40');
    const before = await catalogue();
    const { states, notes } = await apply(onMail);
    expect(states).toEqual(['kept']);
    expect(notes).toContain('its name is orders_mail_idx_1, because orders_mail_idx was taken');
    expect(await indexes()).toEqual(['orders_mail_idx', 'orders_mail_idx_1']);
    expect(await undo()).toEqual({ left: [], failed: [] });
    expect(await catalogue()).toEqual(before);
  });

  it.each([
    ['a view', 'CREATE VIEW "NAME" AS SELECT 1'],
    ['a materialized view', 'CREATE MATERIALIZED VIEW "NAME" AS SELECT 1'],
    ['a sequence', 'CREATE SEQUENCE "NAME"'],
    ['a table', 'CREATE TABLE "NAME" ()'],
    ['an index of another table', 'CREATE TABLE other (x int); CREATE INDEX "NAME" ON other (x)'],
  ])('%s of the wanted name, of 63 bytes: another name is chosen', async (_, sql) => {
    const name = `${'ї'.repeat(30)}_"x`;
    expect(Buffer.byteLength(name)).toBe(63);
    await database.client.query(sql.replace('"NAME"', pg.escapeIdentifier(name)));
    const before = await catalogue();
    const built = index(`CREATE INDEX CONCURRENTLY ${pg.escapeIdentifier(name)} ON "orders" ("mail")`);
    expect((await apply(built)).states).toEqual(['kept']);
    expect(await indexes()).toContain(`${'ї'.repeat(30)}__1`);
    expect((await undo()).failed).toEqual([]);
    expect(await catalogue()).toEqual(before);
  });

  it('where an index does the same already, nothing is built and nothing undone; a constraint’s counts', async () => {
    await database.client.query('ALTER TABLE orders ADD CONSTRAINT "one mail" UNIQUE (mail)');
    const before = await catalogue();
    const { states, notes } = await apply(onMail);
    expect(notes).toBe('nothing to do: the index one mail of orders does the same');
    expect(states).toEqual(['reverted']);
    expect(await undo()).toEqual({ left: [], failed: [] });
    expect(await catalogue()).toEqual(before);
    // Once it is gone, the index is wanted.
    await database.client.query('ALTER TABLE orders DROP CONSTRAINT "one mail"');
    expect((await apply(onMail)).states).toEqual(['kept']);
  });

  it("an owner's INVALID index is left and said", async () => {
    await database.client.query('CREATE INDEX orders_mail_idx ON orders (mail)');
    await database.client.query(
      "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'orders_mail_idx'::regclass",
    );
    const before = await catalogue();
    expect((await apply(onMail)).notes).toContain(
      "the INVALID index orders_mail_idx of the same definition is the owner's and was left",
    );
    expect((await undo()).failed).toEqual([]);
    expect(await catalogue()).toEqual(before);
  });

  it.each([
    ['renamed', 'ALTER INDEX orders_mail_idx RENAME TO "my own"'],
    ['rebuilt', 'REINDEX INDEX CONCURRENTLY orders_mail_idx'],
    [
      'rebuilt and renamed',
      'REINDEX INDEX CONCURRENTLY orders_mail_idx; ALTER INDEX orders_mail_idx RENAME TO "my own"',
    ],
    ['dropped', 'DROP INDEX orders_mail_idx'],
    ['left with a renamed column', 'ALTER TABLE orders RENAME mail TO email'],
  ])('ours, %s by the owner since, is known and goes', async (_, sql) => {
    await apply(onMail);
    for (const statement of sql.split('; ')) await database.client.query(statement);
    expect(await undo()).toEqual({ left: [], failed: [] });
    expect(await indexes()).toEqual([]);
  });

  it('one that the owner made in place of ours, under its name, is his', async () => {
    await apply(onMail);
    await database.client.query('DROP INDEX orders_mail_idx');
    await database.client.query('CREATE INDEX orders_mail_idx ON orders (mail)');
    expect(await undo()).toEqual({ left: [], failed: [] });
    expect(await indexes()).toEqual(['orders_mail_idx']);
  });

  it('two definitions under one name are two indexes, also when the second comes in a later run', async () => {
    const before = await catalogue();
    const descending = index(
      'CREATE INDEX CONCURRENTLY "orders_mail_idx" ON "public"."orders" ("mail" DESC)',
    );
    await apply(onMail);
    expect((await apply(descending)).states).toEqual(['kept', 'kept']);
    expect((await apply(onMail, descending)).notes).toBe('already done\nalready done');
    expect(await indexes()).toEqual(['orders_mail_idx', 'orders_mail_idx_1']);
    expect((await undo()).failed).toEqual([]);
    expect(await catalogue()).toEqual(before);
  });

  it('one that the owner uses by now stays, says why, and does not keep the others from being undone', async () => {
    await apply(onMail, setting('f', 'ALTER TABLE orders SET (fillfactor = 80)'));
    const onId = index('CREATE INDEX CONCURRENTLY "orders_id_idx" ON "public"."orders" ("id")');
    await apply(onId);
    await database.client.query('CLUSTER orders USING orders_id_idx');
    const { failed } = await undo();
    expect(failed).toEqual([expect.stringMatching(/orders_id_idx stays: the table is clustered by it/)]);
    expect(await indexes()).toEqual(['orders_id_idx']);
    expect((await readJournal(database.url)).map(({ state }) => state)).toEqual([
      'reverted',
      'reverted',
      'undoing',
    ]);
    await database.client.query('ALTER TABLE orders SET WITHOUT CLUSTER');
    expect((await undo()).failed).toEqual([]);
    expect(await indexes()).toEqual([]);
  });
});

describe('partitioned tables', () => {
  const onWhole = index('CREATE INDEX CONCURRENTLY "events_mail_idx" ON "public"."events" ("mail")');
  beforeEach(async () => {
    await database.client.query(`CREATE TABLE events (id int, mail text, at date) PARTITION BY RANGE (at);
      CREATE TABLE events_25 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (id);
      CREATE TABLE events_25_rest PARTITION OF events_25 DEFAULT;
      CREATE TABLE "events ""26" PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`);
  });
  const valid = async () =>
    (
      await database.client.query<{ valid: boolean }>(
        "SELECT bool_and(indisvalid) AS valid FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid WHERE relnamespace = 'public'::regnamespace",
      )
    ).rows[0]?.valid;

  it('one is built in each partition and holds for new ones; undo takes all of them', async () => {
    const before = await catalogue();
    expect((await apply(onWhole)).states).toEqual(['kept']);
    expect(await indexes()).toEqual([
      'events "26_mail_idx',
      'events_25_mail_idx',
      'events_25_rest_mail_idx',
      'events_mail_idx',
    ]);
    expect(await valid()).toBe(true);
    await database.client.query(
      "CREATE TABLE events_27 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
    );
    expect(await indexes()).toHaveLength(5);
    await database.client.query('DROP TABLE events_27');
    expect(await undo()).toEqual({ left: [], failed: [] });
    expect(await catalogue()).toEqual(before);
  });

  it('a partition that comes while the others are built has one too', async () => {
    const other = new pg.Client(database.url);
    await other.connect();
    // As a write does, which would lock the whole table too, and keep a new partition waiting.
    await other.query('BEGIN; LOCK TABLE "events ""26" IN ROW EXCLUSIVE MODE');
    const applying = apply(onWhole);
    await waitFor(
      'the build to wait',
      async () =>
        (
          await database.client.query(
            "SELECT FROM pg_stat_activity WHERE application_name = 'sqltrail-fix' AND wait_event_type = 'Lock' AND datname = current_database()",
          )
        ).rowCount === 1,
      { deadlineMs: PATIENCE_MS },
    );
    await database.client.query(
      "CREATE TABLE events_27 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
    );
    await other.query('COMMIT');
    await other.end();
    expect((await applying).states).toEqual(['kept']);
    expect(await indexes()).toContain('events_27_mail_idx');
    expect(await valid()).toBe(true);
    expect(await undo()).toEqual({ left: [], failed: [] });
    expect(await indexes()).toEqual([]);
  });

  it("a partition's own index is not attached, so it is there after undo", async () => {
    await database.client.query('CREATE INDEX ON "events ""26" (mail)');
    const before = await catalogue();
    expect((await apply(onWhole)).notes).toContain(
      'no index for events as a whole: events "26 has one already',
    );
    expect(await indexes()).toEqual(['events "26_mail_idx', 'events_25_rest_mail_idx']);
    expect((await undo()).failed).toEqual([]);
    expect(await catalogue()).toEqual(before);
  });

  it('a partition that came since with an index of its own keeps it: undo says why it stops', async () => {
    await apply(onWhole);
    await database.client.query(
      'CREATE TABLE events_27 (LIKE events); CREATE INDEX "mine" ON events_27 (mail)',
    );
    await database.client.query(
      "ALTER TABLE events ATTACH PARTITION events_27 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')",
    );
    expect((await undo()).failed).toEqual([expect.stringContaining('dropping it would also drop mine')]);
    expect(await indexes()).toContain('mine');
    await database.client.query('ALTER TABLE events DETACH PARTITION events_27');
    expect((await undo()).failed).toEqual([]);
    expect(await indexes()).toEqual(['mine']);
  });
});

describe('settings and extensions', () => {
  it('options come back as they were, in their order; what the owner set since is left and said', async () => {
    await database.client.query(
      'ALTER TABLE orders SET (autovacuum_vacuum_scale_factor = 0.3, fillfactor = 70, toast.autovacuum_enabled = off)',
    );
    await database.client.query(
      'ALTER TABLE orders ALTER mail SET (n_distinct = 7), ALTER mail SET STATISTICS 250',
    );
    const before = await catalogue();
    const careless = [
      setting(
        'a',
        'ALTER TABLE "public"."orders" SET (autovacuum_vacuum_scale_factor = 0.02)',
        'ALTER TABLE "public"."orders" RESET (autovacuum_vacuum_scale_factor)',
      ),
      setting(
        'b',
        'ALTER TABLE "public"."orders" ALTER COLUMN "mail" SET (n_distinct = -0.5)',
        'ALTER TABLE "public"."orders" ALTER COLUMN "mail" RESET (n_distinct)',
      ),
      setting('c', 'ALTER TABLE "public"."orders" ALTER COLUMN "mail" SET STATISTICS 500'),
    ];
    expect((await apply(...careless)).states).toEqual(['kept', 'kept', 'kept']);
    expect(await undo()).toEqual({ left: [], failed: [] });
    expect(await catalogue()).toEqual(before);
    await apply(...careless);
    await database.client.query('ALTER TABLE orders SET (autovacuum_vacuum_scale_factor = 0.1)');
    expect((await undo()).left).toEqual([
      'autovacuum_vacuum_scale_factor of orders left as the owner has set it since',
    ]);
    expect(
      (await database.client.query("SELECT reloptions FROM pg_class WHERE relname = 'orders'")).rows[0]
        .reloptions,
    ).toEqual(['fillfactor=70', 'autovacuum_vacuum_scale_factor=0.1']);
  });

  it('settings of the database and of a role come back, lists too', async () => {
    const name = pg.escapeIdentifier(database.name);
    await database.client.query(`ALTER DATABASE ${name} SET search_path = "$user", "a ""b"", c", public`);
    await database.client.query(`ALTER DATABASE ${name} SET work_mem = '8192kB'`);
    const before = await catalogue();
    const role = pg.escapeIdentifier((await database.client.query('SELECT current_user AS me')).rows[0].me);
    await apply(
      setting('a', `ALTER DATABASE ${name} SET search_path = pg_catalog`),
      setting('b', `ALTER DATABASE ${name} SET work_mem = '4MB'`),
      setting('c', `ALTER DATABASE ${name} SET app.tenant = 'x'`),
      setting('d', `ALTER ROLE ${role} IN DATABASE ${name} SET statement_timeout = '5s'`),
    );
    expect(await undo()).toEqual({ left: [], failed: [] });
    expect(await catalogue()).toEqual(before);
    await database.client.query(`ALTER DATABASE ${name} RESET ALL`);
  });

  it('where two actions set the same, undoing the first alone hands what was there on to the second', async () => {
    await database.client.query('ALTER TABLE orders SET (fillfactor = 70, autovacuum_enabled = on)');
    const before = await catalogue();
    await apply(
      setting('a', 'ALTER TABLE orders SET (fillfactor = 80)'),
      setting('b', 'ALTER TABLE orders SET (fillfactor = 90)'),
    );
    expect(await undo('settings:a')).toEqual({ left: [], failed: [] });
    expect((await catalogue()).join()).toContain('fillfactor=90');
    expect(await undo('settings:b')).toEqual({ left: [], failed: [] });
    expect(await catalogue()).toEqual(before);
  });

  it('an extension goes only where we made it, and once nobody uses it', async () => {
    const before = await catalogue();
    const second = index(
      'CREATE EXTENSION IF NOT EXISTS pg_trgm',
      'CREATE INDEX CONCURRENTLY "second" ON "public"."orders" USING gist ("mail" gist_trgm_ops)',
    );
    await apply(onMailTrigram, second);
    expect((await undo(onMailTrigram.id)).left).toEqual([expect.stringContaining('pg_trgm stays')]);
    expect((await undo()).failed).toEqual([]);
    expect(await catalogue()).toEqual(before);
    await apply(onMailTrigram);
    await database.client.query(
      "CREATE FUNCTION alike(a text) RETURNS real LANGUAGE plpgsql AS $$ BEGIN RETURN similarity(a, 'x'); END $$",
    );
    expect((await undo()).left).toEqual([
      expect.stringMatching(/pg_trgm stays: function alike\(text\) uses it/),
    ]);
    await database.client.query('DROP FUNCTION alike');
    await apply(onMailTrigram);
    expect((await undo()).left).toEqual([]);
    expect(await catalogue()).toEqual(before);
    await database.client.query('CREATE EXTENSION pg_trgm');
    await apply(onMailTrigram);
    expect(await undo()).toEqual({ left: [], failed: [] });
    expect(await catalogue()).toEqual([...before, 'pg_trgm'].sort());
  });

  it('an action that fails in its second statement gives back its first', async () => {
    const before = await catalogue();
    const both: Action = {
      ...setting('both', 'ALTER TABLE orders SET (fillfactor = 80)'),
      sql: ['ALTER TABLE orders SET (fillfactor = 80)', 'ALTER TABLE nowhere SET (fillfactor = 80)'],
    };
    expect((await apply(both, onMail)).states).toEqual(['failed', 'kept']);
    expect((await undo()).failed).toEqual([]);
    expect(await catalogue()).toEqual(before);
  });
});

describe('dropped indexes', () => {
  it('come back with all that was set of them', async () => {
    await database.client.query(`CREATE INDEX "my own" ON orders (lower(mail) DESC, id) INCLUDE (at) WITH (fillfactor = 77) WHERE id > 3;
      COMMENT ON INDEX "my own" IS 'it''s mine'; ALTER INDEX "my own" ALTER COLUMN 1 SET STATISTICS 321;
      CREATE UNIQUE INDEX once ON orders (id); ALTER TABLE orders CLUSTER ON once`);
    const text = async () => (await catalogue()).map((line) => line.replace(/^\d+ /, '')).sort();
    const clustered = async () =>
      (
        await database.client.query(
          'SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indisclustered',
        )
      ).rows;
    const before = [await text(), await clustered()];
    expect(
      (
        await apply(
          setting('a', 'DROP INDEX CONCURRENTLY "my own"'),
          setting('b', 'DROP INDEX CONCURRENTLY once'),
        )
      ).states,
    ).toEqual(['kept', 'kept']);
    expect(await indexes()).toEqual([]);
    await database.client.query('CREATE VIEW v AS SELECT 1; DROP VIEW v');
    expect(await undo()).toEqual({ left: [], failed: [] });
    expect([await text(), await clustered()]).toEqual(before);
    const { rows } = await database.client.query(
      `SELECT attstattarget FROM pg_attribute WHERE attrelid = '"my own"'::regclass AND attnum = 1`,
    );
    expect(rows).toEqual([{ attstattarget: 321 }]);
  });
});

describe('a journal of an earlier version', () => {
  it('undoes what bears its comment, leaves what does not, and gives settings back by its SQL', async () => {
    await apply(
      onMail,
      setting('f', 'ALTER TABLE orders SET (fillfactor = 80)', 'ALTER TABLE orders RESET (fillfactor)'),
    );
    const other = index('CREATE INDEX CONCURRENTLY "theirs" ON "public"."orders" ("id")');
    await apply(other);
    await database.client.query('DROP INDEX theirs; CREATE INDEX theirs ON orders (id)');
    await database.client.query(
      `DROP TABLE sqltrail.journal_migration;
       ALTER TABLE sqltrail.action DROP COLUMN changes, DROP COLUMN applying_at, DROP COLUMN applied_at, DROP COLUMN outcome`,
    );
    expect(await undo()).toEqual({
      left: ['theirs was left: nothing shows that sqltrail built it'],
      failed: [],
    });
    expect(await indexes()).toEqual(['theirs']);
    expect((await catalogue()).join()).not.toContain('fillfactor');
  });
});

describe('a plan', () => {
  const why = async (action: Action) =>
    (await checkActions({ url: database.url, actions: [action], signal }))[0]?.blocked;
  const build = (rest: string) => index(`CREATE INDEX CONCURRENTLY "x" ON ${rest}`);

  it.each([
    ['"nowhere" ("a")', /nowhere is not there/],
    ['"a_view" ("id")', /a_view is a view/],
    ['"orders" ((at::text))', /functions in index expression must be marked IMMUTABLE/],
    ['"orders" USING gin ("mail" gin_trgm_ops)', /operator class "gin_trgm_ops" does not exist/],
    ['"orders" ("none")', /column "none" does not exist/],
    ['"orders" USING gin ("id")', /no default operator class|has no default/],
  ])('says that %s cannot be indexed, and why', async (rest, reason) => {
    await database.client.query('CREATE VIEW a_view AS SELECT * FROM orders');
    const before = await catalogue();
    expect(await why(build(rest))).toMatch(reason);
    expect(await catalogue()).toEqual(before);
  });

  it('tries what can be built without leaving anything, with the extension that it needs', async () => {
    const before = await catalogue();
    expect(await why(onMailTrigram)).toBeUndefined();
    expect(await catalogue()).toEqual(before);
  });

  it('says which index cannot be dropped', async () => {
    await database.client.query(`ALTER TABLE orders ADD PRIMARY KEY (id); CREATE UNIQUE INDEX once ON orders (mail);
      CREATE TABLE notes (mail text REFERENCES orders (mail)); CREATE INDEX replica ON notes (mail)`);
    expect(await why(setting('a', 'DROP INDEX CONCURRENTLY orders_pkey'))).toMatch(
      /constraint orders_pkey.* needs/,
    );
    expect(await why(setting('b', 'DROP INDEX CONCURRENTLY once'))).toMatch(
      /constraint notes_mail_fkey.* needs once/,
    );
    expect(await why(setting('c', 'DROP INDEX CONCURRENTLY none'))).toMatch(/none is not there/);
    expect(await why(setting('d', 'DROP INDEX CONCURRENTLY replica'))).toBeUndefined();
  });

  it('says how a partitioned table gets its index, and that it has no storage options', async () => {
    await database.client.query(
      'CREATE TABLE parts (id int) PARTITION BY HASH (id); CREATE TABLE p0 PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0)',
    );
    const [plan] = await checkActions({ url: database.url, actions: [build('"parts" ("id")')], signal });
    expect(plan?.steps?.join('\n')).toMatch(/each of the 1 partitions[\s\S]*ON ONLY[\s\S]*ATTACH PARTITION/);
    expect(await why(setting('a', 'ALTER TABLE parts SET (fillfactor = 80)'))).toMatch(
      /parts is partitioned/,
    );
  });
});
