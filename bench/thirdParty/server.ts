import { chmod, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { type PostgresServer, startPostgresIn } from '../../stack/postgres.ts';

/**
 * The server that databases are made and judged on: the embedded one, or the one of POSTGRES_BIN.
 * @param cluster Directory, made where it is not there; the user that Postgres runs as may enter it.
 */
export async function startJudgeServer(cluster: string): Promise<PostgresServer> {
  await mkdir(cluster, { recursive: true });
  await chmod(path.dirname(cluster), 0o755);
  return startPostgresIn(cluster, {
    password: 'bench-only',
    binDir: process.env['POSTGRES_BIN'],
    settings: {
      shared_preload_libraries: 'pg_stat_statements',
      fsync: 'off',
      shared_buffers: '256MB',
      'pg_stat_statements.track': 'all',
      // Autovacuum comes round between the work and the diagnosis, as it does on a server of more than a minute's age.
      autovacuum_naptime: '1s',
    },
  });
}
