import fc from 'fast-check';
import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase, forgetStatements } from '../../test/support/database.ts';
import { fixSql } from '../fixSql.ts';
import { defaultDiagnosis, diagnose } from '../run.ts';

/** Schemas that one diagnosis looks at: it plans 120 statements at most. */
const SCHEMAS_A_RUN = 15;
const SCHEMAS = Number(process.env['SQLTRAIL_PROPERTY_RUNS'] ?? SCHEMAS_A_RUN);
const ROWS = 1_500;

const quote = (...names: string[]) => names.map((name) => pg.escapeIdentifier(name)).join('.');
/** Text that does not compress, of `hashes` times 32 bytes. */
const noise = (hashes: string) =>
  `(SELECT string_agg(md5(i || 'x' || part), '') FROM generate_series(1, ${hashes}) part)`;

/** Types with a value for each row `i`. `@` is the schema. */
const types: readonly (readonly [type: string, value: string])[] = [
  ['integer', 'i'],
  ['integer', 'i % 7'],
  ['bigint', 'i * 1000003'],
  ['smallint', 'i % 300'],
  ['numeric', 'i * 1.37'],
  ['double precision', "CASE WHEN i % 100 = 0 THEN 'NaN'::float8 ELSE i * 0.5 END"],
  ['text', "'word ' || i"],
  ['text', `CASE WHEN i % 499 = 0 THEN ${noise('150')} ELSE 'short ' || i END`],
  ['text', `CASE WHEN i % 499 = 0 THEN repeat('same ', 3000) ELSE 'short ' || i END`],
  ['text', "to_char(date '2026-01-01' + i % 300, 'YYYY-MM-DD')"],
  ['text', '(i * 37)::text'],
  ['text', "'red,blue,' || i % 9"],
  ['text', "i % 90 || ',' || lpad((i % 100)::text, 2, '0')"],
  ['character varying(40)', "'varying ' || i"],
  ['character varying(4000)', `'v' || ${noise('CASE WHEN i % 700 = 0 THEN 100 ELSE 1 END')}`],
  ['character(12)', "'c' || i"],
  ['name', "'name' || i"],
  ['"char"', "'x'"],
  ['text COLLATE "C"', "'collated ' || i"],
  ['text COLLATE @.blind', "'Blind ' || i"],
  ['date', "date '2026-01-01' + i % 300"],
  ['timestamp', "timestamp '2026-01-01' + i * interval '1 hour'"],
  ['timestamptz', "timestamptz '2026-01-01 00:00Z' + i * interval '1 hour'"],
  ['time', "time '10:00' + i * interval '1 second'"],
  ['interval', "i * interval '1 minute'"],
  ['uuid', 'md5(i::text)::uuid'],
  ['boolean', 'i % 2 = 0'],
  ['inet', "'10.0.0.0'::inet + i"],
  ['json', "json_build_object('a', i)"],
  ['jsonb', "jsonb_build_object('a', i)"],
  ['xml', "'<a/>'::xml"],
  ['point', 'point(i, i)'],
  ['integer[]', 'ARRAY[i, i % 5]'],
  ['text[]', "ARRAY['t' || i % 50, 'u']"],
  ['json[]', "ARRAY['{}'::json]"],
  ['tsvector', "to_tsvector('simple', 'word' || i)"],
  ['bytea', "decode(md5(i::text), 'hex')"],
  ['int4range', 'int4range(i, i + 5)'],
  ['money', 'i::numeric::money'],
  ['bit(8)', '(i % 256)::bit(8)'],
  ['macaddr', "'08:00:2b:01:02:03'::macaddr"],
  ['@.mood', "(ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::@.mood"],
  ['@.short_text', "('domain ' || i)::@.short_text"],
  ['@.numbers', '(ARRAY[i])::@.numbers'],
  ['@.pair', 'ROW(i, i::text)::@.pair'],
];

