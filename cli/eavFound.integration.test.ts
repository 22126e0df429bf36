import pg from 'pg';
import { expect, it } from 'vitest';
import { diagnose } from '../diagnosis/run.ts';
import { OperationError } from '../lib/pg/errors.ts';
import { planEavToJsonb } from '../migrate/operations/moved/eav.ts';
import { createTestDatabase } from '../test/support/database.ts';
import { unhurried } from '../test/support/unhurried.ts';

const ONCE = 'UNIQUE (thing, name)';
/** Attributes kept as rows, by what of them can be made documents of. */
const tables = {
  plain: `thing int, name text, value text, PRIMARY KEY (thing, name)`,
  numbered: `id bigserial PRIMARY KEY, thing bigint NOT NULL, name character varying(40) NOT NULL, value text, ${ONCE}`,
  twice: `id serial PRIMARY KEY, thing int NOT NULL, name text NOT NULL, value text`,
  nullable: `thing int, name text, value text, ${ONCE}`,
  turned: `thing int, name text, value text, PRIMARY KEY (name, thing)`,
  dated: `thing int, name text, value text, at timestamptz DEFAULT now(), PRIMARY KEY (thing, name)`,
  deferred: `thing int NOT NULL, name text NOT NULL, value text, ${ONCE} DEFERRABLE`,
  referred: `thing int, name text, value text, PRIMARY KEY (thing, name)`,
  inherited: `thing int, name text, value text, PRIMARY KEY (thing, name)`,
} as const;
const POSSIBLE = ['numbered', 'plain', 'typed'];

it('a finding proposes documents where a plan can make them, and no others', async () => {
  const database = await createTestDatabase();
  const client = new pg.Client(database.url);
  await client.connect();
  try {
    for (const [table, columns] of Object.entries(tables))
      await client.query(`CREATE TABLE ${table} (${columns});
        INSERT INTO ${table} (thing, name, value) SELECT i, n, CASE n WHEN 'weight' THEN (i % 97)::text WHEN 'price' THEN (i * 7 % 89)::text ELSE n || i END
          FROM generate_series(1, 200) AS i, unnest(ARRAY['weight', 'price', 'color', 'label']) AS n`);
    for (const [table, third] of [
      ['typed', 'boolean'],
      ['of_one_kind', 'timestamptz'],
    ])
      await client.query(`CREATE TABLE ${table} (thing int, name text, in_text text, in_number numeric, third ${third}, PRIMARY KEY (thing, name));
        INSERT INTO ${table} SELECT i, n, CASE n WHEN 'color' THEN 'red' || i % 50 END, CASE n WHEN 'price' THEN i % 89 END, CASE n WHEN 'label' THEN ${third === 'boolean' ? 'i % 2 = 0' : "now() - i * interval '1 day'"} END
          FROM generate_series(1, 200) AS i, unnest(ARRAY['price', 'color', 'label']) AS n`);
    await client.query(`CREATE TABLE refers (thing int, name text, FOREIGN KEY (thing, name) REFERENCES referred (thing, name));
      CREATE TABLE heir () INHERITS (inherited); ANALYZE`);
    const { findings } = await diagnose(unhurried(database.url, { only: ['entity-attribute-value'] }));
    const all = [...Object.keys(tables), 'typed', 'of_one_kind'].toSorted();
    expect(findings.map(({ objects }) => objects[0]?.table).toSorted()).toEqual(all);
    for (const { objects, fix } of findings) {
      const { table = '', columns = [] } = objects[0] ?? {};
      const [entity = '', attribute = '', ...values] = columns;
      const [operation] = fix?.operations ?? [];
      expect(operation !== undefined, table).toBe(POSSIBLE.includes(table));
      const planned = planEavToJsonb(
        database.url,
        operation?.operation === 'eav-to-jsonb'
          ? operation
          : { table, entity: [entity], attribute, values, leaveOut: table === 'twice' ? ['id'] : [] },
      );
      if (operation) expect((await planned).moved.into).toBe(`${table}_documents`);
      else await expect(planned, table).rejects.toBeInstanceOf(OperationError);
    }
  } finally {
    await client.end();
    await database.drop();
  }
});
