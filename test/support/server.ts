import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '../../lib/freePort.ts';
import { type PostgresServer, startPostgres } from '../../stack/postgres.ts';

export type ThrowawayServer = PostgresServer & { close(): Promise<void> };

/**
 * A Postgres of its own, whose data are gone with it: `close` stops it and removes them.
 *
 * @param options.binDir directory of another version's initdb and postgres; the embedded one without it
 */
export async function startThrowawayServer({
  settings = {},
  binDir,
}: {
  settings?: Record<string, string>;
  binDir?: string | undefined;
} = {}): Promise<ThrowawayServer> {
  const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-test-'));
  // Postgres does not run as root, and its own user has to reach its data.
  await chmod(dir, 0o755);
  const server = await startPostgres({
    dataDir: path.join(dir, 'pgdata'),
    port: await freePort(),
    password: 'test-only',
    logFile: path.join(dir, 'postgres.log'),
    binDir,
    settings: { shared_preload_libraries: 'pg_stat_statements', fsync: 'off', ...settings },
  });
  return {
    ...server,
    async close() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