/** Conditions on a column; `%` is the column, `@` the schema. */
const conditions = [
  '% = $1',
  '% = $1',
  '%::text = $1',
  '% > $1 ORDER BY % LIMIT 5',
  '% IS NULL',
  '$1 = ANY (%)',
  '% LIKE $1',
  'lower(%) LIKE $1',
  '% ~* $1',
  'lower(%) = $1',
  'upper(%::text) = $1',
  'md5(%::text) = $1',
  'date(%) = $1',
  '%::date = $1',
  '%::numeric = $1',
  '%::varchar(3) = $1',
  'length(%) = $1',
  'to_tsvector(%) @@ plainto_tsquery($1)',
  '@.plain(%) = $1',
  '@.settings_matter(%) = $1',
  '@.finds_by_path(%) = $1',
  'only_on_path(%) = $1',
  '% @> $1',
] as const;

const names = fc.constantFrom(
  'a',
  'name',
  'Größe',
  'заказ',
  'with space',
  'quote"d',
  "apo'strophe",
  '1st',
  'select',
  'entry',
  'row_id',
  `long_${'x'.repeat(50)}`,
  `${'длинное_имя_'.repeat(2)}я`,
);

const column = fc.record({ name: names, type: fc.nat(types.length - 1) });

const schemaArbitrary = fc.record({
  table: names,
  kind: fc.constantFrom('plain', 'plain', 'unlogged', 'hash', 'range of hash', 'inherited', 'keyless'),
  columns: fc.uniqueArray(column, { selector: ({ name }) => name, minLength: 2, maxLength: 5 }),
  conditions: fc.array(fc.record({ at: fc.nat(4), condition: fc.constantFrom(...conditions) }), {
    minLength: 4,
    maxLength: 7,
  }),
  virtual: fc.boolean(),
  reference: fc.record({
    type: fc.constantFrom(
      'integer',
      'bigint',
      'smallint',
      'numeric',
      'text',
      'character varying(20)',
      '@.short_text',
    ),
    key: fc.constantFrom(
      'integer',
      'bigint',
      'text',
      'character varying(30)',
      'character(20)',
      '@.short_text',
    ),
    orphans: fc.boolean(),
    unlogged: fc.boolean(),
    deferrable: fc.boolean(),
    partitioned: fc.boolean(),
    declared: fc.boolean(),
  }),
  twins: fc.constantFrom('none', 'same', 'included', 'replica identity', 'cluster', 'unique and referred to'),
  taken: fc.boolean(),
});
type Generated = typeof schemaArbitrary extends fc.Arbitrary<infer Value> ? Value : never;

const typed = (schema: string, text: string) => text.replaceAll('@.', () => `${schema}.`);

