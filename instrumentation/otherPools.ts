/** What is observed of a pool at a moment. */
export interface PoolFigures {
  /** Connections. */
  idle: number;
  used: number;
  max: number;
  /** Requests that wait for one. */
  pending: number;
  ended: boolean;
}

/** A pool of anything, whose `acquire` gives a promise or what has one. */
export interface OtherPool {
  acquire(...args: unknown[]): Promise<unknown> | { promise: Promise<unknown> };
  release(resource: unknown, ...args: unknown[]): unknown;
}

interface Library {
  module: string;
  versions: string[];
  figuresOf(pool: OtherPool): PoolFigures;
}

const library = <P>(module: string, versions: string[], figuresOf: (pool: P) => PoolFigures): Library => ({
  module,
  versions,
  figuresOf: (pool) => figuresOf(pool as unknown as P),
});

/** Libraries whose pools hold pg clients when Knex (tarn) and Sequelize (sequelize-pool) make them for Postgres. */
export const otherPools: readonly Library[] = [
  library<{
    numFree(): number;
    numUsed(): number;
    numPendingAcquires(): number;
    max: number;
    destroyed: boolean;
  }>('tarn', ['>=3 <4'], (pool) => ({
    idle: pool.numFree(),
    used: pool.numUsed(),
    max: pool.max,
    pending: pool.numPendingAcquires(),
    ended: pool.destroyed,
  })),
  library<{ available: number; using: number; waiting: number; maxSize: number; _draining: boolean }>(
    'sequelize-pool',
    ['>=6 <9'],
    (pool) => ({
      idle: pool.available,
      used: pool.using,
      max: pool.maxSize,
      pending: pool.waiting,
      ended: pool._draining,
    }),
  ),
];

/** Where a pg client leads; undefined for anything else that a pool may hold. */
export function targetOfClient(
  resource: unknown,
): { host?: string; port?: number; database?: string } | undefined {
  const { connectionParameters: target } = (resource ?? {}) as {
    connectionParameters?: { host?: string; port?: number; database?: string };
  };
  if (typeof target?.host !== 'string') return undefined;
  const { host, port, database } = target;
  return { host, ...(port ? { port } : {}), ...(database ? { database } : {}) };
}
