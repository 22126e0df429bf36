import { erlangC } from '../diagnosis/checks/set-up/erlangC.ts';
import { type PoolLoad, samplePools } from '../diagnosis/pools.ts';
import { openSession } from '../diagnosis/session.ts';

/** A pool, and what the server has for it. */
export interface PoolSample extends PoolLoad {
  /** What the server has left for this application: its own connections and those that nobody has. */
  available: number;
  /** Most of the server's connections are taken, so that what a pool does not need is wanted elsewhere. */
  scarce: boolean;
}

/** Share of the server's connections, as peers warn. */
const SCARCE = 0.7;
const SAMPLES = 60;

/** Connections of sqltrail's own parts. */
const isOwn = (application: string) =>
  application.startsWith('sqltrail') || application.startsWith('postgres_exporter');

/** Samples pg_stat_activity for some seconds; sqltrail's own sessions and the exporter's are left out. */
export async function readPools(options: { url: string; signal: AbortSignal }): Promise<PoolSample[]> {
  const session = await openSession({
    ...options,
    statementTimeoutMs: 5_000,
    lockTimeoutMs: 500,
    budgetMs: Number.POSITIVE_INFINITY,
    dutyCycle: 1,
  });
  try {
    const { pools, allowed, free } = await samplePools(session, { samples: SAMPLES, signal: options.signal });
    return pools
      .filter(({ application }) => !isOwn(application))
      .map((pool) => ({
        ...pool,
        available: pool.connections + Math.max(0, free),
        scarce: free < allowed * (1 - SCARCE),
      }));
  } finally {
    await session.close();
  }
}

/** Of a hundred requests one may find all connections taken. */
export const MAX_WAITING = 0.01;
/** Room for a peak that is twice what was seen. */
const HEADROOM = 2;
/** More than this share busy, and the load is hidden: what waits outside is not seen by the server. */
const SATURATED = 0.9;

/** The fewest servers at which a request waits with a probability of at most `maxWaiting`, by Erlang's C formula. */
export function serversFor(load: number, maxWaiting: number): number {
  let servers = Math.max(1, Math.ceil(load));
  while (erlangC(servers, load) > maxWaiting) servers += 1;
  return servers;
}

export interface PoolAdvice {
  /** Null where the present size is to stay. */
  size: number | null;
  reason: string;
}

/**
 * The size of a pool for the load that was seen, doubled. A full pool shows nothing of its load, and a
 * larger one would move the queue into the database, so it is left until its statements are shorter. One that is too
 * large is left as well, unless the server's connections are scarce: an idle one costs next to nothing.
 *
 * @param size the pool's own limit; as many connections as were seen without it
 */
export function adviseOnPool(pool: PoolSample, size = pool.connections): PoolAdvice {
  const { busy, available, samples, scarce } = pool;
  const seen = `${busy.toFixed(1)} of ${size} connections busy on average (${samples} samples)`;
  if (busy >= size * SATURATED)
    return {
      size: null,
      reason: `${seen}: full, so its load is not known. A larger pool would only move the queue into the database; make its statements shorter first, then measure again.`,
    };
  const load = Math.max(busy, 1 / samples) * HEADROOM;
  const needed = serversFor(load, MAX_WAITING);
  const allowed = Math.min(needed, available);
  const chance = (erlangC(needed, load) * 100).toFixed(1);
  const model = `${seen}; twice that load needs ${needed} for a chance of waiting of ${chance} % (Erlang C)`;
  if (allowed === size || (allowed < size && !scarce)) return { size: null, reason: `${model}: it fits.` };
  return {
    size: allowed,
    reason: allowed < needed ? `${model}, and the server has only ${allowed} left.` : `${model}.`,
  };
}
