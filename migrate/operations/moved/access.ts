import { nameOf } from '../../../lib/pg/names.ts';
import { quote as id } from '../../../lib/pg/quote.ts';
import type { TableDescription } from '../description.ts';
import { grant } from '../objects.ts';

const PRIVILEGES = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** Who may do something with the rows of the old table may do it with those of the new one. */
export const givesAccess = (d: TableDescription, fresh: string): string[] =>
  (d.grants ?? [])
    .filter(({ grantee, privilege }) => grantee !== d.table.owner && PRIVILEGES.includes(privilege))
    .map((each) => grant(each, `TABLE ${fresh}`));

const policy = ({ table }: TableDescription) => id(nameOf(`rows of ${table.name}`));

/**
 * Where row-level security decides who sees a row of the old table, it decides who sees what belongs to that row.
 *
 * @param sees whether a row of the new table belongs to one of the old table, which is asked with the reader's rights
 */
export const policies = (d: TableDescription, fresh: string, sees: string): string[] =>
  d.table.rowSecurity
    ? [
        `ALTER TABLE ${fresh} ENABLE ROW LEVEL SECURITY;`,
        `CREATE POLICY ${policy(d)} ON ${fresh} FOR SELECT USING (${sees});`,
      ]
    : [];
export const noPolicies = (d: TableDescription, fresh: string): string[] =>
  d.table.rowSecurity
    ? [`DROP POLICY ${policy(d)} ON ${fresh};`, `ALTER TABLE ${fresh} DISABLE ROW LEVEL SECURITY;`]
    : [];

/** For the notes of a plan. */
export const accessNotes = (d: TableDescription, into: string): string[] => [
  ...(d.columnGrants.length > 0
    ? [
        `Rights on single columns of ${d.table.name} are not carried over to ${into}: grant there what is missing.`,
      ]
    : []),
  ...(d.table.rowSecurity
    ? [
        `${d.table.name} has row-level security: from the cutover on, ${into} shows what belongs to rows that the reader may see, and nobody but the owner may write to it until you make policies for that.`,
      ]
    : []),
];
