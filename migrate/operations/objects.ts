import { quote as id, literal } from '../../lib/pg/quote.ts';
import type { Grant, TableDescription } from './description.ts';

const role = (name: string | null) => (name === null ? 'PUBLIC' : id(name));
/** CREATE TABLE ... LIKE brings those of columns and checks only. */
export const comment = (what: string, text: string | null) =>
  text === null ? [] : [`COMMENT ON ${what} IS ${literal(text)};`];

/** The rights that ALTER DEFAULT PRIVILEGES gives on a new table are taken away again. */
export const noDefaultGrants = (
  { defaultGrantees }: Pick<TableDescription, 'defaultGrantees'>,
  table: string,
): string[] => defaultGrantees.map((grantee) => `REVOKE ALL ON TABLE ${table} FROM ${role(grantee)};`);

/** @param on such as `TABLE t` */
export const grant = ({ grantee, privilege, grantable }: Grant, on: string): string =>
  `GRANT ${privilege} ON ${on} TO ${role(grantee)}${grantable ? ' WITH GRANT OPTION' : ''};`;

function grantSql(on: string, grants: readonly Grant[], owner: string): string[] {
  return [`REVOKE ALL ON ${on} FROM ${id(owner)};`, ...grants.map((each) => grant(each, on))];
}

/** Rights as the old table has them, on a table that has those of ALTER DEFAULT PRIVILEGES. */
export function tableGrants(d: TableDescription, table: string): string[] {
  const on = `TABLE ${table}`;
  return [
    ...noDefaultGrants(d, table),
    ...(d.grants ? grantSql(on, d.grants, d.table.owner) : []),
    ...d.columnGrants.map((each) =>
      grant({ ...each, privilege: `${each.privilege} (${id(each.column)})` }, on),
    ),
  ];
}

/** Nobody but its owner may use the table. */
export const noTableGrants = (d: TableDescription, table: string): string[] =>
  [
    ...new Set(
      [...(d.grants ?? []), ...d.columnGrants, ...d.defaultGrantees.map((grantee) => ({ grantee }))].map(
        ({ grantee }) => grantee,
      ),
    ),
  ]
    .filter((grantee) => grantee !== d.table.owner)
    .map((grantee) => `REVOKE ALL ON TABLE ${table} FROM ${role(grantee)};`);

/** The sequence of the new identity column becomes that of the old one, with its name, number and rights. */
export function sequencesFollow(d: TableDescription, to: string, names: SequenceNames): string[] {
  return d.sequences.flatMap((sequence) => {
    const { schema, name, kind, column } = sequence;
    if (kind === 'a') return [`ALTER SEQUENCE ${id(schema, name)} OWNED BY ${to}.${id(column)};`];
    const { newName, oldName } = names(name);
    return [
      // The sequence is locked, so no number is taken in between.
      `SELECT setval(pg_get_serial_sequence(${literal(to)}, ${literal(column)}), last_value, is_called) FROM ${id(schema, name)};`,
      `ALTER SEQUENCE ${id(schema, name)} RENAME TO ${id(oldName)};`,
      `ALTER SEQUENCE ${id(schema, newName)} RENAME TO ${id(name)};`,
      ...(sequence.grants ? grantSql(`SEQUENCE ${id(schema, name)}`, sequence.grants, d.table.owner) : []),
      ...comment(`SEQUENCE ${id(schema, name)}`, sequence.comment),
    ];
  });
}

export type SequenceNames = (name: string) => { newName: string; oldName: string };

export function sequencesReturn(d: TableDescription, old: string, names: SequenceNames): string[] {
  return d.sequences.flatMap(({ schema, name, kind, column }) => {
    if (kind === 'a') return [`ALTER SEQUENCE ${id(schema, name)} OWNED BY ${old}.${id(column)};`];
    const { newName, oldName } = names(name);
    return [
      `SELECT setval(${literal(id(schema, oldName))}, last_value, is_called) FROM ${id(schema, name)};`,
      `ALTER SEQUENCE ${id(schema, name)} RENAME TO ${id(newName)};`,
      `ALTER SEQUENCE ${id(schema, oldName)} RENAME TO ${id(name)};`,
    ];
  });
}

export interface ViewText {
  schema: string;
  name: string;
  options: string[] | null;
  definition: string;
}

/** @param create `CREATE VIEW`, or with OR REPLACE */
export const viewSql = (create: string, { schema, name, options, definition }: ViewText): string =>
  `${create} ${id(schema, name)}${options ? ` WITH (${options.join(', ')})` : ''} AS\n${definition.trim().replace(/;$/, '')};`;

/** The views keep their identity, rights and comments, and read whatever has the table's name now. */
export const viewsFollow = (d: TableDescription): string[] =>
  d.views.map((view) => viewSql('CREATE OR REPLACE VIEW', view));

const ENABLE = { O: 'ENABLE', D: 'DISABLE', R: 'ENABLE REPLICA', A: 'ENABLE ALWAYS' } as const;

/** On the table that has the old name now. */
export const triggersFollow = (d: TableDescription, table: string): string[] =>
  d.triggers.flatMap(({ name, definition, enabled, comment: text }) => [
    `${definition};`,
    ...(enabled === 'O' ? [] : [`ALTER TABLE ${table} ${ENABLE[enabled]} TRIGGER ${id(name)};`]),
    ...comment(`TRIGGER ${id(name)} ON ${table}`, text),
  ]);
export const triggersGone = (d: TableDescription, table: string): string[] =>
  d.triggers.map(({ name }) => `DROP TRIGGER ${id(name)} ON ${table};`);
/** What is sent back to the old table is no new event. */
export const triggersOff = (d: TableDescription, table: string): string[] =>
  d.triggers.map(({ name }) => `ALTER TABLE ${table} DISABLE TRIGGER ${id(name)};`);
export const triggersOn = (d: TableDescription, table: string): string[] =>
  d.triggers.map(({ name, enabled }) => `ALTER TABLE ${table} ${ENABLE[enabled]} TRIGGER ${id(name)};`);

/** On the table that has the old name now, because their expressions may name it. */
export const policiesFollow = (d: TableDescription, table: string): string[] => [
  ...d.policies.flatMap((policy) => [
    `CREATE POLICY ${id(policy.name)} ON ${table} AS ${policy.permissive ? 'PERMISSIVE' : 'RESTRICTIVE'} FOR ${policy.command} TO ${
      policy.roles.length === 0 ? 'PUBLIC' : policy.roles.map((each) => id(each)).join(', ')
    }${policy.using === null ? '' : ` USING (${policy.using})`}${policy.check === null ? '' : ` WITH CHECK (${policy.check})`};`,
    ...comment(`POLICY ${id(policy.name)} ON ${table}`, policy.comment),
  ]),
  ...(d.table.rowSecurity ? [`ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY;`] : []),
];
export const policiesGone = (d: TableDescription, table: string): string[] => [
  ...(d.table.rowSecurity ? [`ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY;`] : []),
  ...d.policies.map(({ name }) => `DROP POLICY ${id(name)} ON ${table};`),
];

export const publicationsFollow = (d: TableDescription, from: string, to: string): string[] =>
  d.publications.flatMap(({ name }) => [
    `ALTER PUBLICATION ${id(name)} DROP TABLE ${from};`,
    `ALTER PUBLICATION ${id(name)} ADD TABLE ${to};`,
  ]);
