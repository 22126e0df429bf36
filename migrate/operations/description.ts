import type pg from 'pg';
import { OperationError } from '../../lib/pg/errors.ts';
import { describeSql } from './descriptionSql.ts';

export interface TableColumn {
  name: string;
  /** As format_type() prints it, with its schema. */
  type: string;
  notNull: boolean;
  /** `a`: GENERATED ALWAYS AS IDENTITY, `d`: BY DEFAULT. */
  identity: '' | 'a' | 'd';
  /** `s`: stored, `v`: virtual. */
  generated: '' | 's' | 'v';
  default: string | null;
  statistics: number | null;
  options: string[] | null;
  /** Of its type, and of the one that a domain is made from. */
  typeSchemas: string[];
}

export interface TableConstraint {
  name: string;
  type: 'p' | 'u' | 'f' | 'c' | 'x';
  definition: string;
  columns: string[];
  deferrable: boolean;
  validated: boolean;
  /** OID of the table that a foreign key refers to, as text. */
  references: string | null;
  comment: string | null;
}

export interface TableIndex {
  name: string;
  unique: boolean;
  primary: boolean;
  valid: boolean;
  immediate: boolean;
  method: string;
  /** Of the key, without those that are only included; null for an expression. */
  columns: (string | null)[];
  partial: boolean;
  /** What follows the table's name in CREATE INDEX. */
  body: string;
  /** The constraint that it backs. */
  constraint: string | null;
  replicaIdentity: boolean;
  clustered: boolean;
  comment: string | null;
}

/** A foreign key that refers to this table: of another one, or of its own. */
export interface IncomingKey {
  schema: string;
  table: string;
  name: string;
  definition: string;
  /** Columns of this table. */
  columns: string[];
  validated: boolean;
  partitioned: boolean;
  comment: string | null;
  /** The owner of this table may change the other one. */
  ours: boolean;
}

export interface Grant {
  /** Null for PUBLIC. */
  grantee: string | null;
  privilege: string;
  grantable: boolean;
}

export interface TableTrigger {
  name: string;
  definition: string;
  enabled: 'O' | 'D' | 'R' | 'A';
  row: boolean;
  before: boolean;
  transition: boolean;
  /** Source text of its function. */
  source: string;
  comment: string | null;
}

export interface TableDescription {
  table: {
    oid: string;
    schema: string;
    name: string;
    kind: string;
    owner: string;
    persistence: 'p' | 'u' | 't';
    method: string;
    tablespace: string | null;
    options: string[] | null;
    rowSecurity: boolean;
    forceRowSecurity: boolean;
    replicaIdentity: 'd' | 'n' | 'f' | 'i';
    partition: boolean;
    inherits: boolean;
    typed: boolean;
    extension: string | null;
    subscribed: boolean;
    mayCreate: boolean;
    comment: string | null;
  };
  columns: TableColumn[];
  constraints: TableConstraint[];
  indexes: TableIndex[];
  incoming: IncomingKey[];
  triggers: TableTrigger[];
  policies: {
    name: string;
    permissive: boolean;
    command: string;
    /** Empty for PUBLIC. */
    roles: string[];
    using: string | null;
    check: string | null;
    comment: string | null;
  }[];
  /** Null where nothing was ever granted or revoked. */
  grants: Grant[] | null;
  columnGrants: (Grant & { column: string })[];
  /** Roles to which ALTER DEFAULT PRIVILEGES gives something on each new table. */
  defaultGrantees: (string | null)[];
  statistics: {
    schema: string;
    name: string;
    definition: string;
    target: number | null;
    comment: string | null;
  }[];
  sequences: {
    schema: string;
    name: string;
    column: string;
    /** `i`: of an identity column, `a`: OWNED BY. */
    kind: 'a' | 'i';
    type: string;
    grants: Grant[] | null;
    comment: string | null;
  }[];
  views: {
    schema: string;
    name: string;
    options: string[] | null;
    definition: string;
    /** Groups by the primary key and shows other columns. */
    needsKey: boolean;
    ours: boolean;
  }[];
  publications: {
    name: string;
    viaRoot: boolean;
    /** Names the table, without a row filter or a list of columns. */
    plain: boolean;
    ours: boolean;
  }[];
  /** What else depends on the table, in Postgres's words. */
  dependents: string[];
  size: { rows: number; heapBytes: number; totalBytes: number };
}

/** A foreign key of the table to itself. */
export const isOwn = ({ table }: TableDescription, key: IncomingKey): boolean =>
  key.schema === table.schema && key.table === table.name;

/** Columns with their types. */
export const typed = (d: TableDescription, columns: readonly string[]): { name: string; type: string }[] =>
  columns.map((name) => ({ name, type: d.columns.find((each) => each.name === name)?.type ?? 'text' }));

/** Settings under which the catalogue prints every name with its schema. */
export const READING = { search_path: 'pg_catalog' };

/**
 * Everything the catalogue holds of a table that a table in its place needs.
 *
 * @param client with the settings of {@link READING}
 * @param name as SQL writes it: `events`, `app.events`, `app."Event"`; without a schema it is looked for in `public`
 *   and in the schema of the role's name
 * @throws OperationError when there is no such table
 */
export async function describeTable(client: pg.ClientBase, name: string): Promise<TableDescription> {
  const { rows: found } = await client
    .query<{ oid: string | null }>(
      `SELECT coalesce(to_regclass($1), to_regclass('public.' || $1), to_regclass(quote_ident(current_user) || '.' || $1))::oid::text AS oid`,
      [name],
    )
    .catch(() => ({ rows: [] }));
  const oid = found[0]?.oid;
  if (!oid)
    throw new OperationError(
      `There is no table ${name} in this database. Give its schema too, and quote names that are not lower case: app."Event".`,
    );
  return describeOid(client, oid);
}

/** @param client with the settings of {@link READING} @param oid of a table that is there */
export async function describeOid(client: pg.ClientBase, oid: string): Promise<TableDescription> {
  const { rows } = await client.query<{ description: TableDescription }>(describeSql(oid));
  return (rows[0] as { description: TableDescription }).description;
}

/** Of each part of a description but its size: a hash that changes when the part does. */
export async function fingerprintOf(client: pg.ClientBase, oid: string): Promise<Record<string, string>> {
  const { rows } = await client.query<{ parts: Record<string, string> | null }>(
    `SELECT jsonb_object_agg(key, md5(value::text)) AS parts FROM jsonb_each((${describeSql(oid)})) WHERE key <> 'size'`,
  );
  return rows[0]?.parts ?? {};
}
