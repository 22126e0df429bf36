import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface LockWaits {
  /** The longest that a session waited for a lock which the migration held or was first in line for, milliseconds. */
  longestBehindMigrationMs: number;
  /** The longest that any session but the migration's own waited for any lock, milliseconds. */
  longestMs: number;
  /** How often it was looked. */
  samples: number;
}

export interface LockWatch {
  read(): LockWaits;
  stop(): Promise<LockWaits>;
}

/**
 * A wait is seen while it lasts, from `pg_locks.waitstart` (Postgres 14), so what is shorter than the interval may be
 * missed and what is longer is measured to within it.
 */
const EVERY_MS = 50;

const waitsSql = `SELECT coalesce(max(waited), 0)::float8 AS longest, coalesce(max(waited) FILTER (WHERE behind), 0)::float8 AS behind
  FROM (SELECT extract(epoch FROM clock_timestamp() - l.waitstart) * 1000 AS waited,
               EXISTS (SELECT FROM pg_stat_activity AS b
                        WHERE b.pid = ANY (pg_blocking_pids(l.pid)) AND b.application_name = 'sqltrail-migrate') AS behind
          FROM pg_locks AS l JOIN pg_stat_activity AS s ON s.pid = l.pid
         WHERE NOT l.granted AND l.waitstart IS NOT NULL AND s.datname = current_database()
           AND s.backend_type = 'client backend' AND s.application_name <> 'sqltrail-migrate') AS waits`;

/**
 * Looks for waiting sessions of the database until it is stopped.
 *
 * @param url any role of the database
 * @throws Error from `stop` when the database was lost meanwhile
 */
export async function watchLocks(url: string): Promise<LockWatch> {
  const client = new pg.Client({ connectionString: url, application_name: 'sqltrail-locks' });
  client.on('error', () => {});
  await client.connect();
  const found: LockWaits = { longestBehindMigrationMs: 0, longestMs: 0, samples: 0 };
  let stopped = false;
  const looking = (async () => {
    while (!stopped) {
      const { rows } = await client.query<{ longest: number; behind: number }>(waitsSql);
      found.longestMs = Math.max(found.longestMs, rows[0]?.longest ?? 0);
      found.longestBehindMigrationMs = Math.max(found.longestBehindMigrationMs, rows[0]?.behind ?? 0);
      found.samples += 1;
      await sleep(EVERY_MS);
    }
  })();
  // A fault is told by stop().
  looking.catch(() => {});
  return {
    read: () => ({ ...found }),
    async stop() {
      stopped = true;
      try {
        await looking;
      } finally {
        await client.end().catch(() => {});
      }
      return { ...found };
    },
  };
}
