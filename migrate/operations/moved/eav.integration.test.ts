import pg from 'pg';
import { expect, it } from 'vitest';
import { waitFor } from '../../../lib/waitFor.ts';
import { databaseFor, forgetStatements } from '../../../test/support/database.ts';
import { dumpBinDir } from '../../../test/support/dump.ts';
import { DOCUMENTS, FACT_COLUMNS, FACTS, facts, THINGS, wrongFacts } from '../../../test/support/eavCase.ts';
import { goOnAfterKills } from '../../../test/support/killedRuns.ts';
import { documented } from '../../../test/support/moved.ts';
import { roleSql } from '../../../test/support/operationCase.ts';
import { PATIENCE_MS } from '../../../test/support/patience.ts';
import { expectDumpAfterRollbacks } from '../../../test/support/rollbackDump.ts';
import { writersOn } from '../../../test/support/writers.ts';
import { runMigration, verifyMigration } from '../../engine.ts';
import type { Phase, Reached } from '../../mapping.ts';
import { differences } from '../../verify.ts';

const database = databaseFor('each');
const query = async (sql: string) => (await database.client.query(sql)).rows;

const ofFacts = (url = database.url) => documented(url, { table: FACTS, ...FACT_COLUMNS, into: 'документы' });
const PRODUCTS = {
  table: 'facts',
  entity: ['product_id'],
  attribute: 'name',
  values: ['value'],
};

const WRITERS = 3;
const writers = writersOn(database, WRITERS);
const some = (n: number) => Math.floor(Math.random() * n);
const said = () =>
  [`'t${some(9)}', NULL, NULL`, 'NULL, 1.50, NULL', 'NULL, NULL, true', 'NULL, NULL, NULL'][some(4)];
const SET = `("text", number, flag)`;
const INTO = `INSERT INTO ${FACTS} (shop, "Вещь", "имя", "text", number, flag)`;
const ONCE = `ON CONFLICT (shop, "Вещь", "имя") DO UPDATE SET ${SET} = (EXCLUDED."text", EXCLUDED.number, EXCLUDED.flag)`;
const thing = (where: string) =>
  `(SELECT shop, thing FROM ${THINGS} WHERE ${where} ORDER BY thing OFFSET ${some(40)} LIMIT 1)`;
