import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, inject } from 'vitest';

export interface TestDatabase {
  name: string;
  /** Superuser URL of this database. */
  url: string;
  /** Drops the database, closing connections that are still on it. */
  drop(): Promise<void>;
}

async function onServer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/**
 * Makes a fresh database on the run's embedded Postgres (integration tests only).
 *
 * @param options of CREATE DATABASE, as SQL
 */
export async function createTestDatabase(options = ''): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await onServer(`CREATE DATABASE ${pg.escapeIdentifier(name)} ${options}`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${name}`;
  return {
    name,
    url: url.href,
    drop: () => onServer(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`),
  };
}

export interface DatabaseOfTest extends Pick<TestDatabase, 'name' | 'url'> {
  /** A superuser's. */
  client: pg.Client;
  /** Another empty database instead of it, with these options of CREATE DATABASE. */
  makeAnew(options: string): Promise<void>;
}

/**
 * A database with a client on it, for each test of a file or for all of them. Call it at the top of the file: the
 * database is there before the file's own hooks begin, and goes after they ended.
 */
export function databaseFor(scope: 'each' | 'all'): DatabaseOfTest {
  const [before, after] = scope === 'each' ? [beforeEach, afterEach] : [beforeAll, afterAll];
  let database: TestDatabase | undefined;
  let client: pg.Client | undefined;
  const make = async (options?: string) => {
    database = await createTestDatabase(options);
    client = new pg.Client(database.url);
    await client.connect();
  };
  const remove = async () => {
    await client?.end();
    await database?.drop();
    client = database = undefined;
  };
  before(() => make());
  after(remove);
  const there = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('The database is only there while hooks and tests run.');
    return value;
  };
  return {
    get name() {
      return there(database).name;
    },
    get url() {
      return there(database).url;
    },
    get client() {
      return there(client);
    },
    async makeAnew(options) {
      await remove();
      await make(options);
    },
  };
}

/** Empties pg_stat_statements of this database only: other tests run on the same server. By a superuser. */
export const forgetStatements =
  'SELECT pg_stat_statements_reset(0, (SELECT oid FROM pg_database WHERE datname = current_database()))';
