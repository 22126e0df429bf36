import fc from 'fast-check';
import pg from 'pg';
import { beforeAll, expect, it } from 'vitest';
import { OperationError } from '../../lib/pg/errors.ts';
import { databaseFor } from '../../test/support/database.ts';
import { oddName } from '../../test/support/oddName.ts';
import { type Operated, operated } from '../../test/support/operated.ts';
import { differing } from '../../test/support/operationCase.ts';
import { propertyRuns, untilMet } from '../../test/support/property.ts';

const database = databaseFor('all');
beforeAll(async () => {
  await database.client.query('CREATE EXTENSION citext');
});

const id = pg.escapeIdentifier;
const name = oddName('found', 'tg_op', 'new', 's', 'order', 'sqltrail');

/** A type, and an expression over `i` that gives different values. */
const types = {
  integer: 'i::int',
  bigint: 'i::bigint * 1000000007',
  text: "'v' || i",
  uuid: 'md5(i::text)::uuid',
  citext: "'Mixed' || i",
  'numeric(12,3)': 'i / 7.0',
  date: "date '2025-01-01' + i",
  'timestamp(3)': "timestamp '2025-01-01' + i * interval '7 hours'",
  timestamptz: "timestamptz '2025-03-01' + i * interval '13 hours'",
  'character(5)': 'right(i::text, 5)',
  jsonb: "jsonb_build_object('i', i)",
  xml: "('<a>' || i || '</a>')::xml",
  'integer[]': 'ARRAY[i, NULL]',
  'double precision': "CASE WHEN i % 9 = 0 THEN 'NaN' ELSE i / 3.0 END",
  bytea: 'decode(md5(i::text), $$hex$$)',
  point: 'point(i, 1)',
} as const;
type Type = keyof typeof types;
const keyTypes: Type[] = [
  'integer',
  'bigint',
  'text',
  'uuid',
  'citext',
  'numeric(12,3)',
  'timestamptz',
  'bytea',
];