/** @param own condition of the things that are written to @param rows condition of rows, so that no session writes one of another */
const write = (writer: number, own: string, rows: string): string => {
  const at = `(shop, "Вещь") = ${thing(own)} AND ${rows}`;
  const name = `'w${writer}_${some(5)}'`;
  const whole = rows === 'true';
  return [
    `${INTO} SELECT shop, thing, ${name}, ${said()} FROM ${thing(own)} AS t ${ONCE}`,
    `${INTO} SELECT shop, thing, ${name}, ${said()} FROM ${THINGS} WHERE ${own} ORDER BY md5(thing) LIMIT 15 ${ONCE}`,
    `UPDATE ${FACTS} SET ${SET} = (${said()}) WHERE ${at}`,
    `UPDATE ${FACTS} SET changed = now() WHERE ${at}`,
    `UPDATE ${FACTS} SET "имя" = 'w${writer}_' || id || md5(random()::text) WHERE ${at}`,
    `DELETE FROM ${FACTS} WHERE ${at}`,
    `UPDATE ${FACTS} AS f SET (shop, "Вещь") = (o.shop, o.thing) FROM ${thing(own)} AS o WHERE ${at.replaceAll('shop, "Вещь"', 'f.shop, f."Вещь"')} AND "имя" = ${name}
       AND NOT EXISTS (SELECT FROM ${FACTS} AS g WHERE g.shop = o.shop AND g."Вещь" = o.thing AND g."имя" = f."имя")`,
    `BEGIN; UPDATE ${FACTS} SET ${SET} = (${said()}) WHERE ${at}; UPDATE ${FACTS} SET ${SET} = (${said()}) WHERE (shop, "Вещь") = ${thing(own)} AND ${rows}; COMMIT`,
    // What refers to them goes with them.
    `BEGIN; WITH gone AS (DELETE FROM ${THINGS} WHERE (shop, thing) = ${thing(own)} AND ${whole} RETURNING *) INSERT INTO ${THINGS} SELECT shop, thing || 'x' FROM gone; COMMIT`,
    `UPDATE ${THINGS} SET thing = thing || 'y' WHERE (shop, thing) = ${thing(own)} AND ${whole}`,
    `BEGIN; DELETE FROM ${FACTS} WHERE ${at}; ${INTO} SELECT shop, thing, ${name}, ${said()} FROM ${thing(own)} AS t ${ONCE}; COMMIT`,
  ][some(11)] as string;
};
/** Sessions that write to the same things, each to attributes of its own. */
const attributesOf = (writer: number) => write(writer, 'true', `"имя" LIKE 'w${writer}\\_%'`);
/** Sessions that write to things of their own. */
const thingsOf = (writer: number) => write(writer, `shop % ${WRITERS} = ${writer}`, 'true');
/** The same, and what an application does that uses the documents. */
const documentsOf = (writer: number): string => {
  const own = `shop % ${WRITERS} = ${writer}`;
  const at = `(shop, "Вещь") = ${thing(own)}`;
  return [
    thingsOf(writer),
    `UPDATE ${DOCUMENTS} SET attributes = attributes || '{"new": "n${some(9)}", "цвет": ${some(9)}.50}' WHERE ${at}`,
    `UPDATE ${DOCUMENTS} SET attributes = attributes - ARRAY(SELECT jsonb_object_keys(attributes) LIMIT 2) WHERE ${at}`,
    `DELETE FROM ${DOCUMENTS} WHERE ${at}`,
    `INSERT INTO ${DOCUMENTS} SELECT shop, thing, '{"a": 1.50, "b": null, "c": true, "d": "x"}' FROM ${thing(own)} AS t
       ON CONFLICT (shop, "Вещь") DO UPDATE SET attributes = EXCLUDED.attributes`,
    `BEGIN; UPDATE ${DOCUMENTS} SET attributes = '{}' WHERE ${at}; ${thingsOf(writer).replaceAll(/BEGIN; |; COMMIT/g, '')}; COMMIT`,
  ][some(6)] as string;
};

const LEFT = `SELECT relname AS name FROM pg_class WHERE relname LIKE '%sqltrail%' AND relnamespace <> 'sqltrail'::regnamespace
  UNION ALL SELECT proname FROM pg_proc WHERE proname LIKE '%sqltrail%' UNION ALL SELECT tgname FROM pg_trigger WHERE tgname LIKE '%sqltrail%'`;

