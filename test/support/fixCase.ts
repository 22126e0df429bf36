import fc from 'fast-check';
import pg from 'pg';
import { type Action, mergeActions } from '../../fix/action.ts';
import { testAction } from './action.ts';

const { escapeIdentifier: id, escapeLiteral: literal } = pg;

/** Names that a careless statement takes apart, cuts or lets collide. */
const SCHEMAS = ['public', 'Схема "1"', 'a.b'];
const TABLES = ['orders', 'o"r\'d ers', 'Заказы', 't'.repeat(63), '表'.repeat(21)];
const COLUMNS = ['id', 'e"mail', 'код', 'At'];
const OPTIONS = [
  'autovacuum_vacuum_scale_factor = 0.3',
  'fillfactor = 70',
  'toast.autovacuum_enabled = off',
  'autovacuum_analyze_scale_factor = 0.05',
];
const SETTINGS = [
  "work_mem = '8MB'",
  "statement_timeout = '40s'",
  'search_path = "$user", public, "a.b"',
  'app.tenant = \'a, "b"\'',
];

const subset = <T>(of: readonly T[]) => fc.shuffledSubarray([...of]);

const ownIndex = fc.record({
  columns: fc.shuffledSubarray(COLUMNS, { minLength: 1, maxLength: 2 }),
  /** As sqltrail would name it, as Postgres does, or another way. */
  name: fc.constantFrom('wanted', 'unnamed', 'other'),
  form: fc.constantFrom('plain', 'partial', 'expression', 'descending'),
  state: fc.constantFrom('valid', 'valid', 'invalid'),
  comment: fc.boolean(),
  clustered: fc.boolean(),
});

const table = fc.record({
  schema: fc.constantFrom(...SCHEMAS),
  name: fc.constantFrom(...TABLES),
  kind: fc.constantFrom(
    'table',
    'table',
    'partitioned',
    'subpartitioned',
    'inherited',
    'materialized view',
    'unlogged',
    'foreign',
  ),
  options: subset(OPTIONS),
  comment: fc.boolean(),
  grant: fc.boolean(),
  statistics: fc.boolean(),
  distinct: fc.boolean(),
  indexes: fc.array(ownIndex, { maxLength: 3 }),
  /** What has the name that an index on the column of this number would get. */
  obstacle: fc.option(fc.record({ kind: fc.constantFrom('view', 'sequence', 'table'), column: fc.nat(3) })),
});

const action = fc.record({
  table: fc.nat(2),
  does: fc.constantFrom(
    'index',
    'index',
    'index',
    'same name',
    'expression',
    'trigram',
    'drop',
    'option',
    'column',
    'statistics',
    'setting',
    'dead rows',
  ),
  columns: fc.shuffledSubarray(COLUMNS, { minLength: 1, maxLength: 2 }),
  index: fc.nat(2),
  /** On the columns of that index of the owner. */
  alike: fc.boolean(),
});

const ownersChange = fc.constantFrom(
  'nothing',
  'nothing',
  'renames',
  'drops',
  'reindexes',
  'another option',
  'the same option',
  'a partition',
  'renames the table',
);

/** The write to the journal at which a run is killed; mostly without a process of its own, which takes longer to begin. */
const kill = (writes: number) =>
  fc.record({
    moment: fc.constantFrom('before', 'after'),
    write: fc.integer({ min: 1, max: writes }),
    how: fc.oneof(
      { weight: 19, arbitrary: fc.constant('connection') },
      { weight: 1, arbitrary: fc.constant('process') },
    ),
  });

export const fixCase = fc.record({
  tables: fc.uniqueArray(table, {
    minLength: 1,
    maxLength: 3,
    selector: ({ schema, name }) => `${schema}.${name}`,
  }),
  settings: subset(SETTINGS),
  roleSetting: fc.boolean(),
  extension: fc.constantFrom('none', 'none', 'owned', 'used'),
  actions: fc.array(action, { minLength: 1, maxLength: 4 }),
  killApply: fc.option(kill(14)),
  killUndo: fc.option(kill(8), { freq: 1 }),
  owner: ownersChange,
  /** In the order of the journal backwards, or one by one in this order. */
  undo: fc.constantFrom('all', 'all', 'one by one'),
});
export type FixCase = typeof fixCase extends fc.Arbitrary<infer T> ? T : never;
type TableCase = FixCase['tables'][number];

