import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from './readSession.ts';

/** How busy the connections of one application to this database are. */
export interface PoolLoad {
  application: string;
  /** Most connections seen at once. */
  connections: number;
  /** Mean number of connections that were not idle. */
  busy: number;
  samples: number;
}

export interface ServerLoad {
  pools: PoolLoad[];
  /** Connections that the server takes from others than a superuser. */
  allowed: number;
  /** The fewest of these that nobody had. */
  free: number;
}

/** Between two samples; long enough that they do not see one and the same statement only. */
const SAMPLE_EVERY_MS = 100;

/** Samples pg_stat_activity; sqltrail's own session is left out, and what this role may not see of others. */
export async function samplePools(
  session: Session,
  { samples, signal }: { samples: number; signal: AbortSignal },
): Promise<ServerLoad> {
  const seen = new Map<string, { connections: number; busy: number }>();
  let free = Number.POSITIVE_INFINITY;
  let allowed = 0;
  for (let sample = 0; sample < samples; sample += 1) {
    if (sample > 0) await sleep(SAMPLE_EVERY_MS, undefined, { signal });
    const rows = await session.query<{
      application: string;
      connections: number;
      busy: number;
      hidden: number;
      free: number;
      allowed: number;
    }>(
      `SELECT coalesce(application_name, '') AS application, count(*) FILTER (WHERE datname = current_database())::int AS connections,
              count(*) FILTER (WHERE datname = current_database() AND state <> 'idle')::int AS busy,
              count(*) FILTER (WHERE datname = current_database() AND state IS NULL)::int AS hidden,
              (allowed - sum(count(*)) OVER ())::int AS free, allowed
         FROM pg_stat_activity, (SELECT current_setting('max_connections')::int
                - current_setting('superuser_reserved_connections')::int AS allowed) AS server
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1, allowed`,
    );
    for (const { application, connections, busy, hidden, ...server } of rows) {
      free = Math.min(free, server.free);
      allowed = server.allowed;
      // A role without pg_monitor does not see what others are at; that is no pool at rest.
      if (hidden === connections) continue;
      const known = seen.get(application) ?? { connections: 0, busy: 0 };
      known.connections = Math.max(known.connections, connections);
      known.busy += busy;
      seen.set(application, known);
    }
  }
  const pools = [...seen].map(([application, { connections, busy }]) => ({
    application,
    connections,
    busy: busy / samples,
    samples,
  }));
  return { pools, allowed, free };
}