it('makes documents of attributes that are written to, and back', async () => {
  await database.client.query(`CREATE TABLE products (id int PRIMARY KEY);
    INSERT INTO products SELECT generate_series(1, 9);
    CREATE TABLE facts (product_id int REFERENCES products, name text, value text, PRIMARY KEY (product_id, name));
    INSERT INTO facts VALUES (1, 'color', 'red'), (1, 'weight', '1.50'), (1, 'size', NULL), (2, 'color', ''), (3, 'color', 'blue')`);
  const it = await documented(database.url, PRODUCTS);
  const documents = async () =>
    Object.fromEntries(
      (await query('SELECT product_id AS id, attributes FROM facts_documents')).map(({ id, attributes }) => [
        id,
        attributes,
      ]),
    );
  const rows = (of: number) =>
    query(`SELECT name, value FROM facts WHERE product_id = ${of} ORDER BY name COLLATE "C"`);
  await it.run('verify');
  expect(await documents()).toEqual({
    1: { color: 'red', weight: '1.50', size: null },
    2: { color: '' },
    3: { color: 'blue' },
  });
  await database.client.query(
    "UPDATE facts SET value = 'green' WHERE product_id = 1 AND name = 'color'; DELETE FROM facts WHERE product_id = 3; INSERT INTO facts VALUES (4, 'a', 'b')",
  );
  await it.run('cutover-writes');
  const four = { a: 'b' };
  expect(await documents()).toEqual({
    1: { color: 'green', weight: '1.50', size: null },
    2: { color: '' },
    4: four,
  });
  // Rows, and the document at once.
  await database.client.query(
    "UPDATE facts SET name = 'colour' WHERE product_id = 1 AND name = 'color'; DELETE FROM facts WHERE product_id = 2; INSERT INTO facts VALUES (5, 'x', NULL), (4, 'c', 'd')",
  );
  expect(await documents()).toEqual({
    1: { colour: 'green', weight: '1.50', size: null },
    4: { a: 'b', c: 'd' },
    5: { x: null },
  });
  // Documents, and the rows at once: NULL and no row are told apart.
  await database.client.query(`UPDATE facts_documents SET attributes = attributes - 'weight' || '{"colour": null, "new": "5"}' WHERE product_id = 1;
    INSERT INTO facts_documents VALUES (6, '{"k": "v"}'), (7, '{}'); DELETE FROM facts_documents WHERE product_id = 5; UPDATE facts_documents SET attributes = '{}' WHERE product_id = 4`);
  expect(await rows(1)).toEqual([
    { name: 'colour', value: null },
    { name: 'new', value: '5' },
    { name: 'size', value: null },
  ]);
  expect(await rows(6)).toEqual([{ name: 'k', value: 'v' }]);
  expect([await rows(5), await rows(4)]).toEqual([[], []]);
  expect([(await documents())[4], (await documents())[7]]).toEqual([{}, {}]);
  expect(differences(await verifyMigration(it.options))).toEqual([]);
  for (const [document, code] of [
    ['{"n": 5}', '23514'],
    ['{"n": ["a"]}', '23514'],
    ['{"n": {"a": "b"}}', '23514'],
    ['[]', '23514'],
  ])
    await expect(
      database.client.query(`UPDATE facts_documents SET attributes = '${document}' WHERE product_id = 1`),
      document,
    ).rejects.toMatchObject({ code });
  await expect(
    database.client.query(`INSERT INTO facts_documents VALUES (99, '{"a": "b"}')`),
  ).rejects.toMatchObject({
    code: '23503',
  });
  expect(await rows(1)).toHaveLength(3);
  const kept = await query('SELECT * FROM facts ORDER BY product_id, name');
  await it.back('none');
  expect(await query('SELECT * FROM facts ORDER BY product_id, name')).toEqual(kept);
  expect(await query(LEFT)).toEqual([]);
  expect(await query("SELECT FROM pg_class WHERE relname LIKE 'facts_%documents%'")).toEqual([]);
  await it.run('cutover-writes');
  await database.client.query("INSERT INTO facts_documents VALUES (8, '{}'), (88, '{}')");
  await it.run('contract');
  expect(await documents()).toEqual({ 8: {}, 1: { colour: null, new: '5', size: null }, 6: { k: 'v' } });
  expect(await query(LEFT)).toEqual([]);
  expect(await query("SELECT to_regclass('facts') AS it")).toEqual([{ it: null }]);
  await database.client.query(
    `UPDATE facts_documents SET attributes = '{"any": [1, {}]}' WHERE product_id = 1`,
  );
  await expect(database.client.query('DELETE FROM products WHERE id = 1')).rejects.toMatchObject({
    code: '23503',
  });
});

it('empties both sides when one is emptied', async () => {
  await database.client.query(`CREATE TABLE facts (product_id int, name text, value text, PRIMARY KEY (product_id, name));
    INSERT INTO facts VALUES (1, 'color', 'red')`);
  const it = await documented(database.url, PRODUCTS);
  await it.run('verify');
  await database.client.query("TRUNCATE facts; INSERT INTO facts VALUES (2, 'a', 'b')");
  await it.run('cutover-writes');
  expect(await query('SELECT * FROM facts_documents')).toEqual([{ product_id: 2, attributes: { a: 'b' } }]);
  await database.client.query('TRUNCATE facts');
  expect(await query('SELECT * FROM facts_documents')).toEqual([]);
  await database.client.query("INSERT INTO facts VALUES (2, 'a', 'b'); TRUNCATE facts_documents");
  expect(await query('SELECT * FROM facts')).toEqual([]);
});