/** The statements that make a generated schema; the table is big enough for each check to look at it. */
function ddlOf(schema: string, given: Generated): string[] {
  const at = quote(schema);
  const table = `${at}.${quote(given.table)}`;
  const parent = `${at}.${quote('owner')}`;
  const { reference, kind } = given;
  const columns = given.columns.map(({ name, type }) => ({
    name: quote(name),
    type: types[type] as readonly [string, string],
  }));
  const definition = [
    'k integer NOT NULL',
    `owner_id ${typed(at, reference.type)}`,
    ...columns.map(({ name, type: [type] }) => `${name} ${typed(at, type)}`),
    ...(given.virtual ? ['doubled integer GENERATED ALWAYS AS (k * 2) VIRTUAL'] : []),
    ...(kind === 'keyless' ? [] : ['PRIMARY KEY (k)']),
  ].join(', ');
  const ownerValue = `CASE WHEN ${reference.orphans} AND i % 400 = 0 THEN 32000 ELSE 1 + i % 600 END`;
  return [
    `CREATE SCHEMA ${at}`,
    `CREATE TYPE ${at}.mood AS ENUM ('sad', 'ok', 'happy'); CREATE TYPE ${at}.pair AS (a int, b text);
     CREATE DOMAIN ${at}.short_text AS text CHECK (length(VALUE) < 100); CREATE DOMAIN ${at}.numbers AS int[];
     CREATE COLLATION ${at}.blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
    `CREATE FUNCTION ${at}.plain(anyelement) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT md5($1::text)';
     CREATE FUNCTION ${at}.settings_matter(anyelement) RETURNS text STABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1::text; END';
     CREATE FUNCTION ${at}.only_on_path(anyelement) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN md5($1::text); END';
     CREATE FUNCTION ${at}.finds_by_path(anyelement) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN only_on_path($1); END'`,
    reference.partitioned && !reference.unlogged
      ? `CREATE TABLE ${parent} (id ${typed(at, reference.key)} PRIMARY KEY, word text NOT NULL) PARTITION BY HASH (id);
         CREATE TABLE ${at}.owner_0 PARTITION OF ${parent} FOR VALUES WITH (MODULUS 1, REMAINDER 0)`
      : `CREATE ${reference.unlogged ? 'UNLOGGED ' : ''}TABLE ${parent} (id ${typed(at, reference.key)} PRIMARY KEY${reference.deferrable ? ' DEFERRABLE' : ''}, word text NOT NULL)`,
    `INSERT INTO ${parent} SELECT i::text::${typed(at, reference.key)}, 'word ' || i FROM generate_series(1, 600) i`,
    `CREATE ${kind === 'unlogged' ? 'UNLOGGED ' : ''}TABLE ${table} (${definition})${
      kind === 'hash' ? ' PARTITION BY HASH (k)' : kind === 'range of hash' ? ' PARTITION BY RANGE (k)' : ''
    }`,
    ...(kind === 'hash'
      ? [0, 1].map(
          (part) =>
            `CREATE TABLE ${at}.${quote(`p${part}`)} PARTITION OF ${table} FOR VALUES WITH (MODULUS 2, REMAINDER ${part})`,
        )
      : kind === 'range of hash'
        ? [
            `CREATE TABLE ${at}.low PARTITION OF ${table} FOR VALUES FROM (0) TO (700)`,
            `CREATE TABLE ${at}.high PARTITION OF ${table} FOR VALUES FROM (700) TO (MAXVALUE) PARTITION BY HASH (k)`,
            ...[0, 1].map(
              (part) =>
                `CREATE TABLE ${at}.${quote(`h${part}`)} PARTITION OF ${at}.high FOR VALUES WITH (MODULUS 2, REMAINDER ${part})`,
            ),
          ]
        : kind === 'inherited'
          ? [`CREATE TABLE ${at}.heir () INHERITS (${table})`]
          : []),
    `INSERT INTO ${table} (k, owner_id, ${columns.map(({ name }) => name).join(', ')})
     SELECT i, (${ownerValue})::text::${typed(at, reference.type)}, ${columns.map(({ type: [, value] }) => typed(at, value)).join(', ')} FROM generate_series(1, ${ROWS}) i`,
  ];
}

/** What a database may have or not: each is tried, and one that Postgres refuses here is left out. */
function optionalOf(schema: string, given: Generated): string[] {
  const at = quote(schema);
  const table = `${at}.${quote(given.table)}`;
  const [first] = given.columns;
  const column = quote(first?.name ?? 'k');
  return [
    ...(given.reference.declared
      ? [`ALTER TABLE ${table} ADD FOREIGN KEY (owner_id) REFERENCES ${at}.owner (id) NOT VALID`]
      : []),
    ...(given.taken
      ? [
          `CREATE VIEW ${at}.${quote(`${given.table}_${first?.name}_idx`.slice(0, 31))} AS SELECT 1 AS a`,
          `CREATE SEQUENCE ${at}.${quote(`${given.table}_owner_id_idx`.slice(0, 31))}`,
          `ALTER TABLE ${table} ADD COLUMN ${quote(`${first?.name}_typed`.slice(0, 31))} int`,
        ]
      : []),
    ...(given.twins === 'none'
      ? []
      : given.twins === 'same'
        ? [`CREATE INDEX twin_a ON ${table} (${column})`, `CREATE INDEX twin_b ON ${table} (${column})`]
        : given.twins === 'included'
          ? [
              `CREATE INDEX twin_a ON ${table} (k, owner_id)`,
              `CREATE INDEX twin_b ON ${table} (k) INCLUDE (owner_id)`,
              `CREATE INDEX twin_c ON ${table} (k)`,
            ]
          : [`CREATE UNIQUE INDEX twin_a ON ${table} (k)`, `CREATE UNIQUE INDEX twin_b ON ${table} (k)`]),
    ...(given.twins === 'replica identity'
      ? [`ALTER TABLE ${table} REPLICA IDENTITY USING INDEX twin_a`]
      : []),
    ...(given.twins === 'cluster' ? [`ALTER TABLE ${table} CLUSTER ON twin_b`] : []),
    ...(given.twins === 'unique and referred to'
      ? [
          `ALTER TABLE ${table} DROP CONSTRAINT ${quote(`${given.table}_pkey`)}`,
          `CREATE TABLE ${at}.referring (k int REFERENCES ${table} (k))`,
        ]
      : []),
  ];
}

