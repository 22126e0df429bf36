import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type PostgresServer, startPostgresIn } from '../../stack/postgres.ts';

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
  const server = await startPostgresIn(dir, {
    password: 'test-only',
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