it('no write fails and none is lost, there, back and to the end', async () => {
  await database.client.query(facts);
  const it = await ofFacts();
  await writers.start(attributesOf);
  for (const until of ['dual-write', 'backfill', 'verify'] satisfies Phase[]) {
    await it.run(until);
    await writers.written();
  }
  await writers.start(thingsOf);
  await it.run('cutover-writes');
  await writers.written();
  expect(await wrongFacts(database.client), 'cutover').toEqual([]);
  await writers.start(documentsOf);
  await writers.written();
  expect(await wrongFacts(database.client), 'both ways').toEqual([]);
  await writers.start(thingsOf);
  for (const to of ['verify', 'none'] satisfies Reached[]) {
    await it.back(to);
    await writers.written();
  }
  await writers.start(attributesOf);
  await it.run('verify');
  await writers.start(thingsOf);
  await it.run('cutover-writes');
  await writers.start(documentsOf);
  await writers.written();
  await writers.stop();
  expect(await wrongFacts(database.client), 'again').toEqual([]);
  const rows = await query(`SELECT count(*)::int AS n FROM ${FACTS}`);
  await it.run('contract');
  expect(await query(`SELECT count(*)::int AS n FROM ${DOCUMENTS}, jsonb_object_keys(attributes)`)).toEqual(
    rows,
  );
  await database.client.query(`DELETE FROM ${THINGS}`);
  expect(await query(`SELECT FROM ${DOCUMENTS}`)).toEqual([]);
});

it('who may write the rows may write the documents, and nobody else', async () => {
  await database.client.query(facts);
  const as = async (role: string, sql: string) => {
    await database.client.query(`SET ROLE ${role}`);
    try {
      await database.client.query(sql);
    } finally {
      await database.client.query('RESET ROLE');
    }
  };
  await database.client.query(`${roleSql('"case reader"')} GRANT USAGE ON SCHEMA "Дом" TO "case reader";
    ALTER DEFAULT PRIVILEGES IN SCHEMA "Дом" GRANT SELECT ON TABLES TO case_writer, "case reader"`);
  const it = await ofFacts();
  const read = `SELECT FROM ${DOCUMENTS}`;
  await it.run('verify');
  await as('case_writer', `UPDATE ${FACTS} SET "text" = NULL, number = 7, flag = NULL WHERE shop = 1`);
  await expect(as('case_writer', read)).rejects.toMatchObject({ code: '42501' });
  await expect(as('case_writer', `SELECT FROM "Дом"."документы_sqltrail_changed"`)).rejects.toMatchObject({
    code: '42501',
  });
  await it.run('cutover-writes');
  await as(
    'case_writer',
    `DELETE FROM ${FACTS} WHERE shop = 2; UPDATE ${FACTS} SET flag = NULL WHERE shop = 3`,
  );
  await as('case_writer', `UPDATE ${DOCUMENTS} SET attributes = '{"a": true}' WHERE shop = 4`);
  await expect(as('"case reader"', read)).rejects.toMatchObject({ code: '42501' });
  expect(await wrongFacts(database.client)).toEqual([]);
  await it.run('contract');
  await as('case_writer', `UPDATE ${DOCUMENTS} SET attributes = '{"a": [1]}' WHERE shop = 4`);
  await expect(as('"case reader"', read)).rejects.toMatchObject({ code: '42501' });
});

it('goes on after kill -9 at any moment, there and back', async () => {
  await database.client.query(facts);
  const it = await ofFacts();
  await writers.start(thingsOf);
  await goOnAfterKills(database.url, it, writers, async (when) => {
    // Until the cutover the documents follow the rows.
    if (when !== 'verify') expect(await wrongFacts(database.client), when).toEqual([]);
  });
  expect(await query(LEFT)).toEqual([]);
});