const table = fc.record({
  schema: fc.constantFrom('public', 'Other "schema'),
  name,
  by: fc.record({
    name,
    type: fc.constantFrom<Type>(
      'date',
      'timestamp(3)',
      'timestamptz',
      'date',
      'timestamp(3)',
      'timestamptz',
      'text',
    ),
    notNull: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
  }),
  columns: fc.uniqueArray(
    fc.record({ name, type: fc.constantFrom(...(Object.keys(types) as Type[])), notNull: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 5,
      selector: (column) => column.name,
    },
  ),
  key: fc.record({
    name,
    types: fc.array(fc.constantFrom(...keyTypes), { minLength: 1, maxLength: 2 }),
    kind: fc.constantFrom('PRIMARY KEY', 'UNIQUE', 'index', 'PRIMARY KEY', 'UNIQUE', 'index', 'none'),
    withBy: fc.boolean(),
    deferrable: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  }),
  extra: fc.subarray(
    [
      'generated',
      'identity',
      'index',
      'partial',
      'expression',
      'trigger',
      'fillfactor',
      'unlogged',
      'dropped',
      'exclusion',
      'view',
    ],
    {
      maxLength: 5,
    },
  ),
  extendKeys: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
  interval: fc.constantFrom('week', 'month', 'quarter', 'year'),
});

function create(
  t: Parameters<
    Parameters<typeof fc.asyncProperty<[typeof table extends fc.Arbitrary<infer T> ? T : never]>>[1]
  >[0],
) {
  const full = `${id(t.schema)}.${id(t.name)}`;
  const taken = new Set([t.by.name]);
  const keys = t.key.types.map((type, at) => ({
    name: `${t.key.name.slice(0, 20)} key${at}`,
    type,
    notNull: true,
  }));
  const columns = t.columns.filter(
    (column) => !taken.has(column.name) && !keys.some((key) => key.name === column.name),
  );
  const all = [...keys, { ...t.by }, ...columns];
  const has = (what: string) => t.extra.includes(what);
  const keyColumns = [...keys.map((key) => key.name), ...(t.key.withBy ? [t.by.name] : [])]
    .map((each) => id(each))
    .join(', ');
  const statements = [
    `CREATE SCHEMA IF NOT EXISTS ${id(t.schema)}`,
    `CREATE ${has('unlogged') ? 'UNLOGGED ' : ''}TABLE ${full} (${[
      ...all.map((column) => `${id(column.name)} ${column.type}${column.notNull ? ' NOT NULL' : ''}`),
      ...(has('generated')
        ? [
            `gen_col text GENERATED ALWAYS AS (${id(keys[0]?.name ?? '')} IS NULL) STORED`.replace(
              'text',
              'boolean',
            ),
          ]
        : []),
      ...(has('identity') ? ['ident_col int GENERATED ALWAYS AS IDENTITY'] : []),
      ...(has('dropped') ? ['gone_col int'] : []),
      ...(has('exclusion')
        ? [`CONSTRAINT excl EXCLUDE USING btree (${id(keys[0]?.name ?? '')} WITH =)`]
        : []),
      ...(t.key.kind === 'PRIMARY KEY' || t.key.kind === 'UNIQUE'
        ? [`${t.key.kind} (${keyColumns})${t.key.deferrable ? ' DEFERRABLE' : ''}`]
        : []),
    ].join(', ')})${has('fillfactor') ? ' WITH (fillfactor = 70)' : ''}`,
    ...(t.key.kind === 'index' ? [`CREATE UNIQUE INDEX ON ${full} (${keyColumns})`] : []),
    ...(has('dropped') ? [`ALTER TABLE ${full} DROP COLUMN gone_col`] : []),
    ...(has('index')
      ? [`CREATE INDEX ON ${full} (${id(t.by.name)} DESC NULLS LAST) INCLUDE (${id(keys[0]?.name ?? '')})`]
      : []),
    ...(has('partial')
      ? [
          `CREATE UNIQUE INDEX ON ${full} (${id(keys[0]?.name ?? '')}, ${id(t.by.name)}) WHERE ${id(keys[0]?.name ?? '')} IS NOT NULL`,
        ]
      : []),
    ...(has('expression')
      ? [`CREATE INDEX ON ${full} ((${id(t.by.name)} IS NULL), ${id(keys[0]?.name ?? '')})`]
      : []),
    ...(has('trigger')
      ? [
          `CREATE OR REPLACE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
          `CREATE TRIGGER ${id(`${t.name.slice(0, 10)} t`)} BEFORE INSERT OR UPDATE ON ${full} FOR EACH ROW EXECUTE FUNCTION public.nothing()`,
        ]
      : []),
    ...(has('view') ? [`CREATE VIEW ${id(t.schema)}.a_view AS SELECT * FROM ${full}`] : []),
  ];
  const fill = (from: number, to: number) =>
    `INSERT INTO ${full} (${all.map((column) => id(column.name)).join(', ')})
     SELECT ${all
       .map((column) =>
         column.notNull || column.name === t.by.name
           ? types[column.type]
           : `CASE WHEN i % 4 > 0 THEN ${types[column.type]} END`,
       )
       .join(', ')} FROM generate_series(${from}, ${to}) AS i`;
  const key = id(keys[0]?.name ?? '');
  const change = (from: number) => [
    fill(from, from + 20),
    `UPDATE ${full} SET ${id(t.by.name)} = ${t.by.type === 'text' ? "'x'" : `${id(t.by.name)} + ${t.by.type === 'date' ? '40' : "interval '40 days'"}`} WHERE ${key} IN (SELECT ${key} FROM ${full} ORDER BY ${key} LIMIT 5)`,
    `UPDATE ${full} SET ${key} = ${key} WHERE ${key} IN (SELECT ${key} FROM ${full} ORDER BY ${key} LIMIT 9)`,
    `DELETE FROM ${full} WHERE ${key} IN (SELECT ${key} FROM ${full} ORDER BY ${key} DESC LIMIT 7)`,
  ];
  return { full, statements, fill, change };
}

it('a plan for any table is right, or is refused with the reason', async () => {
  let planned = 0;
  await untilMet(
    () =>
      fc.assert(
        fc.asyncProperty(table, async (t) => {
          const { full, statements, fill, change } = create(t);
          await database.client.query(
            `DROP SCHEMA IF EXISTS ${id('Other "schema')} CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE EXTENSION IF NOT EXISTS citext SCHEMA public`,
          );
          await database.client.query(statements.join(';\n'));
          await database.client.query(fill(1, 300));
          let it: Operated;
          try {
            it = await operated(database.url, {
              table: full,
              by: t.by.name,
              interval: t.interval as 'month',
              extendKeys: t.extendKeys,
              acceptTriggers: true,
            });
          } catch (error) {
            if (!(error instanceof OperationError)) throw error;
            const reasons = [
              [t.by.type === 'text', /is of type text/],
              [!t.by.notNull && !(t.key.withBy && t.key.kind === 'PRIMARY KEY'), /may be null/],
              [
                t.key.kind === 'none' || (t.key.deferrable && t.key.kind !== 'index'),
                /has no key|deferrable/,
              ],
              [t.extra.includes('exclusion'), /exclusion constraint/],
              [!t.extendKeys && !t.key.withBy && t.key.kind !== 'none', /--extend-keys/],
            ] as const;
            const due = reasons.filter(([when]) => when);
            expect(due.length, error.message).toBeGreaterThan(0);
            for (const [, why] of due) if (t.by.type !== 'text') expect(error.message).toMatch(why);
            return;
          }
          planned += 1;
          const catalogue = () =>
            database.client
              .query(
                `SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid FROM pg_index WHERE indrelid = $1::regclass ORDER BY 1`,
                [full],
              )
              .then(({ rows }) => rows);
          const before = await catalogue();
          const other = (of: string) => `${id(t.schema)}.${id(of)}`;
          await it.run('dual-write');
          for (const sql of change(1000)) await database.client.query(sql);
          await it.run('backfill');
          for (const sql of change(2000)) await database.client.query(sql);
          expect(await differing(database.client, full, other(it.declared.rows.newName))).toBe(0);
          await it.run('cutover-writes');
          for (const sql of change(3000)) await database.client.query(sql);
          expect(await differing(database.client, full, other(it.declared.rows.oldName))).toBe(0);
          await it.back('none');
          expect(await catalogue()).toEqual(before);
          for (const sql of change(4000)) await database.client.query(sql);
          await database.client.query(`CREATE TABLE kept AS TABLE ${full}`);
          await it.run('contract');
          expect(await differing(database.client, full, 'kept')).toBe(0);
          expect((await catalogue()).map((row) => row.indexrelid)).toEqual(
            before.map((row) => row.indexrelid),
          );
        }),
        { numRuns: propertyRuns(8) },
      ),
    () => planned > 0,
  );
});
