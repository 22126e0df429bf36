import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { freePort } from '../../lib/freePort.ts';
import { startPostgres } from '../../stack/postgres.ts';

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
  const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-test-'));
  await chmod(dir, 0o755);
  const server = await startPostgres({
    dataDir: path.join(dir, 'pgdata'),
    port: await freePort(),
    password: 'test-only',
    logFile: path.join(dir, 'postgres.log'),
    binDir: process.env['TEST_POSTGRES_BIN'],
    settings: {
      shared_preload_libraries: 'pg_stat_statements',
      fsync: 'off',
      max_connections: '200',
      shared_buffers: '128MB',
      'pg_stat_statements.track': 'all',
      ...(process.env['TZ'] ? { TimeZone: process.env['TZ'] } : {}),
    },
  });
  project.provide('postgresUrl', server.url());
  return async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  };
}