const target = ({ schema, name }: TableCase) => `${id(schema)}.${id(name)}`;
const cut = (name: string, suffix: string) => {
  let base = [...name];
  while (Buffer.byteLength(base.join('') + suffix) > 63) base = base.slice(0, -1);
  return base.join('') + suffix;
};
const wantedName = ({ name }: TableCase, columns: readonly string[]) =>
  cut(`${name}_${columns.join('_')}`, '_idx');
const OBSTACLES: Record<string, (name: string) => string> = {
  view: (name) => `CREATE VIEW ${name} AS SELECT 1 AS one`,
  sequence: (name) => `CREATE SEQUENCE ${name}`,
  table: (name) => `CREATE TABLE ${name} (x int)`,
};
const COLUMN_LIST = `"id" int, "e""mail" text, "код" text, "At" date`;

/** Statements that make the owner's schema; those that fail (a name taken twice) are left out of it. */
export function schemaSql({ tables, settings, roleSetting, extension }: FixCase, database: string): string[] {
  const sql = SCHEMAS.map((schema) => `CREATE SCHEMA IF NOT EXISTS ${id(schema)}`);
  if (extension !== 'none') sql.push('CREATE EXTENSION pg_trgm');
  sql.push('CREATE EXTENSION file_fdw', 'CREATE SERVER files FOREIGN DATA WRAPPER file_fdw');
  for (const [at, table] of tables.entries()) {
    const { kind, schema, name } = table;
    const made = target(table);
    const part = (suffix: string) => `${id(schema)}.${id(cut(name, suffix))}`;
    const parts = [part('_p1'), part('_p2')];
    switch (kind) {
      case 'partitioned':
      case 'subpartitioned':
        sql.push(`CREATE TABLE ${made} (${COLUMN_LIST}) PARTITION BY RANGE ("id")`);
        sql.push(
          `CREATE TABLE ${parts[0]} PARTITION OF ${made} FOR VALUES FROM (0) TO (10)${kind === 'subpartitioned' ? ' PARTITION BY LIST ("код")' : ''}`,
        );
        if (kind === 'subpartitioned')
          sql.push(`CREATE TABLE ${part('_p1_d')} PARTITION OF ${parts[0]} DEFAULT`);
        sql.push(`CREATE TABLE ${parts[1]} PARTITION OF ${made} FOR VALUES FROM (10) TO (20)`);
        break;
      case 'inherited':
        sql.push(
          `CREATE TABLE ${made} (${COLUMN_LIST})`,
          `CREATE TABLE ${parts[0]} ("more" int) INHERITS (${made})`,
        );
        break;
      case 'materialized view':
        sql.push(
          `CREATE MATERIALIZED VIEW ${made} AS SELECT i AS "id", 'm' || i AS "e""mail", 'k' AS "код", date '2026-01-01' + i AS "At" FROM generate_series(1, 5) AS i`,
        );
        break;
      case 'foreign':
        sql.push(`CREATE FOREIGN TABLE ${made} (${COLUMN_LIST}) SERVER files OPTIONS (filename '/dev/null')`);
        break;
      default:
        sql.push(`CREATE ${kind === 'unlogged' ? 'UNLOGGED ' : ''}TABLE ${made} (${COLUMN_LIST})`);
    }
    if (kind !== 'materialized view' && kind !== 'foreign')
      sql.push(
        `INSERT INTO ${made} SELECT i, 'm' || i, 'k', date '2026-01-01' + i FROM generate_series(1, 15) AS i`,
      );
    const alter = `ALTER ${kind === 'materialized view' ? 'MATERIALIZED VIEW' : 'TABLE'}`;
    for (const option of table.options)
      sql.push(`${alter} ${kind.endsWith('partitioned') ? parts[1] : made} SET (${option})`);
    if (table.comment) sql.push(`COMMENT ON COLUMN ${made}."e""mail" IS 'mail''s'`);
    if (table.grant) sql.push(`GRANT SELECT, INSERT ("id") ON ${made} TO fix_reader`);
    if (table.statistics) sql.push(`${alter} ${made} ALTER COLUMN "код" SET STATISTICS 250`);
    if (table.distinct) sql.push(`${alter} ${made} ALTER COLUMN "код" SET (n_distinct = 7)`);
    if (table.obstacle)
      sql.push(
        OBSTACLES[table.obstacle.kind]?.(
          `${id(schema)}.${id(wantedName(table, [COLUMNS[table.obstacle.column] ?? '']))}`,
        ) ?? '',
      );
    for (const [position, own] of table.indexes.entries()) {
      const named = ownName(table, own, at, position);
      sql.push(
        `CREATE INDEX ${named === null ? '' : id(named)} ON ${made} (${keys(own.columns, own.form)})${own.form === 'partial' ? ' WHERE "id" > 3' : ''}`,
      );
      if (named === null) continue;
      const index = `${id(schema)}.${id(named)}`;
      if (own.comment) sql.push(`COMMENT ON INDEX ${index} IS 'the owner''s'`);
      if (own.form === 'expression') sql.push(`ALTER INDEX ${index} ALTER COLUMN 1 SET STATISTICS 77`);
      if (own.clustered && own.form !== 'partial') sql.push(`${alter} ${made} CLUSTER ON ${id(named)}`);
      if (own.state === 'invalid' && !kind.endsWith('partitioned'))
        sql.push(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = ${literal(index)}::regclass`);
    }
  }
  if (extension === 'used' && tables[0])
    sql.push(`CREATE INDEX "used trgm" ON ${target(tables[0])} USING gin ("код" gin_trgm_ops)`);
  for (const setting of settings) sql.push(`ALTER DATABASE ${id(database)} SET ${setting}`);
  if (roleSetting) sql.push(`ALTER ROLE fix_reader IN DATABASE ${id(database)} SET work_mem = '9MB'`);
  return sql;
}

const ownName = (table: TableCase, own: TableCase['indexes'][number], at: number, position: number) =>
  own.name === 'unnamed'
    ? null
    : own.name === 'wanted'
      ? wantedName(table, own.columns)
      : `own ${at} ${position}`;

const keys = (columns: readonly string[], form: string) =>
  columns
    .map((column, at) =>
      form === 'expression' && at === 0
        ? `(lower(${id(column)}::text))`.replace('"At"::text', '"код"').replace('"id"::text', '"код"')
        : `${id(column)}${form === 'descending' ? ' DESC' : ''}`,
    )
    .join(', ');

const actionOf = (
  kind: Action['kind'],
  at: number,
  sql: string[],
  undo: string[],
  more: Partial<Action> = {},
): Action =>
  testAction({
    id: `${kind}:${at}`,
    kind,
    title: `${kind} ${at}`,
    sql,
    undo,
    ...more,
  });
const setting = (at: number, sql: string[], undo: string[]) => actionOf('settings', at, sql, undo);

/** The actions, as the diagnosis words them; each undo as one writes it who does not know what was there before. */
export function actionsOf({ tables, actions }: FixCase, database: string): Action[] {
  const builds: Action[] = [];
  const others: Action[] = [];
  for (const [at, { table: number, does, columns: given, index, alike }] of actions.entries()) {
    const table = tables[number % tables.length] as TableCase;
    const on = target(table);
    const drop = (name: string) => [`DROP INDEX CONCURRENTLY IF EXISTS ${id(table.schema)}.${id(name)}`];
    const build = (name: string, rest: string, before: string[] = []) =>
      builds.push(
        actionOf(
          'index',
          at,
          [...before, `CREATE INDEX CONCURRENTLY ${id(name)} ON ${on} ${rest}`],
          drop(name),
          {
            id: `index:${table.schema}.${name}`,
            index: { schema: table.schema, table: table.name, name },
            temporary: true,
          },
        ),
      );
    const alter = (what: string, back: string) =>
      others.push(setting(at, [`ALTER TABLE ${on} ${what}`], [`ALTER TABLE ${on} ${back}`]));
    const own = table.indexes[index];
    const columns = (alike && own?.columns) || given;
    const name = own ? ownName(table, own, number % tables.length, index) : null;
    switch (does) {
      case 'index':
        build(wantedName(table, columns), `(${keys(columns, 'plain')})`);
        break;
      case 'same name':
        build(wantedName(table, columns), `(${keys(columns, 'descending')})`);
        break;
      case 'expression':
        build(wantedName(table, columns), `(${keys(columns, 'expression')}) WHERE "id" > 3`);
        break;
      case 'trigram':
        build(cut(`${table.name}_mail`, '_trgm_idx'), `USING gin ("e""mail" gin_trgm_ops)`, [
          'CREATE EXTENSION IF NOT EXISTS pg_trgm',
        ]);
        break;
      case 'drop':
        // An invalid index does not come back: nobody uses it, and pg_dump does not show it.
        if (name !== null && table.indexes.every(({ state }) => state === 'valid'))
          others.push(
            setting(
              at,
              [`DROP INDEX CONCURRENTLY ${id(table.schema)}.${id(name)}`],
              [
                `CREATE INDEX CONCURRENTLY ${id(name)} ON ${on} (${keys(own?.columns ?? [], own?.form ?? '')})`,
              ],
            ),
          );
        break;
      case 'option':
        alter('SET (fillfactor = 80)', 'RESET (fillfactor)');
        break;
      case 'column':
        alter('ALTER COLUMN "код" SET (n_distinct = -0.5)', 'ALTER COLUMN "код" RESET (n_distinct)');
        break;
      case 'statistics':
        alter('ALTER COLUMN "код" SET STATISTICS 500', 'ALTER COLUMN "код" SET STATISTICS -1');
        break;
      case 'setting':
        others.push(
          setting(
            at,
            [
              `ALTER DATABASE ${id(database)} SET work_mem = '4MB'`,
              `ALTER DATABASE ${id(database)} SET search_path = "a.b"`,
              `ALTER ROLE fix_reader IN DATABASE ${id(database)} SET work_mem = '5MB'`,
            ],
            [`ALTER DATABASE ${id(database)} RESET work_mem`],
          ),
        );
        break;
      default:
        builds.push(
          actionOf(
            'maintenance',
            at,
            [`VACUUM (ANALYZE) ${on}`, `ALTER TABLE ${on} SET (autovacuum_vacuum_scale_factor = 0.02)`],
            [`ALTER TABLE ${on} RESET (autovacuum_vacuum_scale_factor)`],
          ),
        );
    }
  }
  return [...mergeActions(builds), ...others];
}

/**
 * What the owner does between apply and undo. `ours` are indexes that were not there before, as schema and name.
 *
 * @returns SQL on what sqltrail made, and SQL on what is the owner's
 */
export function ownersSql(
  { owner, tables }: FixCase,
  ours: readonly { schema: string; name: string }[],
): { onOurs: string[]; onTheirs: string[] } {
  const each = (sql: (index: string) => string) =>
    ours.map(({ schema, name }) => sql(`${id(schema)}.${id(name)}`));
  const [first] = tables;
  if (!first) return { onOurs: [], onTheirs: [] };
  const alter = `ALTER ${first.kind === 'materialized view' ? 'MATERIALIZED VIEW' : 'TABLE'}`;
  switch (owner) {
    case 'renames':
      return {
        onOurs: ours.map(
          ({ schema, name }, at) => `ALTER INDEX ${id(schema)}.${id(name)} RENAME TO ${id(`mine now ${at}`)}`,
        ),
        onTheirs: [],
      };
    case 'drops':
      return { onOurs: each((index) => `DROP INDEX IF EXISTS ${index}`), onTheirs: [] };
    case 'reindexes':
      return { onOurs: each((index) => `REINDEX INDEX CONCURRENTLY ${index}`), onTheirs: [] };
    case 'another option':
      return { onOurs: [], onTheirs: [`${alter} ${target(first)} SET (autovacuum_enabled = on)`] };
    case 'the same option':
      return { onOurs: [], onTheirs: [`${alter} ${target(first)} SET (fillfactor = 55)`] };
    case 'a partition':
      return {
        onOurs: [],
        onTheirs: first.kind.endsWith('partitioned')
          ? [`CREATE TABLE public."a later part" PARTITION OF ${target(first)} FOR VALUES FROM (20) TO (30)`]
          : [],
      };
    case 'renames the table':
      return { onOurs: [], onTheirs: [`${alter} ${target(first)} RENAME TO "another name"`] };
    default:
      return { onOurs: [], onTheirs: [] };
  }
}
