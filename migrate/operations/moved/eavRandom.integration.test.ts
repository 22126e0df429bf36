import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { databaseFor } from '../../../test/support/database.ts';
import { wrongDocuments } from '../../../test/support/eavCase.ts';
import { documented } from '../../../test/support/moved.ts';
import { oddName } from '../../../test/support/oddName.ts';
import { propertyRuns } from '../../../test/support/property.ts';

const database = databaseFor('all');
/** An application with settings of its own, which no document may show. */
let writer: pg.Client;
beforeAll(async () => {
  writer = new pg.Client({
    connectionString: database.url,
    options:
      '-c TimeZone=Asia/Tokyo -c DateStyle=German -c extra_float_digits=0 -c IntervalStyle=sql_standard',
  });
  await writer.connect();
});
afterAll(async () => {
  await writer.end();
});

const id = pg.escapeIdentifier;
const name = oddName(
  'attributes',
  'attributes_1',
  'document',
  'key',
  'value',
  'said',
  'rows',
  'k0',
  'c',
  'n',
  's',
  't',
  'w',
  'wrote',
  'm',
  'made',
);
const text = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    'a',
    'A',
    'null',
    'NaN',
    '1',
    '1.50',
    'true',
    '"',
    '\\',
    '\n',
    '{"a": 1}',
    '[]',
    '🙂',
    'é',
  ),
  fc.string({ unit: 'grapheme', maxLength: 8 }).map((of) => of.replaceAll('\0', '')),
);
/** Values of each type as text. */
const valuesOf = {
  text,
  'character varying(300)': text,
  citext: text,
  numeric: fc.constantFrom(
    '0',
    '1',
    '1.50',
    '-0.0010',
    '123456789012345678901234567890.123',
    'NaN',
    '-Infinity',
  ),
  'numeric(9,2)': fc.constantFrom('0.00', '-1.50', '9999999.99'),
  integer: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map(String),
  bigint: fc.constantFrom('9223372036854775807', '-9223372036854775808', '0'),
  'double precision': fc.oneof(fc.double().map(String), fc.constantFrom('NaN', 'Infinity')),
  real: fc.float().map(String),
  boolean: fc.constantFrom('true', 'false'),
  date: fc.constantFrom('2024-02-29', '0044-03-15 BC', 'infinity', '10000-01-01'),
  'timestamp with time zone': fc.constantFrom(
    '2024-02-29 23:59:59.5+02',
    '-infinity',
    '0044-03-15 12:00:00+00 BC',
  ),
  'timestamp(3) without time zone': fc.constantFrom('2024-02-29 23:59:59.125', 'infinity'),
  uuid: fc.uuid(),
  mood: fc.constantFrom('sad', 'very happy'),
} as const;
type Type = keyof typeof valuesOf;
const kindOf = (type: Type, said: string) => {
  if (type === 'boolean') return 'boolean';
  return /^(numeric|integer|bigint|double|real)/.test(type) && !/NaN|Infinity/.test(said)
    ? 'number'
    : 'string';
};
/** Of one form, whatever writes it. */
const print = (types: readonly Type[]) => (said: string) =>
  types.some((type) => type === 'double precision' || type === 'real')
    ? String(Number(said) + 0)
    : said.replace(/^(\S*\d) (\d\d:)/, '$1T$2').replace(/\+00(?=$| BC)/, '+00:00');

const keyOf = {
  integer: (i: number) => String(i),
  text: (i: number) => ['K', 'k', '', "'"][i] ?? `${i}`,
  uuid: (i: number) => `00000000-0000-4000-8000-00000000000${i}`,
  timestamptz: (i: number) => new Date(i * 1e9).toISOString(),
  bytea: (i: number) => `\\x0${i}`,
} as const;
const single = fc.constantFrom(...(Object.keys(valuesOf) as Type[])).map((type) => [type]);
const mixed = fc.shuffledSubarray<Type>(['text', 'numeric(9,2)', 'boolean'], { minLength: 2 });

const table = fc
  .tuple(fc.oneof(single, mixed), fc.uniqueArray(name, { minLength: 8, maxLength: 8 }))
  .chain(([types, names]) => {
    const row = fc.record({
      entity: fc.integer({ min: 0, max: 3 }),
      name: text,
      value: fc.option(
        fc.nat(types.length - 1).chain((at) => valuesOf[types[at] as Type].map((said) => ({ at, said }))),
        { freq: 5 },
      ),
      how: fc.constantFrom('put', 'put', 'remove', 'rename', 'move'),
      to: fc.integer({ min: 0, max: 3 }),
    });
    const rows = fc.array(row, { minLength: 1, maxLength: 10 });
    return fc.record({
      types: fc.constant(types),
      names: fc.constant(names),
      schema: fc.constantFrom('public', 'Other "schema'),
      attribute: fc.constantFrom('text', 'character varying(300)'),
      keys: fc.array(fc.constantFrom(...(Object.keys(keyOf) as (keyof typeof keyOf)[])), {
        minLength: 1,
        maxLength: 2,
      }),
      numbered: fc.boolean(),
      rows,
      later: rows,
      after: rows,
    });
  });

