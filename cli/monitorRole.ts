import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type pg from 'pg';
import { literal, quote } from '../lib/pg/quote.ts';

/** A column whose statistics the role has to see: its table, with the schema, and its name. */
export interface SeenColumn {
  schema: string;
  table: string;
  column: string;
}

export interface MonitorRole {
  name: string;
  database: string;
  columns: readonly SeenColumn[];
  /** Schema of pg_stat_statements, where it is there and not `public`. */
  statementsSchema?: string | undefined;
  /** Whether it may explain statements, for which Postgres asks for the right to read their tables. */
  plans?: boolean | undefined;
}

/** pg_stats shows what its reader may select: the date columns are enough, and no row is ever read. */
const grantsOf = (role: string, columns: readonly SeenColumn[]): string[] => {
  const tables = new Map<string, string[]>();
  for (const { schema, table, column } of columns) {
    const name = quote(schema, table);
    tables.set(name, [...(tables.get(name) ?? []), quote(column)]);
  }
  return [...tables].map(([table, names]) => `GRANT SELECT (${names.join(', ')}) ON ${table} TO ${role}`);
};

/**
 * Makes a role that may see statistics and nothing else, unless it is to explain statements.
 *
 * @param password as it is to stand in the statement, such as a SCRAM verifier; undefined where the role is there
 */
export function roleSql(
  { name, database, columns, statementsSchema, plans }: MonitorRole,
  password: string | undefined,
): string[] {
  const role = quote(name);
  return [
    ...(password === undefined
      ? []
      : [
          `CREATE ROLE ${role} LOGIN PASSWORD ${literal(password)} CONNECTION LIMIT 10`,
          `ALTER ROLE ${role} SET default_transaction_read_only = on`,
          `ALTER ROLE ${role} SET statement_timeout = '30s'`,
          // The size of a table that is locked cannot be read: what waits for it would keep all other figures.
          `ALTER ROLE ${role} SET lock_timeout = '500ms'`,
        ]),
    `GRANT CONNECT ON DATABASE ${quote(database)} TO ${role}`,
    `GRANT pg_monitor TO ${role}`,
    ...(plans ? [`GRANT pg_read_all_data TO ${role}`] : []),
    ...(statementsSchema === undefined
      ? []
      : [
          `GRANT USAGE ON SCHEMA ${quote(statementsSchema)} TO ${role}`,
          `ALTER ROLE ${role} IN DATABASE ${quote(database)} SET search_path = "$user", public, ${quote(statementsSchema)}`,
        ]),
    ...grantsOf(role, columns),
  ];
}

/** What Postgres keeps of a password (RFC 5803), so that a log of statements does not have the password itself. */
export function scramVerifier(password: string, salt = randomBytes(16), iterations = 4096): string {
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256');
  const keyOf = (label: string) => createHmac('sha256', salted).update(label).digest();
  const stored = createHash('sha256').update(keyOf('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${keyOf('Server Key').toString('base64')}`;
}

/**
 * Creates the role; where it is there, gives it what it lacks and leaves its password alone.
 *
 * @returns whether it was made
 * @throws the server's error; nothing was changed then
 */
export async function createRole(client: pg.Client, role: MonitorRole, password: string): Promise<boolean> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role.name]);
  const made = rowCount === 0;
  await client.query('BEGIN');
  try {
    for (const statement of roleSql(role, made ? scramVerifier(password) : undefined))
      await client.query(statement);
    await client.query('COMMIT');
    return made;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}
