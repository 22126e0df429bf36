import fc from 'fast-check';
import pg from 'pg';
import { expect, it } from 'vitest';
import { OperationError } from '../../../lib/pg/errors.ts';
import { databaseFor } from '../../../test/support/database.ts';
import { wrongLists } from '../../../test/support/listCase.ts';
import { split } from '../../../test/support/moved.ts';
import { oddName } from '../../../test/support/oddName.ts';
import type { Operated } from '../../../test/support/operated.ts';
import { propertyRuns, untilMet } from '../../../test/support/property.ts';
import type { MovedMigration } from './declared.ts';

const database = databaseFor('all');

const id = pg.escapeIdentifier;
const name = oddName('position', 'value', 'c', 't', 'n', 'here', 'list', 'order');
const entry = fc.oneof(
  fc.constantFrom('', ' ', 'a', 'A', 'NULL', "'", '\n', '🙂', 'é', '%', '$1', '0'),
  fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => text.replaceAll('\0', '')),
);
const list = fc.option(fc.array(entry, { maxLength: 6 }), { freq: 6 });
const types = ['text', 'character varying(2000)', 'citext', 'text[]', 'character varying(2000)[]'] as const;
const table = fc.record({
  schema: fc.constantFrom('public', 'Other "schema'),
  table: name,
  column: name,
  type: fc.constantFrom(...types),
  notNull: fc.boolean(),
  separator: fc.constantFrom(',', ';', '|', ', ', "'", '||', 'ж'),
  keys: fc.uniqueArray(
    fc.record({ name, type: fc.constantFrom('integer', 'citext', 'timestamptz', 'bytea') }),
    {
      minLength: 1,
      maxLength: 2,
      selector: (key) => key.name,
    },
  ),
  lists: fc.array(list, { minLength: 1, maxLength: 12 }),
  later: fc.array(list, { minLength: 1, maxLength: 12 }),
});
const values = {
  integer: (i: number) => i,
  citext: (i: number) => `K${i}`,
  timestamptz: (i: number) => new Date(i * 1e9).toISOString(),
  bytea: (i: number) => Buffer.from(`b${i}`),
} as const;

