import fc from 'fast-check';
import pg from 'pg';
import { expect, it } from 'vitest';
import { wrongCopies } from '../../../test/support/copiesCase.ts';
import { databaseFor } from '../../../test/support/database.ts';
import { extracted } from '../../../test/support/moved.ts';
import { oddName } from '../../../test/support/oddName.ts';
import { propertyRuns } from '../../../test/support/property.ts';
import { verifyMigration } from '../../engine.ts';
import { differences } from '../../verify.ts';

const database = databaseFor('all');

const id = pg.escapeIdentifier;
const name = oddName('key', 'value', 'name', 'image', 'n', 't', 'place', 'latest', 'was', 'chosen');
const text = fc.constantFrom(null, '', ' ', 'a', 'A', 'é', '🙂', "'", '"', 'NULL', '{}');
const types = ['text', 'citext', 'character varying(9)', 'jsonb', 'text[]', 'json'] as const;
/** Of a type, from a text. */
const asType: Record<(typeof types)[number], (of: string | null) => string | null> = {
  text: (of) => of,
  citext: (of) => of,
  'character varying(9)': (of) => of,
  jsonb: (of) => JSON.stringify(of),
  json: (of) => ` ${JSON.stringify(of)}`,
  'text[]': (of) => (of === null ? '{}' : `{${JSON.stringify(of)},NULL}`),
};
const row = fc.record({
  key: fc.option(fc.integer({ min: 0, max: 4 }), { freq: 8 }),
  values: fc.tuple(text, text),
  at: fc.integer({ min: 1, max: 28 }),
});
const change = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), row }),
  fc.record({ kind: fc.constant('update' as const), row, of: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('move' as const), row, of: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant('delete' as const), row, of: fc.integer({ min: 1, max: 20 }) }),
);
const table = fc.record({
  table: name,
  names: fc.uniqueArray(name, { minLength: 3, maxLength: 3 }),
  keyType: fc.constantFrom('integer', 'text', 'citext'),
  types: fc.tuple(fc.constantFrom(...types), fc.constantFrom(...types)),
  latest: fc.boolean(),
  rows: fc.array(row, { minLength: 1, maxLength: 20 }),
  before: fc.array(change, { maxLength: 8 }),
  after: fc.array(change, { maxLength: 8 }),
});

it('any copies move with their rule and their contradictions, whoever writes', async () => {
  await fc.assert(
    fc.asyncProperty(table, async (t) => {
      const [key = '', one = '', two = ''] = t.names;
      fc.pre(!t.names.some((each) => ['id', 'at'].includes(each)));
      const full = `public.${id(t.table)}`;
      await database.client.query(
        'DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE EXTENSION citext SCHEMA public',
      );
      await database.client.query(
        `CREATE TABLE ${full} (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, ${id(key)} ${t.keyType}, ${id(one)} ${t.types[0]}, ${id(two)} ${t.types[1]}, at timestamptz NOT NULL)`,
      );
      // A row without a key says nothing.
      const said = (of: (typeof t.rows)[number]) => [
        of.key === null ? null : `${of.key}`,
        ...(of.key === null
          ? [null, null]
          : of.values.map((each, at) => asType[t.types[at] ?? 'text'](each))),
        `2026-01-${of.at}`,
      ];
      const columns = `${id(key)}, ${id(one)}, ${id(two)}, at`;
      const insert = (of: (typeof t.rows)[number]) =>
        database.client.query(`INSERT INTO ${full} (${columns}) VALUES ($1, $2, $3, $4)`, said(of));
      const apply = async (changes: typeof t.before) => {
        for (const { kind, row: of, ...rest } of changes)
          if (kind === 'insert') await insert(of);
          else if (kind === 'delete')
            await database.client.query(`DELETE FROM ${full} WHERE id % 20 = $1`, [
              'of' in rest ? rest.of : 0,
            ]);
          else if (kind === 'update')
            await database.client.query(
              `UPDATE ${full} SET (${columns}) = ($1, $2, $3, $4) WHERE id % 20 = $5`,
              [...said(of), 'of' in rest ? rest.of : 0],
            );
          else
            await database.client.query(
              `UPDATE ${full} SET ${id(key)} = $1 WHERE id % 20 = $2 AND ${id(key)} IS NOT NULL`,
              [`${of.key ?? 0}`, 'of' in rest ? rest.of : 0],
            );
      };
      for (const each of t.rows) await insert(each);
      const it = await extracted(database.url, {
        table: full,
        columns: [one, two],
        key,
        into: 'new one',
        resolve: t.latest ? { kind: 'latest-by', column: 'at' } : { kind: 'most-frequent' },
      });
      const wrong = (cutover: boolean) =>
        wrongCopies(database.client, {
          table: full,
          into: 'public."new one"',
          ledger: 'public."new one_contradictions"',
          queue: 'public."new one_sqltrail_changed"',
          key: id(key),
          columns: { [one]: id(one), [two]: id(two) },
          latest: t.latest ? 'at' : undefined,
          cutover,
        });
      await it.run('dual-write');
      await apply(t.before);
      await it.run('verify');
      expect(await wrong(false)).toEqual([]);
      const kept = () => database.client.query(`SELECT * FROM ${full} ORDER BY id`).then(({ rows }) => rows);
      const before = await kept();
      await it.run('cutover-writes');
      expect(await kept()).toEqual(before);
      await apply(t.after);
      expect(await wrong(true)).toEqual([]);
      expect(differences(await verifyMigration(it.options))).toEqual([]);
      await database.client.query(`UPDATE public."new one" SET ${id(one)} = $1 WHERE ${id(key)} = '1'`, [
        asType[t.types[0]]('new'),
      ]);
      expect(await wrong(true)).toEqual([]);
      const after = await kept();
      await it.back('verify');
      expect(await kept()).toEqual(after);
      await it.run('cutover-writes');
      const { rows: there } = await database.client.query(`SELECT * FROM public."new one" ORDER BY 1`);
      await it.run('contract');
      expect((await database.client.query(`SELECT * FROM public."new one" ORDER BY 1`)).rows).toEqual(there);
      const { rows: lost } = await database.client.query(
        `SELECT FROM ${full} AS t WHERE ${id(key)} IS NOT NULL AND NOT EXISTS (SELECT FROM public."new one" AS n WHERE n.${id(key)} = t.${id(key)})`,
      );
      expect(lost).toEqual([]);
    }),
    { numRuns: propertyRuns(8) },
  );
});
