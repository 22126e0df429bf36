import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../lib/waitFor.ts';
import { databaseFor } from '../test/support/database.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import type { ArchiveOptions } from './archival.ts';
import { planPolicy, restorePolicy, runPolicy } from './partitions.ts';
import type { ArchivePolicy, ArchiveUnit } from './policy.ts';
import { listArchive, queryArchive } from './read.ts';

const database = databaseFor('each');
let directory: string;
let url: string;

beforeEach(async () => {
  url = database.url;
  directory = await mkdtemp(path.join(tmpdir(), 'references-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const unit = (table: string, more: Partial<ArchiveUnit> = {}): ArchiveUnit => ({
  name: table.replaceAll('_', '-'),
  reason: 'test',
  table: { schema: 'public', table },
  key: 'id',
  age: 'day',
  olderThanDays: 30,
  holds: [],
  children: [],
  retention: { months: 1, rule: 'test' },
  ...more,
});
const child = (table: string, column: string) => ({ table: { schema: 'public', table }, column });
const policyOf = (...units: ArchiveUnit[]): ArchivePolicy => ({ version: 1, units });
const run = (policy: ArchivePolicy, more: Partial<ArchiveOptions> = {}) =>
  runPolicy({ url, policy, directory, dutyCycle: 1, ...more });
const text = async (table: string) =>
  (await database.client.query(`SELECT t::text AS row FROM ${table} AS t ORDER BY 1`)).rows.map(
    ({ row }) => row,
  );
const restoreAll = async () => {
  for (const { id, state } of (await listArchive({ url })).toReversed())
    if (state === 'archived')
      await restorePolicy({ url, directory, segment: id, holdDays: 0, reason: 'test' });
};

/** Until the archival waits for a lock of another session. */
const deletionWaits = () =>
  waitFor(
    'the deletion to wait',
    async () => {
      const { rowCount } = await database.client.query(
        "SELECT FROM pg_stat_activity WHERE application_name = 'sqltrail-archive' AND datname = current_database() AND wait_event_type = 'Lock'",
      );
      return rowCount === 1;
    },
    { deadlineMs: PATIENCE_MS, everyMs: 20 },
  );

const ORDERS = `CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL);
  INSERT INTO orders SELECT i, '2020-01-01' FROM generate_series(1, 9) AS i;`;

describe('what refers to rows that leave', () => {
  it.each(['CASCADE', 'SET NULL', 'SET DEFAULT', 'NO ACTION', 'RESTRICT'])(
    'ON DELETE %s: they stay, and the plan says so with their number; included, they leave with it',
    async (action) => {
      await database.client.query(`${ORDERS} CREATE SCHEMA other;
        CREATE TABLE other.payments (id int PRIMARY KEY, "the order" int DEFAULT 9 REFERENCES orders ON DELETE ${action}, amount int);
        CREATE INDEX ON other.payments ("the order");
        INSERT INTO other.payments VALUES (1, 3, 10), (2, 3, 20), (3, 9, 30), (4, NULL, 40)`);
      const payments = await text('other.payments');
      const policy = policyOf(unit('orders'));
      const left = [{ units: 2, reason: `other.payments (the order) refers to them, ON DELETE ${action}` }];
      expect(await planPolicy({ url, policy })).toMatchObject([
        { total: 9, eligible: 7, left, problems: [] },
      ]);
      expect(await run(policy)).toMatchObject([{ units: 7, left, problems: [] }]);
      expect(await text('other.payments')).toEqual(payments);
      expect(await text('orders')).toEqual(['(3,2020-01-01)', '(9,2020-01-01)']);
      const including = policyOf(
        unit('orders', {
          children: [{ table: { schema: 'other', table: 'payments' }, column: 'the order' }],
        }),
      );
      expect(await run(including)).toMatchObject([{ units: 2, left: [] }]);
      expect(await text('other.payments')).toEqual(['(4,,40)']);
      await restoreAll();
      expect(await text('other.payments')).toEqual(payments);
      expect(await text('orders')).toHaveLength(9);
    },
  );

  it('what refers to a child of the unit keeps the whole unit', async () => {
    await database.client.query(`${ORDERS}
      CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders, UNIQUE (order_id, id));
      CREATE TABLE discounts (order_id int, item_id int, FOREIGN KEY (order_id, item_id) REFERENCES items (order_id, id) ON DELETE CASCADE);
      INSERT INTO items SELECT i * 10, i FROM generate_series(1, 9) AS i;
      INSERT INTO discounts VALUES (4, 40), (NULL, 50), (6, NULL)`);
    const policy = policyOf(unit('orders', { children: [child('items', 'order_id')] }));
    const before = [await text('orders'), await text('items'), await text('discounts')];
    expect(await run(policy)).toMatchObject([
      {
        units: 8,
        left: [
          { units: 1, reason: 'public.discounts (order_id, item_id) refers to them, ON DELETE CASCADE' },
        ],
      },
    ]);
    expect(await text('discounts')).toHaveLength(3);
    await restoreAll();
    expect([await text('orders'), await text('items'), await text('discounts')]).toEqual(before);
  });

  it('young answers keep old comments, and theirs, and nothing else; the run goes on', async () => {
    // 1 <- 2 <- 3 (young); 4 <- 5 <- 6, all old; 7 <-> 8, old; 9 answers itself.
    await database.client.query(`CREATE TABLE comments (id int PRIMARY KEY, day date, answers int REFERENCES comments ON DELETE SET NULL DEFERRABLE);
      CREATE INDEX ON comments (answers);
      INSERT INTO comments VALUES (1, '2020-01-01', NULL), (2, '2020-01-01', 1), (3, '2999-01-01', 2), (4, '2020-01-01', NULL),
        (5, '2020-01-01', 4), (6, '2020-01-01', 5), (7, '2020-01-01', 8), (8, '2020-01-01', 7), (9, '2020-01-01', 9), (10, '2020-01-01', 11), (11, '2020-01-01', 12), (12, '2020-01-01', NULL)`);
    const before = await text('comments');
    const policy = policyOf(unit('comments'));
    const left = [
      { units: 2, reason: expect.stringMatching(/stay refer to them.*public\.comments \(answers\)/) },
    ];
    expect(await planPolicy({ url, policy })).toMatchObject([{ eligible: 9, left }]);
    expect(await run(policy)).toMatchObject([{ units: 9, left, problems: [] }]);
    expect(await text('comments')).toEqual(['(1,2020-01-01,)', '(2,2020-01-01,1)', '(3,2999-01-01,2)']);
    expect(await run(policy)).toMatchObject([{ units: 0, left }]);
    await restoreAll();
    expect(await text('comments')).toEqual(before);
    // One unit a segment, whichever way the references go; only what refers to each other in a circle has to stay then.
    expect(await run(policy, { segmentUnits: 1 })).toMatchObject([{ units: 7, kept: 2 }]);
    await restoreAll();
    expect(await text('comments')).toEqual(before);
  });

  it('rows without a key as well, of a partitioned table too', async () => {
    await database.client.query(`CREATE TABLE log (id int PRIMARY KEY, day date) PARTITION BY RANGE (id);
      CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (5); CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (5) TO (100);
      INSERT INTO log SELECT i, '2020-01-01' FROM generate_series(0, 9) AS i;
      CREATE TABLE marks (id int REFERENCES log ON DELETE CASCADE, part int REFERENCES log_2 (id) ON DELETE SET NULL);
      INSERT INTO marks VALUES (2, 7)`);
    const before = await text('log');
    const { key: _, ...keyless } = unit('log');
    const policy = policyOf(keyless);
    expect(await planPolicy({ url, policy })).toMatchObject([{ total: 10, eligible: 8 }]);
    expect(await run(policy)).toMatchObject([{ units: 8 }]);
    expect(await text('log')).toEqual(['(2,2020-01-01)', '(7,2020-01-01)']);
    expect(await text('marks')).toEqual(['(2,7)']);
    await restoreAll();
    expect(await text('log')).toEqual(before);
  });

  it('one that comes between file and deletion, or while the deletion waits, is not lost', async () => {
    await database.client.query(`${ORDERS}
      CREATE TABLE payments (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE);
      CREATE INDEX ON payments (order_id)`);
    const other = new pg.Client(url);
    await other.connect();
    let inserting: Promise<unknown> | undefined;
    const results = await run(policyOf(unit('orders')), {
      onProgress: ({ event }) => {
        if (event === 'exported')
          // Committed before the deletion begins, and still open when it does.
          inserting ??= database.client
            .query('INSERT INTO payments VALUES (1, 4)')
            .then(() => other.query('BEGIN; INSERT INTO payments VALUES (2, 5)'))
            .then(deletionWaits)
            .then(() => other.query('COMMIT'));
      },
    });
    await inserting;
    await other.end();
    expect(inserting).toBeDefined();
    const payments = await text('payments');
    expect(payments).toEqual(['(1,4)', '(2,5)']);
    expect(results[0]?.units).toBe(7);
    expect(await text('orders')).toEqual(['(4,2020-01-01)', '(5,2020-01-01)']);
    // What was exported and stays is not said to be archived.
    const { rows } = await queryArchive({ url, directory, sql: 'SELECT id FROM orders WHERE id IN (4, 5)' });
    expect(rows).toEqual([]);
  });

  it('a role whose default is another isolation sees what was committed in between', async () => {
    await database.client.query(`${ORDERS} CREATE TABLE payments (order_id int REFERENCES orders ON DELETE CASCADE);
      ALTER DATABASE ${database.name} SET default_transaction_isolation = 'repeatable read'`);
    const locker = new pg.Client(url);
    await locker.connect();
    await locker.query('BEGIN; INSERT INTO payments VALUES (5)');
    let committing: Promise<unknown> | undefined;
    const results = await run(policyOf(unit('orders')), {
      onProgress: ({ event }) => {
        if (event === 'exported')
          committing ??= new Promise((resolve) => setTimeout(resolve, 200)).then(() =>
            locker.query('COMMIT'),
          );
      },
    });
    await committing;
    await locker.end();
    expect(results).toMatchObject([{ units: 8, problems: [] }]);
    expect(await text('payments')).toEqual(['(5)']);
  });

  it('rows of inheriting tables stay, with their own columns', async () => {
    await database.client.query(`${ORDERS} CREATE TABLE rush (courier text) INHERITS (orders);
      INSERT INTO rush VALUES (3, '2020-01-01', 'by bike'), (20, '2020-01-01', 'by car')`);
    const before = await text('orders');
    const policy = policyOf(unit('orders'));
    expect(await planPolicy({ url, policy })).toMatchObject([
      { total: 9, eligible: 9, notes: [expect.stringMatching(/public\.rush.*inherit/)] },
    ]);
    expect(await run(policy)).toMatchObject([{ units: 9 }]);
    expect(await text('rush')).toEqual(['(20,2020-01-01,"by car")', '(3,2020-01-01,"by bike")']);
    await restoreAll();
    expect(await text('orders')).toEqual(before);
  });

  it('tables of a unit that refer to each other in a circle leave and come back', async () => {
    await database.client.query(`CREATE TABLE orders (id int PRIMARY KEY, day date, last_item int);
      CREATE TABLE items (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders, replaces int REFERENCES items ON DELETE SET NULL);
      CREATE INDEX ON items (order_id); CREATE INDEX ON items (replaces);
      INSERT INTO orders SELECT i, '2020-01-01', i FROM generate_series(1, 9) AS i;
      INSERT INTO items SELECT i, i FROM generate_series(1, 9) AS i;
      INSERT INTO items VALUES (10, 1, 1), (11, 1, 10), (12, 2, 3);
      ALTER TABLE orders ADD CONSTRAINT last FOREIGN KEY (last_item) REFERENCES items ON DELETE RESTRICT`);
    const before = [await text('orders'), await text('items')];
    const constraints = () =>
      text(
        "(SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace)",
      );
    const defined = await constraints();
    expect(await run(policyOf(unit('orders', { children: [child('items', 'order_id')] })))).toMatchObject([
      { units: 9, kept: 0, left: [], problems: [] },
    ]);
    expect(await text('items')).toEqual([]);
    await restoreAll();
    expect([await text('orders'), await text('items')]).toEqual(before);
    expect(await constraints()).toEqual(defined);
  });
});

describe('what else happens on a deletion', () => {
  const triggered = (body: string, when = 'BEFORE DELETE') =>
    `${ORDERS} CREATE TABLE audit (id int);
     CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END; END $$;
     CREATE TRIGGER odd ${when} ON orders FOR EACH ROW EXECUTE FUNCTION odd();`;

  it.each([
    ['keeps a row', 'IF OLD.id = 4 THEN RETURN NULL; END IF;', /a trigger keeps or changes/],
    ['raises', "IF OLD.id = 4 THEN RAISE 'not this one'; END IF;", /refuses it \(not this one\)/],
    [
      'writes elsewhere',
      'IF OLD.id = 4 THEN INSERT INTO audit VALUES (4); END IF;',
      /inserts rows into public\.audit/,
    ],
    ['deletes elsewhere', 'IF OLD.id = 4 THEN DELETE FROM orders WHERE id = 5; END IF;', /trigger/],
    ['empties a table', 'IF OLD.id = 4 THEN TRUNCATE audit; END IF;', /alters or empties public\.audit/],
  ])('a trigger that %s: that unit stays with its reason, the others leave', async (_, body, reason) => {
    await database.client.query(triggered(body));
    const before = await text('orders');
    const policy = policyOf(unit('orders'));
    expect(await planPolicy({ url, policy })).toMatchObject([
      { eligible: 9, notes: [expect.stringMatching(/triggers on DELETE \(odd\)/)] },
    ]);
    expect(await run(policy)).toMatchObject([
      { kept: 1, left: [{ units: 1, reason: expect.stringMatching(reason) }], problems: [] },
    ]);
    expect(await text('orders')).toContain('(4,2020-01-01)');
    expect(await text('audit')).toEqual([]);
    await restoreAll();
    expect(await text('orders')).toEqual(before);
  });

  it('a rule of a table that refers to the unit makes the foreign key fail: these units stay, the run goes on', async () => {
    await database.client.query(`${ORDERS} CREATE TABLE other (id int PRIMARY KEY, day date); INSERT INTO other VALUES (1, '2020-01-01');
      CREATE TABLE payments (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE);
      CREATE RULE soft AS ON DELETE TO payments DO INSTEAD NOTHING;
      INSERT INTO payments VALUES (1, 4)`);
    expect(await run(policyOf(unit('orders'), unit('other')))).toMatchObject([
      {
        units: 0,
        left: [
          { units: 8, reason: expect.stringMatching(/refuses it \(referential integrity query/) },
          { units: 1, reason: 'public.payments (order_id) refers to them, ON DELETE CASCADE' },
        ],
        problems: [],
      },
      { units: 1, problems: [] },
    ]);
    expect(await text('orders')).toHaveLength(9);
    expect(await text('payments')).toEqual(['(1,4)']);
  });

  it('writes elsewhere that the policy allows are allowed', async () => {
    await database.client.query(triggered('INSERT INTO audit VALUES (OLD.id);', 'AFTER DELETE'));
    const allowed = unit('orders', { triggersMayWrite: [{ schema: 'public', table: 'audit' }] });
    expect(await run(policyOf(allowed))).toMatchObject([{ units: 9, kept: 0 }]);
    expect(await text('audit')).toHaveLength(9);
  });

  it('a rule, rows that cannot be seen, a table that is not there: these units are left, the others done', async () => {
    await database.client.query(`${ORDERS}
      CREATE TABLE ruled (id int PRIMARY KEY, day date); INSERT INTO ruled VALUES (1, '2020-01-01');
      CREATE RULE soft AS ON DELETE TO ruled DO INSTEAD NOTHING;
      CREATE TABLE hidden (id int PRIMARY KEY, day date); INSERT INTO hidden SELECT i, '2020-01-01' FROM generate_series(1, 4) AS i;
      CREATE TABLE denied (id int PRIMARY KEY, day date); INSERT INTO denied VALUES (1, '2020-01-01');
      CREATE TABLE parents (id int PRIMARY KEY, day date); INSERT INTO parents VALUES (1, '2020-01-01');
      CREATE TABLE secrets (id int REFERENCES parents ON DELETE CASCADE); INSERT INTO secrets VALUES (1);
      CREATE ROLE ${database.name} LOGIN PASSWORD 'x';
      GRANT CREATE ON DATABASE ${database.name} TO ${database.name}; GRANT CREATE ON SCHEMA public TO ${database.name};
      ALTER TABLE orders OWNER TO ${database.name}; ALTER TABLE ruled OWNER TO ${database.name}; ALTER TABLE parents OWNER TO ${database.name};
      ALTER TABLE hidden OWNER TO ${database.name}; ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
      CREATE POLICY seen ON hidden USING (id > 2);
      CREATE TABLE months (id int, day date) PARTITION BY RANGE (day);
      CREATE TABLE months_1 PARTITION OF months DEFAULT; INSERT INTO months VALUES (1, '2020-01-01');
      ALTER TABLE months OWNER TO ${database.name}; ALTER TABLE months_1 OWNER TO ${database.name};
      ALTER TABLE months ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY seen ON months USING (id > 2)`);
    try {
      const as = new URL(url);
      as.username = database.name;
      as.password = 'x';
      const policy = policyOf(
        unit('ruled'),
        unit('hidden'),
        // Its rows are found by their place, in the partitions, which have no policy of their own.
        (({ key: _, ...keyless }) => keyless)(unit('months')),
        unit('parents'),
        unit('nowhere'),
        unit('denied'),
        unit('orders'),
      );
      const expected = [
        [/rule on DELETE \(soft\)/],
        [/Row-level security hides rows of public\.hidden/],
        [/Row-level security hides rows of public\.months/],
        [/public\.secrets refers to rows of the unit and cannot be read/],
        [/public\.nowhere, which this database does not have/],
        [/permission denied for table denied/],
        [],
      ].map((problems) => ({ problems: problems.map((each) => expect.stringMatching(each)) }));
      expect(await planPolicy({ url: as.href, policy })).toMatchObject(expected);
      const results = await run(policy, { url: as.href });
      expect(results).toMatchObject(expected);
      expect(results.map(({ units }) => units)).toEqual([0, 0, 0, 0, 0, 0, 9]);
      expect(await text('hidden')).toHaveLength(4);
      expect(await text('secrets')).toHaveLength(1);
    } finally {
      await database.client.query(`DROP OWNED BY ${database.name} CASCADE; DROP ROLE ${database.name}`);
    }
  });

  it('triggers that stamp and audit what comes leave restored rows as they were, and are as they were', async () => {
    await database.client.query(`CREATE TABLE orders (id int PRIMARY KEY, day date, updated timestamptz);
      CREATE TABLE audit (id int GENERATED ALWAYS AS IDENTITY, at timestamptz DEFAULT now());
      INSERT INTO orders SELECT i, '2020-01-01', '2020-01-02' FROM generate_series(1, 9) AS i;
      CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated := now(); RETURN NEW; END $$;
      CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit DEFAULT VALUES; RETURN NULL; END $$;
      CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
      CREATE TRIGGER audit AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION audit();
      CREATE TRIGGER off BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
      ALTER TABLE orders ENABLE ALWAYS TRIGGER stamp, DISABLE TRIGGER off`);
    const before = await text('orders');
    const triggers = () =>
      text("(SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'orders'::regclass)");
    const were = await triggers();
    await run(policyOf(unit('orders')));
    expect(await text('orders')).toEqual([]);
    await restoreAll();
    expect(await text('orders')).toEqual(before);
    expect(await text('audit')).toEqual([]);
    expect(await triggers()).toEqual(were);
  });
});

describe('whole partitions', () => {
  const MONTHS = `CREATE TABLE orders (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE items (id int, order_id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE INDEX ON items (order_id);
    ${['01', '02', '03']
      .map(
        (month, i) =>
          `CREATE TABLE orders_${month} PARTITION OF orders FOR VALUES FROM ('2020-${month}-01') TO ('2020-0${i + 2}-01');
           CREATE TABLE items_${month} PARTITION OF items FOR VALUES FROM ('2020-${month}-01') TO ('2020-0${i + 2}-01');`,
      )
      .join('')}
    INSERT INTO orders SELECT i, make_date(2020, 1 + i % 3, 5) FROM generate_series(1, 9) AS i;
    INSERT INTO items SELECT id * 10, id, day FROM orders;`;
  const policy = policyOf(unit('orders', { partition: 'detach', children: [child('items', 'order_id')] }));

  it('that rows elsewhere refer to stay, and the plan says so', async () => {
    await database.client.query(`${MONTHS}
      CREATE TABLE claims (order_id int, day date, FOREIGN KEY (order_id, day) REFERENCES orders ON DELETE CASCADE);
      INSERT INTO claims VALUES (4, '2020-02-05')`);
    const left = [{ units: 1, reason: 'public.claims (order_id, day) refers to them, ON DELETE CASCADE' }];
    const before = [await text('orders'), await text('items')];
    expect(await planPolicy({ url, policy })).toMatchObject([{ eligible: 6, left }]);
    expect(await run(policy)).toMatchObject([{ units: 6, left, problems: [] }]);
    expect(await text('orders')).toHaveLength(3);
    expect(await text('claims')).toEqual(['(4,2020-02-05)']);
    await restoreAll();
    expect([await text('orders'), await text('items')]).toEqual(before);
  });

  it('with a child whose order is in another one stay, with that child', async () => {
    await database.client.query(
      `${MONTHS} INSERT INTO items VALUES (99, 4, '2020-01-20'), (98, 1000, '2020-03-20')`,
    );
    const before = [await text('orders'), await text('items')];
    const [result] = await run(policy);
    expect(result).toMatchObject({ units: 3, problems: [] });
    expect(result?.left.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/items_01 has rows that are not in the file/),
      expect.stringMatching(/items_03 has rows that are not in the file/),
    ]);
    const everywhere = await text('items');
    expect(everywhere).toContain('(99,4,2020-01-20)');
    expect(everywhere).toContain('(98,1000,2020-03-20)');
    await restoreAll();
    expect([await text('orders'), await text('items')]).toEqual(before);
  });

  it('with the lowest of all keys leave with it', async () => {
    await database.client.query(`CREATE TABLE log (id bigint, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
      CREATE TABLE log_01 PARTITION OF log FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
      INSERT INTO log VALUES (-9223372036854775808, '2020-01-05'), (1, '2020-01-05')`);
    const before = await text('log');
    expect(await run(policyOf(unit('log', { partition: 'detach' })))).toMatchObject([{ units: 2 }]);
    await restoreAll();
    expect(await text('log')).toEqual(before);
  });
});