it('any lists become entries and lists again, whoever writes', async () => {
  let planned = 0;
  await untilMet(
    () =>
      fc.assert(
        fc.asyncProperty(table, async (t) => {
          const array = t.type.endsWith('[]');
          const full = `${id(t.schema)}.${id(t.table)}`;
          const keys = t.keys.filter((key) => key.name !== t.column);
          fc.pre(keys.length > 0);
          await database.client.query(
            `DROP SCHEMA IF EXISTS ${id('Other "schema')} CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE EXTENSION citext SCHEMA public; CREATE SCHEMA ${id('Other "schema')}`,
          );
          await database.client.query(
            `CREATE TABLE ${full} (${keys.map((key) => `${id(key.name)} ${key.type}`).join(', ')}, ${id(t.column)} ${t.type}${t.notNull ? ' NOT NULL' : ''}, PRIMARY KEY (${keys.map((key) => id(key.name)).join(', ')}))`,
          );
          const said = (of: string[] | null) => {
            if (of === null) return t.notNull ? (array ? [] : '') : null;
            return array ? of : of.map((each) => each.replaceAll(t.separator, '')).join(t.separator);
          };
          const key = (i: number) => keys.map(({ type }) => values[type](i));
          const at = (from: number) => keys.map((each, k) => `${id(each.name)} = $${from + k}`).join(' AND ');
          const insert = (i: number, of: string[] | null) =>
            database.client.query(
              `INSERT INTO ${full} VALUES (${[...keys, t].map((_, k) => `$${k + 1}`).join(', ')})`,
              [...key(i), said(of)],
            );
          for (const [i, of] of t.lists.entries()) await insert(i, of);
          let it: Operated<MovedMigration>;
          try {
            it = await split(database.url, {
              table: full,
              column: t.column,
              separator: t.separator,
              acceptQuotes: true,
              mergeEmpty: true,
            });
          } catch (error) {
            if (!(error instanceof OperationError)) throw error;
            const texts = t.lists.map(said).filter((each) => typeof each === 'string');
            const reasons = [
              [!texts.some((text) => text.includes(t.separator)), /No value of/],
              [texts.some((text) => /^\s*[[{]/.test(text)), /begin with a bracket/],
            ] as const;
            const due = reasons.filter(([when]) => when && !array);
            expect(due.length, error.message).toBeGreaterThan(0);
            for (const [, why] of due) expect(error.message).toMatch(why);
            return;
          }
          planned += 1;
          const into = `${id(t.schema)}.${id(it.declared.moved.into)}`;
          const { rows: made } = await database.client.query<{ name: string }>(
            `SELECT attname::text AS name FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 ORDER BY attnum`,
            [into],
          );
          expect(made).toEqual([]);
          const columns = async () =>
            (
              await database.client.query<{ name: string }>(
                `SELECT attname::text AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`,
                [into],
              )
            ).rows.map((row) => row.name);
          const wrong = async () => {
            const names = (await columns()).map((each) => id(each));
            return wrongLists(database.client, {
              table: full,
              column: id(t.column),
              keys: keys.map((each) => id(each.name)).join(', '),
              into,
              newKeys: names.slice(0, keys.length).join(', '),
              position: names.at(-2) ?? '',
              value: names.at(-1) ?? '',
              separator: t.separator,
            });
          };
          await it.run('dual-write');
          for (const [i, of] of t.later.entries()) {
            if (i % 3 === 0) await insert(1000 + i, of);
            else if (i % 3 === 1)
              await database.client.query(`UPDATE ${full} SET ${id(t.column)} = $1 WHERE ${at(2)}`, [
                said(of),
                ...key(i % t.lists.length),
              ]);
            else await database.client.query(`DELETE FROM ${full} WHERE ${at(1)}`, key(i % t.lists.length));
          }
          await it.run('verify');
          expect(await wrong()).toEqual([]);
          const kept = () =>
            database.client
              .query(`SELECT * FROM ${full} ORDER BY ${keys.map((each) => id(each.name)).join(', ')}`)
              .then(({ rows }) => rows);
          const before = await kept();
          await it.back('none');
          expect(await kept()).toEqual(before);
          await it.run('cutover-writes');
          const names = await columns();
          const [position = '', value = ''] = names.slice(-2).map((each) => id(each));
          const belongs = names
            .slice(0, keys.length)
            .map((each, k) => `${id(each)} = $${k + 1}`)
            .join(' AND ');
          for (const i of [0, 1000]) {
            const present = await database.client.query(`SELECT FROM ${full} WHERE ${at(1)}`, key(i));
            if (present.rowCount === 0) continue;
            await database.client.query(`DELETE FROM ${into} WHERE ${belongs} AND ${position} = 1`, key(i));
            await database.client.query(
              `INSERT INTO ${into} VALUES (${names.map((_, k) => `$${k + 1}`).join(', ')})`,
              [...key(i), 50, 'new'],
            );
            await database.client.query(
              `UPDATE ${into} SET ${value} = ${value} || 'x' WHERE ${belongs}`,
              key(i),
            );
          }
          expect(await wrong()).toEqual([]);
          await database.client.query(`UPDATE ${full} SET ${id(t.column)} = $1`, [said(['p', 'q'])]);
          expect(await wrong()).toEqual([]);
          await it.run('contract');
          const { rows: ended } = await database.client.query(`SELECT ${value} AS v FROM ${into}`);
          expect(ended.filter(({ v }) => v === 'p').length).toBe((await kept()).length);
        }),
        { numRuns: propertyRuns(8) },
      ),
    () => planned > 0,
  );
});
