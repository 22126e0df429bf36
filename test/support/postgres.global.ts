import type { TestProject } from 'vitest/node';
import { startThrowawayServer } from './server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser URL of the run's embedded Postgres, database `postgres`. */
    postgresUrl: string;
  }
}

/**
 * One embedded Postgres for all integration tests; each test makes its own database on it. `TEST_POSTGRES_BIN` names
 * the directory of another version's initdb and postgres.
 */
export default async function setup(project: TestProject) {
  const server = await startThrowawayServer({
    binDir: process.env['TEST_POSTGRES_BIN'],
    settings: {
      max_connections: '200',
      shared_buffers: '128MB',
      'pg_stat_statements.track': 'all',
      // Of all tests together; what is called once is forgotten first.
      'pg_stat_statements.max': '20000',
      ...(process.env['TZ'] ? { TimeZone: process.env['TZ'] } : {}),
    },
  });
  project.provide('postgresUrl', server.url());
  return () => server.close();
}
