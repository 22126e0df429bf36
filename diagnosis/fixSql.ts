import { literal, quote } from '../lib/pg/quote.ts';
import type { Fix, FixOf, NewIndex, SchemaChange, TableName } from './fix.ts';

/** Statements in order, identifiers quoted; what `undo` does not name cannot be undone, or need not be. */
export interface FixSql {
  sql: string[];
  undo: string[];
}

const NOTHING: FixSql = { sql: [], undo: [] };

/** Both, undone in the opposite order. */
const together = (all: readonly FixSql[]): FixSql => ({
  sql: all.flatMap(({ sql }) => sql),
  undo: all.toReversed().flatMap(({ undo }) => undo),
});

/** Key expressions of an index, without operator classes: what a sort by its keys sorts by. */
export const indexKeys = ({ keys }: Pick<NewIndex, 'keys'>): string[] =>
  keys.map(({ expression, column }) => (expression === quote(column) ? expression : `(${expression})`));

/**
 * The planner counts the pages of GIN's list of pending entries as if all were read, so that after some hundred updates,
 * of whatever columns, it reads the whole table instead, until the next vacuum. Without the list the index stays in use.
 */
const GIN_OPTIONS = ' WITH (fastupdate = off)';

/** What follows the table's name in CREATE INDEX. */
export function indexBody({ method, keys }: Pick<NewIndex, 'method' | 'keys'>): string {
  const list = indexKeys({ keys }).map((key, at) =>
    keys[at]?.operatorClass ? `${key} ${keys[at].operatorClass}` : key,
  );
  return `${method === 'btree' ? '' : `USING ${method} `}(${list.join(', ')})${method === 'gin' ? GIN_OPTIONS : ''}`;
}

function newIndex(index: NewIndex): FixSql {
  const body = indexBody(index);
  const attached = new Set(
    index.parts.flatMap(({ attach }) => attach.map((part) => quote(part.schema, part.index))),
  );
  const { sql, undo } = together(
    index.parts.map(({ schema, table, index: name, how, attach }): FixSql => {
      const whole = quote(schema, name);
      const concurrently = how === 'concurrently' ? ' CONCURRENTLY' : '';
      return {
        sql: [
          `CREATE INDEX${concurrently} ${quote(name)} ON ${how === 'only' ? 'ONLY ' : ''}${quote(schema, table)} ${body}`,
          ...attach.map((part) => `ALTER INDEX ${whole} ATTACH PARTITION ${quote(part.schema, part.index)}`),
        ],
        // The index of a partitioned partition goes with the one that it is attached to.
        undo: how === 'only' && attached.has(whole) ? [] : [`DROP INDEX${concurrently} IF EXISTS ${whole}`],
      };
    }),
  );
  const extension =
    sql.length > 0 && index.extension ? [`CREATE EXTENSION IF NOT EXISTS ${quote(index.extension)}`] : [];
  return { sql: [...extension, ...sql], undo };
}

type Drop = NonNullable<FixOf<'index'>['drop']>;

/** Neither statement takes CONCURRENTLY on a partitioned table. */
function dropIndex({ schema, table, index, partitioned, unique, body }: Drop): FixSql {
  const concurrently = partitioned ? '' : ' CONCURRENTLY';
  return {
    sql: [`DROP INDEX${concurrently} ${quote(schema, index)}`],
    undo: [
      `CREATE ${unique ? 'UNIQUE ' : ''}INDEX${concurrently} ${quote(index)} ON ${quote(schema, table)}${body}`,
    ],
  };
}

function settings({ extensions, settings: all, reset }: FixOf<'setting'>): FixSql {
  const target = (database: string | undefined) =>
    database === undefined ? 'SYSTEM' : `DATABASE ${quote(database)}`;
  return {
    sql: [
      ...extensions.map((name) => `CREATE EXTENSION ${quote(name)}`),
      // Each value of a list is one of its own: of one text with commas Postgres makes one name.
      ...all.map(
        ({ name, values, database }) =>
          `ALTER ${target(database)} SET ${name} = ${values.map(literal).join(', ')}`,
      ),
    ],
    undo: reset ? all.map(({ name, database }) => `ALTER ${target(database)} RESET ${name}`) : [],
  };
}

