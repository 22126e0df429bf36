import { setTimeout as sleep } from 'node:timers/promises';
import { erlangC } from '../diagnosis/checks/set-up/erlangC.ts';
import { openSession } from '../diagnosis/session.ts';

/** How busy the connections of one application are. */
export interface PoolSighting {
  application: string;
  /** Most connections seen at once. */
  connections: number;
  /** Mean number of connections that were not idle. */
  busy: number;
  /** What the server has left for this application: its own connections and those that nobody has. */
  available: number;
  /** Most of the server's connections are taken, so that what a pool does not need is wanted elsewhere. */
  scarce: boolean;
  looks: number;
}

/** Share of the server's connections, as peers warn. */
const SCARCE = 0.7;
const LOOKS = 60;
const LOOK_EVERY_MS = 100;

/** Looks at pg_stat_activity for some seconds; sqltrail's own sessions and the exporter's are left out. */
export async function sightPools(options: { url: string; signal: AbortSignal }): Promise<PoolSighting[]> {
  const session = await openSession({
    ...options,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 500,
    budgetMs: Number.POSITIVE_INFINITY,
    dutyCycle: 1,
  });
  try {
    const seen = new Map<string, { connections: number; busy: number }>();
    let free = Number.POSITIVE_INFINITY;
    let allowed = 0;
    for (let look = 0; look < LOOKS; look += 1) {
      const rows = await session.query<{
        application: string;
        connections: number;
        busy: number;
        hidden: number;
        free: number;
        allowed: number;
      }>(
        `SELECT coalesce(application_name, '') AS application, count(*)::int AS connections,
                count(*) FILTER (WHERE state <> 'idle')::int AS busy,
                count(*) FILTER (WHERE state IS NULL)::int AS hidden,
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
      await sleep(LOOK_EVERY_MS, undefined, { signal: options.signal });
    }
    return [...seen]
      .filter(([application]) => !/^(sqltrail|postgres_exporter)/.test(application))
      .map(([application, { connections, busy }]) => ({
        application,
        connections,
        busy: busy / LOOKS,
        available: connections + Math.max(0, free),
        scarce: free < allowed * (1 - SCARCE),
        looks: LOOKS,
      }));
  } finally {
    await session.close();
  }
}

/** Of a hundred requests one may find all connections taken. */
export const MOST_WAITING = 0.01;
/** Room for a peak that is twice what was seen. */
const HEADROOM = 2;
/** More than this share busy, and the load is hidden: what waits outside is not seen by the server. */
const SATURATED = 0.9;

/** The fewest servers at which a request waits with a probability of at most `mostWaiting`, by Erlang's C formula. */
export function serversFor(load: number, mostWaiting: number): number {
  let servers = Math.max(1, Math.ceil(load));
  while (erlangC(servers, load) > mostWaiting) servers += 1;
  return servers;
}

export interface PoolAdvice {
  /** Null where the present size is to stay. */
  size: number | null;
  reason: string;
}

/**
 * The size of a pool for the load that was seen, doubled. A pool that is full tells nothing about its load, and a
 * larger one would move the queue into the database, so it is left until its statements are shorter. One that is too
 * large is left as well, unless the server's connections are scarce: an idle one costs next to nothing.
 *
 * @param size the pool's own limit; as many connections as were seen without it
 */
export function adviseOnPool(sighting: PoolSighting, size = sighting.connections): PoolAdvice {
  const { busy, available, looks, scarce } = sighting;
  const seen = `${busy.toFixed(1)} of ${size} connections busy on average (${looks} looks)`;
  if (busy >= size * SATURATED)
    return {
      size: null,
      reason: `${seen}: full, so its load cannot be told. A larger pool would only move the queue into the database; make its statements shorter first, then look again.`,
    };
  const load = Math.max(busy, 1 / looks) * HEADROOM;
  const needed = serversFor(load, MOST_WAITING);
  const allowed = Math.min(needed, available);
  const chance = (erlangC(needed, load) * 100).toFixed(1);
  const model = `${seen}; twice that load needs ${needed} for a chance of waiting of ${chance} % (Erlang C)`;
  if (allowed === size || (allowed < size && !scarce)) return { size: null, reason: `${model}: it fits.` };
  return {
    size: allowed,
    reason: allowed < needed ? `${model}, and the server has only ${allowed} left.` : `${model}.`,
  };
}