it('any attributes become documents and attributes again, whoever writes', async () => {
  await fc.assert(
    fc.asyncProperty(table, async (t) => {
      const [tableName = '', row = '', attribute = '', ...others] = t.names;
      const keys = t.keys.map((type, at) => ({ name: others[at] ?? '', type }));
      const values = t.types.map((type, at) => ({ name: others[at + 2] ?? '', type }));
      const full = `${id(t.schema)}.${id(tableName)}`;
      const key = keys.map((each) => id(each.name));
      const columns = values.map((each) => id(each.name));
      await database.client.query(
        `DROP SCHEMA IF EXISTS ${id('Other "schema')} CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE EXTENSION citext SCHEMA public; CREATE SCHEMA ${id('Other "schema')};
         CREATE TYPE mood AS ENUM ('sad', 'very happy'); SET TimeZone = 'UTC';
         CREATE TABLE ${full} (${[
           ...(t.numbered ? [`${id(row)} bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY`] : []),
           ...keys.map((each) => `${id(each.name)} ${each.type} NOT NULL`),
           `${id(attribute)} ${t.attribute} NOT NULL`,
           ...values.map((each) => `${id(each.name)} ${each.type}`),
           `UNIQUE (${[...key, id(attribute)].join(', ')})`,
         ].join(', ')})`,
      );
      const of = (entity: number) => keys.map(({ type }) => keyOf[type](entity));
      const at = (from: number) => key.map((each, k) => `${each} = $${from + k}`).join(' AND ');
      const its = `${at(1)} AND ${id(attribute)} = $${keys.length + 1}`;
      const set = columns.map((column, k) => `${column} = $${keys.length + 2 + k}`).join(', ');
      const change = async (rows: (typeof t)['rows']) => {
        for (const { entity, name: attributeName, value, how, to } of rows) {
          const said = values.map((_, k) => (value?.at === k ? value.said : null));
          const which = [...of(entity), attributeName];
          const places = [...which, ...said].map((_, k) => `$${k + 1}`).join(', ');
          if (how === 'put')
            await writer.query(
              `INSERT INTO ${full} (${[...key, id(attribute), ...columns].join(', ')}) VALUES (${places})
               ON CONFLICT (${[...key, id(attribute)].join(', ')}) DO UPDATE SET ${set}`,
              [...which, ...said],
            );
          else if (how === 'remove') await writer.query(`DELETE FROM ${full} WHERE ${its}`, which);
          else if (how === 'rename')
            await writer.query(
              `UPDATE ${full} SET ${id(attribute)} = left(md5(random()::text), 8) || ${id(attribute)} WHERE ${its}`,
              which,
            );
          else if (entity !== to)
            await writer.query(
              `UPDATE ${full} SET ${key.map((each, k) => `${each} = $${keys.length + 2 + k}`).join(', ')}
                WHERE ${its} AND NOT EXISTS (SELECT FROM ${full} WHERE ${at(keys.length + 2)} AND ${id(attribute)} = $${keys.length + 1})`,
              [...which, ...of(to)],
            );
        }
      };
      await change(t.rows);
      const it = await documented(database.url, {
        table: full,
        entity: keys.map((each) => each.name),
        attribute,
        values: values.map((each) => each.name),
        leaveOut: t.numbered ? [row] : [],
      });
      const into = `${id(t.schema)}.${id(it.declared.moved.into)}`;
      const document = id(
        ['attributes', 'attributes_1', 'attributes_2'].find((each) => !keys.some((k) => k.name === each)) ??
          '',
      );
      const wrong = async () =>
        wrongDocuments(database.client, {
          table: full,
          entity: key,
          attribute: id(attribute),
          values: values.map(({ type }, k) => ({
            column: columns[k] ?? '',
            kind: (said) => kindOf(type, said),
          })),
          into,
          document,
          print: print(t.types),
        });
      await it.run('dual-write');
      await change(t.later);
      await it.run('verify');
      expect(await wrong()).toEqual([]);
      const kept = async () =>
        (await database.client.query(`SELECT * FROM ${full} ORDER BY ${[...key, id(attribute)].join(', ')}`))
          .rows;
      const before = await kept();
      await it.back('none');
      expect(await kept()).toEqual(before);
      await it.run('cutover-writes');
      await change(t.after);
      expect(await wrong(), 'rows').toEqual([]);
      const documents = async (sql: string, ...given: unknown[]) => {
        await writer.query(sql, given);
        expect(await wrong(), sql).toEqual([]);
      };
      // Every value goes the way back into a row of its own.
      const place = key.map((_, k) => `$${k + 1}`).join(', ');
      await documents(
        `INSERT INTO ${into} SELECT ${place}, jsonb_object_agg('of ' || a.key, a.value) FROM (SELECT * FROM ${into} LIMIT 1) AS d, jsonb_each(d.${document}) AS a HAVING count(*) > 0`,
        ...of(4),
      );
      await documents(
        `UPDATE ${into} SET ${document} = ${document} || (SELECT coalesce(jsonb_object_agg('next ' || a.key, a.value), '{}') FROM jsonb_each(${document}) AS a)`,
      );
      await documents(
        `UPDATE ${into} SET ${document} = ${document} - (SELECT coalesce(min(a.key), '') FROM jsonb_each(${document}) AS a) || '{"none": null}'`,
      );
      await documents(`DELETE FROM ${into} WHERE ${at(1)}`, ...of(0));
      await documents(
        `UPDATE ${into} SET ${key[0]} = $1 WHERE ${at(2)}`,
        keyOf[keys[0]?.type ?? 'text'](5),
        ...of(1),
      );
      await change(t.later);
      expect(await wrong(), 'rows again').toEqual([]);
      const { rows: counted } = await database.client.query(`SELECT count(*)::int AS n FROM ${full}`);
      await it.run('contract');
      const { rows: ended } = await database.client.query(
        `SELECT count(*)::int AS n FROM ${into}, jsonb_object_keys(${document})`,
      );
      expect(ended).toEqual(counted);
    }),
    { numRuns: propertyRuns(8) },
  );
});
