import type { Check, CheckContext } from '../../check.ts';
import type { Finding } from '../../finding.ts';
import { kept } from '../kept.ts';

/** Schemas of the server, and what belongs to an extension. */
const OURS = (catalog: string, object: string) =>
  `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${object} AND d.deptype = 'e')`;

const POLICIES = `SELECT n.nspname::text AS schema, c.relname::text AS name, count(*)::int AS n
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT c.relrowsecurity GROUP BY 1, 2 ORDER BY 1, 2`;

const WRITABLE = `SELECT n.nspname::text AS schema, c.relname::text AS name, string_agg(a.privilege_type, ', ' ORDER BY a.privilege_type) AS rights
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) a
 WHERE c.relkind IN ('r', 'p') AND a.grantee = 0 AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') AND ${OURS('pg_class', 'c.oid')}
 GROUP BY 1, 2 ORDER BY 1, 2`;

/** A function runs with its owner's rights and with the caller's search_path, and everybody may call it. */
const DEFINERS = `SELECT n.nspname::text AS schema, p.proname::text AS name
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prosecdef AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s LIKE 'search\\_path=%') AND p.prorettype <> 'trigger'::regtype
   AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE')
   AND ${OURS('pg_proc', 'p.oid')}
 ORDER BY 1, 2`;

interface Found {
  schema: string;
  name: string;
}

const MAX_NAMED = 5;
const named = (found: readonly Found[]) =>
  `${found
    .slice(0, MAX_NAMED)
    .map(({ name }) => name)
    .join(', ')}${found.length > MAX_NAMED ? ` and ${found.length - MAX_NAMED} more` : ''}`;

async function one(
  { session }: CheckContext,
  sql: string,
  say: (
    found: Found[],
  ) => Pick<Finding, 'id' | 'severity' | 'title' | 'explanation'> & { remedy: string; risk: string },
): Promise<Finding[]> {
  const found = await session.query<Found>(sql);
  if (found.length === 0) return [];
  const { remedy, risk, ...said } = say(found);
  return [
    kept({
      ...said,
      check: 'access-too-wide',
      cause: 'access',
      objects: found.map(({ schema, name }) => (sql === DEFINERS ? { schema } : { schema, table: name })),
      evidence: found.map(({ schema, name }) => ({ label: 'where', value: `${schema}.${name}`, how: sql })),
      fix: {
        kind: 'application',
        summary: remedy,
        changes: [],
        lock: 'ACCESS EXCLUSIVE for a moment, or none',
        risk,
        expectedEffect: 'a role does what it was meant to, and no more',
      },
    }),
  ];
}

export const check: Check = {
  id: 'access-too-wide',
  group: 'set-up',
  title: 'Rights that are wider than they look',
  description:
    'Policies on tables where row-level security is off, tables that every role may write, and SECURITY DEFINER functions for everybody that run with the caller’s search_path (splinter, and the manual on writing such functions safely).',
  whileObserving: true,
  async *run(context) {
    const found = await Promise.all([
      one(context, POLICIES, (found) => ({
        id: 'access-too-wide:policies',
        severity: 'warning',
        title: `Policies of ${named(found)} are without effect`,
        explanation:
          'The tables have policies, but row-level security was not switched on, so every role with a right on the table sees and changes all rows.',
        remedy: 'ALTER TABLE … ENABLE ROW LEVEL SECURITY, or drop the policies',
        risk: 'From then on a role sees only what a policy lets it see; test as each role first.',
      })),
      one(context, WRITABLE, (found) => ({
        id: 'access-too-wide:public',
        severity: 'info',
        title: `Every role may write ${named(found)}`,
        explanation:
          'PUBLIC has the right to change rows, also roles that are made later for something else.',
        remedy: 'REVOKE it from PUBLIC, and GRANT it to the roles that write',
        risk: 'A role that relied on it is refused; grant first.',
      })),
      one(context, DEFINERS, (found) => ({
        id: 'access-too-wide:definers',
        severity: 'info',
        title: `${named(found)} ${found.length === 1 ? 'runs' : 'run'} with the owner’s rights and the caller’s search_path`,
        explanation:
          'Who calls such a function decides which tables and operators its names mean, and so can have them run with the owner’s rights.',
        remedy:
          'ALTER FUNCTION … SET search_path = …, and REVOKE EXECUTE from PUBLIC where not everybody has to call it',
        risk: 'Names that were found by the caller’s path have to be on the new one.',
      })),
    ]);
    yield* found.flat();
  },
};