it.skipIf(!dumpBinDir)('a rollback from any phase leaves what pg_dump saw before', () =>
  expectDumpAfterRollbacks(facts, ofFacts),
);

const other = async () => {
  const session = new pg.Client(database.url);
  session.on('error', () => {});
  await session.connect();
  return session;
};
const blocked = (otherwise = () => false) =>
  waitFor(
    'a session to wait',
    async () =>
      otherwise() ||
      (
        await query(
          "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
      )[0].n > 0,
    { deadlineMs: PATIENCE_MS, everyMs: 20 },
  );

it('an entity that goes while its first document is made leaves none behind', async () => {
  await database.client.query(`CREATE TABLE facts (product_id int, name text, value text, PRIMARY KEY (product_id, name));
    INSERT INTO facts VALUES (1, 'a', 'x')`);
  const it = await documented(database.url, PRODUCTS);
  for await (const { step, event } of runMigration({ ...it.options, until: 'cutover-writes' }))
    if (event === 'done' && step === 'keys that changed up to the cutover')
      await database.client.query("INSERT INTO facts VALUES (2, 'a', 'x'), (3, 'a', 'x')");
    else if (event === 'done' && step === 'what is written counts at once') break;
  const [{ put, queue }] = await query(
    `SELECT (SELECT proname FROM pg_proc WHERE proname LIKE '%sqltrail_put') AS put, (SELECT relname FROM pg_class WHERE relname LIKE '%sqltrail%' AND relkind = 'r') AS queue`,
  );
  const second = await other();
  for (const [product, gone] of [
    [2, 'DELETE FROM facts WHERE product_id = 2'],
    [3, 'UPDATE facts SET product_id = 4 WHERE product_id = 3'],
  ]) {
    // As a batch does, whose transaction is open still.
    await database.client.query(
      `BEGIN; DELETE FROM ${queue} WHERE k0 = ${product}; SELECT ${put}(ARRAY[${product}])`,
    );
    let ended = false;
    const going = second.query(String(gone)).then(() => {
      ended = true;
    });
    await blocked(() => ended);
    await database.client.query('COMMIT');
    await going;
  }
  await second.end();
  const documents = [
    { product_id: 1, attributes: { a: 'x' } },
    { product_id: 4, attributes: { a: 'x' } },
  ];
  expect(await query('SELECT * FROM facts_documents ORDER BY product_id')).toEqual(documents);
  await it.run('cutover-writes');
  expect(await query('SELECT * FROM facts_documents ORDER BY product_id')).toEqual(documents);
});

it('two sessions that change attributes of one entity are both in its document', async () => {
  await database.client.query(`CREATE TABLE facts (product_id int, name text, value text, PRIMARY KEY (product_id, name));
    INSERT INTO facts VALUES (1, 'a', 'old'), (1, 'b', 'old')`);
  const it = await documented(database.url, PRODUCTS);
  await it.run('verify');
  const second = await other();
  // Before the cutover neither waits, in whatever order they write.
  await database.client.query("BEGIN; UPDATE facts SET value = 'one' WHERE name = 'a'");
  await second.query("BEGIN; UPDATE facts SET value = 'two' WHERE name = 'b'");
  await database.client.query("INSERT INTO facts VALUES (1, 'c', 'one')");
  await second.query("INSERT INTO facts VALUES (1, 'd', 'two'); COMMIT");
  await database.client.query('COMMIT');
  await it.run('cutover-writes');
  const attributes = async () => (await query('SELECT attributes FROM facts_documents'))[0].attributes;
  expect(await attributes()).toEqual({ a: 'one', b: 'two', c: 'one', d: 'two' });
  for (const [one, two] of [
    ["UPDATE facts SET value = 'p' WHERE name = 'a'", "UPDATE facts SET value = 'q' WHERE name = 'b'"],
    ["DELETE FROM facts WHERE name IN ('a', 'c', 'd')", "INSERT INTO facts VALUES (1, 'e', 'q')"],
    // The document goes while another session adds to it.
    ["DELETE FROM facts WHERE name IN ('b', 'e')", "INSERT INTO facts VALUES (1, 'f', 'q')"],
    ['DELETE FROM facts_documents', "INSERT INTO facts VALUES (1, 'g', 'q')"],
    [`UPDATE facts_documents SET attributes = '{"h": "p"}'`, "INSERT INTO facts VALUES (1, 'i', 'q')"],
  ] as const) {
    await database.client.query(`BEGIN; ${one}`);
    const waiting = second.query(two);
    await blocked();
    await database.client.query('COMMIT');
    await waiting;
    expect(await attributes(), two).toEqual(
      Object.fromEntries(
        (await query('SELECT name, value FROM facts')).map(({ name, value }) => [name, value]),
      ),
    );
  }
  await second.end();
});

it('a transaction with a snapshot of its own is ended rather than lost', async () => {
  await database.client.query(`CREATE TABLE facts (product_id int, name text, value text, PRIMARY KEY (product_id, name));
    INSERT INTO facts SELECT i, 'a', 'old' FROM generate_series(1, 4) AS i`);
  const it = await documented(database.url, PRODUCTS);
  const early = await other();
  const late = await other();
  await early.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM facts');
  await it.run('cutover-writes');
  await database.client.query(
    "DELETE FROM facts WHERE product_id = 1; INSERT INTO facts VALUES (2, 'b', 'new')",
  );
  const lost = { code: '40001' };
  await late.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM facts');
  await database.client.query(
    "INSERT INTO facts VALUES (3, 'b', 'new'); DELETE FROM facts WHERE product_id = 4",
  );
  for (const [session, statement] of [
    [early, "INSERT INTO facts VALUES (1, 'z', 'z')"],
    [early, "UPDATE facts SET value = 'z' WHERE product_id = 2"],
    [early, `INSERT INTO facts_documents VALUES (1, '{"a": "old"}')`],
    [late, "UPDATE facts SET value = 'z' WHERE product_id = 3"],
    [late, "INSERT INTO facts VALUES (4, 'z', 'z')"],
    [late, `UPDATE facts_documents SET attributes = '{}' WHERE product_id = 3`],
  ] as const) {
    await session.query('SAVEPOINT one');
    await expect(session.query(statement), statement).rejects.toMatchObject(lost);
    await session.query('ROLLBACK TO one');
  }
  await late.query("UPDATE facts SET value = 'z' WHERE product_id = 2 AND name = 'b'; COMMIT");
  await early.end();
  await late.end();
  expect(differences(await verifyMigration(it.options))).toEqual([]);
});

it('complete stops while something uses the table, and names it', async () => {
  await database.client.query(`CREATE EXTENSION pg_stat_statements;
    CREATE TABLE facts (product_id int, name text, value text, PRIMARY KEY (product_id, name));
    INSERT INTO facts VALUES (1, 'a', 'b');
    CREATE VIEW known AS SELECT count(*) FROM facts;
    CREATE FUNCTION of_facts() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM facts); END'`);
  await database.client.query(forgetStatements);
  await database.client.query('SELECT FROM facts WHERE product_id = 1');
  const it = await documented(database.url, PRODUCTS);
  expect(it.declared.notes.join('\n')).toMatch(
    /complete stops while these use facts.*view public\.known.*of_facts/,
  );
  await it.run('cutover-writes');
  const error = await it.run('contract').catch(({ message }: Error) => message);
  for (const why of [
    /public\.facts cannot be dropped yet/,
    /view public\.known/,
    /function public\.of_facts\(\)/,
    /SELECT FROM facts WHERE product_id = \$1/,
  ])
    expect(error).toMatch(why);
  await database.client.query('DROP VIEW known; DROP FUNCTION of_facts');
  await it.run('contract');
  expect(await query('SELECT * FROM facts_documents')).toEqual([{ product_id: 1, attributes: { a: 'b' } }]);
});