function maintenance({ vacuum, reindex, storage }: FixOf<'maintenance'>): FixSql {
  const table = vacuum && quote(vacuum.schema, vacuum.table);
  const list = storage.map(({ name, value }) => `${name} = ${value}`).join(', ');
  return {
    sql: [
      ...(table ? [`VACUUM (ANALYZE) ${table}`] : []),
      ...(reindex ? [`REINDEX INDEX CONCURRENTLY ${quote(reindex.schema, reindex.index)}`] : []),
      ...(table && list ? [`ALTER TABLE ${table} SET (${list})`] : []),
    ],
    undo: storage.map(({ name, before }) =>
      before === null
        ? `ALTER TABLE ${table} RESET (${name})`
        : `ALTER TABLE ${table} SET (${name} = ${before})`,
    ),
  };
}

/** The statement that checks the rows of a constraint that was added without. */
export const validationSql = (change: TableName & { constraint: string }): string =>
  `ALTER TABLE ${quote(change.schema, change.table)} VALIDATE CONSTRAINT ${quote(change.constraint)}`;

export function changeSql(change: SchemaChange): FixSql {
  switch (change.change) {
    case 'add column': {
      const on = `ALTER TABLE ${quote(change.schema, change.table)}`;
      const column = quote(change.column);
      return {
        sql: [
          `${on} ADD COLUMN ${column} ${change.type}${change.identity ? ' GENERATED ALWAYS AS IDENTITY' : ''}`,
        ],
        undo: [`${on} DROP COLUMN ${column}`],
      };
    }
    case 'add foreign key': {
      const { references, constraint, validate } = change;
      const on = `ALTER TABLE ${quote(change.schema, change.table)}`;
      return {
        sql: [
          `${on} ADD CONSTRAINT ${quote(constraint)} FOREIGN KEY (${quote(change.column)}) REFERENCES ${quote(references.schema, references.table)} (${quote(references.column)})${validate === 'at once' ? '' : ' NOT VALID'}`,
          ...(validate === 'then' ? [validationSql(change)] : []),
        ],
        undo: [`${on} DROP CONSTRAINT ${quote(constraint)}`],
      };
    }
    case 'create table': {
      const { columns, primaryKey } = change;
      const parts = [
        ...columns.map(({ name, type, notNull }) => `${quote(name)} ${type}${notNull ? ' NOT NULL' : ''}`),
        `PRIMARY KEY (${primaryKey.map((name) => quote(name)).join(', ')})`,
      ];
      return {
        sql: [`CREATE TABLE ${quote(change.schema, change.table)} (${parts.join(', ')})`],
        undo: [`DROP TABLE ${quote(change.schema, change.table)}`],
      };
    }
    case 'create sequence': {
      const sequence = quote(change.schema, change.sequence);
      return { sql: [`CREATE SEQUENCE ${sequence}`], undo: [`DROP SEQUENCE ${sequence}`] };
    }
    case 'column type': {
      const alter = `ALTER TABLE ${quote(change.schema, change.table)} ALTER COLUMN ${quote(change.column)} TYPE`;
      return { sql: [`${alter} ${change.to}`], undo: [`${alter} ${change.from}`] };
    }
    case 'drop constraint': {
      const on = `ALTER TABLE ${quote(change.schema, change.table)}`;
      const constraint = quote(change.constraint);
      return {
        sql: [`${on} DROP CONSTRAINT ${constraint}`],
        undo: [`${on} ADD CONSTRAINT ${constraint} ${change.definition}`],
      };
    }
    case 'validate constraint':
      return { sql: [validationSql(change)], undo: [] };
    case 'sequence type': {
      const alter = `ALTER SEQUENCE ${quote(change.schema, change.sequence)} AS`;
      return { sql: [`${alter} ${change.to}`], undo: [`${alter} ${change.from}`] };
    }
  }
}

/**
 * SQL of a fix; the one place that writes it. None where Postgres would refuse it, or where a fix is no SQL. That of an
 * archive fix counts the rows only: `sqltrail archive` moves them.
 */
export function fixSql(fix: Fix): FixSql {
  if (fix.recorded) return fix.recorded;
  if (fix.refused) return NOTHING;
  switch (fix.kind) {
    case 'index':
      return together([
        fix.create ? newIndex(fix.create) : NOTHING,
        fix.drop ? dropIndex(fix.drop) : NOTHING,
      ]);
    case 'setting':
      return settings(fix);
    case 'maintenance':
      return maintenance(fix);
    case 'rewrite':
      return fix.create ? newIndex(fix.create) : NOTHING;
    case 'archive':
      return fix.column === null
        ? NOTHING
        : {
            sql: [
              `SELECT count(*) FROM ${quote(fix.schema, fix.table)} WHERE ${quote(fix.column)} < ${fix.text ? '' : 'date '}${literal(fix.before)}`,
            ],
            undo: [],
          };
    default:
      return together(fix.changes.map(changeSql));
  }
}