it(
  'everything that is proposed is carried out by Postgres, and undone, whatever the schema and the workload',
  async () => {
    let [proposed, refused, statements] = [0, 0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.array(schemaArbitrary, { minLength: SCHEMAS_A_RUN, maxLength: SCHEMAS_A_RUN }),
        async (schemas) => {
          const database = await createTestDatabase();
          const owner = new pg.Client(database.url);
          await owner.connect();
          try {
            await owner.query('CREATE EXTENSION pg_stat_statements');
            for (const [at, given] of schemas.entries()) {
              const schema = `s${at}`;
              for (const sql of ddlOf(schema, given)) await owner.query(sql);
              for (const sql of optionalOf(schema, given)) await owner.query(sql).catch(() => {});
            }
            await owner.query('ANALYZE');
            await owner.query(forgetStatements);
            for (const [at, given] of schemas.entries()) {
              await owner.query(`SET search_path = ${quote(`s${at}`)}, public`);
              for (const { at: chosen, condition } of given.conditions) {
                const column = quote((given.columns[chosen % given.columns.length] as { name: string }).name);
                const where = condition.replaceAll('%', () => column).replaceAll('@', () => quote(`s${at}`));
                const { rows } = await owner.query(
                  `SELECT ${column}::text AS value FROM ${quote(given.table)} WHERE k = 77`,
                );
                // Many a condition means nothing for the column's type.
                for (let call = 0; call < 3; call += 1)
                  await owner
                    .query(
                      `SELECT k FROM ${quote(given.table)} WHERE ${where}`,
                      where.includes('$1') ? [rows[0]?.value] : [],
                    )
                    .catch(() => {});
              }
            }
            await owner.query('RESET search_path');
            const { findings, partial, notes } = await diagnose({
              ...defaultDiagnosis,
              url: database.url,
              observeMs: 0,
              dutyCycle: 1,
              deadlineMs: 300_000,
              budgetMs: 280_000,
              statementTimeoutMs: 60_000,
              skip: ['set-up'],
              signal: new AbortController().signal,
            });
            expect({ partial, notes }).toEqual({ partial: false, notes: [] });
            for (const { id, fix } of findings) {
              if (!fix) continue;
              const { sql: proposal, undo } = fixSql(fix);
              if (proposal.length === 0) refused += 1;
              else proposed += 1;
              for (const sql of [...proposal, ...undo]) {
                statements += 1;
                await owner.query(sql).catch((error: Error) => {
                  throw new Error(
                    `${id}: ${sql}: ${error.message}\n${JSON.stringify(schemas[Number(/\bs(\d+)\./.exec(id)?.[1])])}`,
                  );
                });
              }
            }
          } finally {
            await owner.end();
            await database.drop();
          }
        },
      ),
      {
        numRuns: Math.ceil(SCHEMAS / SCHEMAS_A_RUN),
        endOnFailure: true,
        seed: Number(process.env['SQLTRAIL_PROPERTY_SEED'] ?? 20),
      },
    );
    expect(proposed).toBeGreaterThan(SCHEMAS / 2);
    if (process.env['SQLTRAIL_PROPERTY_RUNS'])
      process.stdout.write(
        `${SCHEMAS} schemas: ${proposed} proposals, ${statements} statements carried out, ${refused} fixes without SQL\n`,
      );
  },
  // The long run is of as many schemas as are asked for.
  SCHEMAS * 20_000,
);
