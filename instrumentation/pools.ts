import { type Context, context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { InstrumentationBase, InstrumentationNodeModuleDefinition } from '@opentelemetry/instrumentation';
import type { Pool, PoolClient } from 'pg';

type ConnectCallback = (error: Error | undefined, client?: PoolClient, release?: () => void) => void;
type Connect = (this: Pool, callback?: ConnectCallback) => Promise<PoolClient> | undefined;
interface PoolOptions {
  host?: string;
  port?: number;
  database?: string;
  connectionString?: string;
  max: number;
}

const PATCHED = Symbol('sqltrail.pg-pool.connect');

/** A shorter wait is nobody's trouble, and a span for each would double their number. */
const SHORTEST_WAIT_MS = 1;
/** Seconds; fine up to where customers notice, then up to the acquire timeouts in use. */
const WAIT_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10];

export const isAcquireTimeout = (error: unknown) =>
  error instanceof Error && error.message === 'timeout exceeded when trying to connect';

function baseName(options: PoolOptions): string {
  let { host, port, database } = options;
  if (options.connectionString && URL.canParse(options.connectionString)) {
    const url = new URL(options.connectionString);
    host = url.hostname || host;
    port = Number(url.port) || port;
    database = decodeURIComponent(url.pathname.slice(1)) || database;
  }
  return `${host ?? 'localhost'}:${port ?? 5432}/${database ?? ''}`;
}

/**
 * Metrics of each pg pool of the process, each under a name of its own (`host:port/database`, a later one of the
 * same database with `#2`): connections in use and idle, requests waiting, how long they waited, how long
 * connections were held, and acquire timeouts. instrumentation-pg has no wait times or timeouts, and keeps one
 * counter for all pools, so its own are dropped by views (sdk.ts).
 *
 * It also carries the caller's context over the wait: pg-pool calls a waiting caller back from whoever released the
 * connection, and the query's span would join that one's trace.
 */
export class PoolInstrumentation extends InstrumentationBase {
  #names = new Map<Pool, string>();
  #acquiredAt = new WeakMap<PoolClient, number>();
  declare private waitTime: ReturnType<typeof this.meter.createHistogram>;
  declare private useTime: ReturnType<typeof this.meter.createHistogram>;
  declare private timeouts: ReturnType<typeof this.meter.createCounter>;

  constructor() {
    super('sqltrail-pools', '0.1.0', {});
  }

  protected override _updateMetricInstruments(): void {
    const advice = { explicitBucketBoundaries: WAIT_BUCKETS };
    this.waitTime = this.meter.createHistogram('db.client.connection.wait_time', { unit: 's', advice });
    this.useTime = this.meter.createHistogram('db.client.connection.use_time', { unit: 's', advice });
    this.timeouts = this.meter.createCounter('db.client.connection.timeouts', { unit: '{timeout}' });
    const count = this.meter.createObservableUpDownCounter('db.client.connection.count', {
      unit: '{connection}',
    });
    const max = this.meter.createObservableUpDownCounter('db.client.connection.max', {
      unit: '{connection}',
    });
    const pending = this.meter.createObservableUpDownCounter('db.client.connection.pending_requests', {
      unit: '{request}',
    });
    this.meter.addBatchObservableCallback(
      (result) => {
        for (const [pool, name] of this.#names ?? []) {
          const labels = { 'db.client.connection.pool.name': name };
          result.observe(count, pool.idleCount, { ...labels, 'db.client.connection.state': 'idle' });
          result.observe(count, pool.totalCount - pool.idleCount, {
            ...labels,
            'db.client.connection.state': 'used',
          });
          result.observe(max, (pool as unknown as { options: PoolOptions }).options.max, labels);
          result.observe(pending, pool.waitingCount, labels);
        }
      },
      [count, max, pending],
    );
  }

  protected override init() {
    type Exports = { prototype: { connect: Connect; [PATCHED]?: Connect }; default?: Exports };
    return [
      new InstrumentationNodeModuleDefinition(
        'pg-pool',
        ['>=3 <4'],
        (module: Exports) => {
          // Not by this._wrap: instrumentation-pg unwraps whatever it finds wrapped there before it wraps itself.
          const { prototype } = module.default ?? module;
          if (!prototype[PATCHED]) {
            prototype[PATCHED] = prototype.connect;
            prototype.connect = this.#patchConnect(prototype.connect);
          }
          return module;
        },
        (module: Exports) => {
          const { prototype } = module.default ?? module;
          if (prototype[PATCHED]) prototype.connect = prototype[PATCHED];
          delete prototype[PATCHED];
        },
      ),
    ];
  }

  #nameOf(pool: Pool): string {
    const known = this.#names.get(pool);
    if (known) return known;
    const base = baseName((pool as unknown as { options: PoolOptions }).options);
    const taken = new Set(this.#names.values());
    let name = base;
    for (let i = 2; taken.has(name); i += 1) name = `${base}#${i}`;
    this.#names.set(pool, name);
    const labels = { 'db.client.connection.pool.name': name };
    this.timeouts.add(0, labels);
    pool.on('release', (_error, client) => {
      const since = this.#acquiredAt.get(client);
      this.#acquiredAt.delete(client);
      if (since !== undefined) this.useTime.record((performance.now() - since) / 1000, labels);
    });
    const end = pool.end.bind(pool);
    pool.end = ((...args: []) => {
      this.#names.delete(pool);
      return end(...args);
    }) as Pool['end'];
    return name;
  }

  #patchConnect(original: Connect): Connect {
    const plugin = this;
    return function connect(this: Pool, callback?: ConnectCallback) {
      const name = plugin.#nameOf(this);
      const caller = context.active();
      const startedMs = performance.now();
      const startTime = Date.now();
      const settle = (error: unknown, client?: PoolClient) =>
        plugin.#settle(name, caller, startTime, startedMs, error, client);
      if (callback)
        return original.call(this, (error, client, release) => {
          settle(error, client);
          context.with(caller, () => callback(error, client, release));
        });
      const result = original.call(this);
      return result?.then(
        (client) => {
          settle(undefined, client);
          return client;
        },
        (error) => {
          settle(error);
          throw error;
        },
      );
    };
  }

  #settle(
    name: string,
    caller: Context,
    startTime: number,
    startedMs: number,
    error: unknown,
    client?: PoolClient,
  ) {
    const endedMs = performance.now();
    const waitedMs = endedMs - startedMs;
    const labels = { 'db.client.connection.pool.name': name };
    this.waitTime.record(waitedMs / 1000, labels);
    if (client) this.#acquiredAt.set(client, endedMs);
    const timedOut = isAcquireTimeout(error);
    if (timedOut) this.timeouts.add(1, labels);
    if ((waitedMs < SHORTEST_WAIT_MS && !error) || !trace.getSpan(caller)) return;
    const span = this.tracer.startSpan(
      'pool.acquire',
      { kind: SpanKind.INTERNAL, startTime, attributes: labels },
      caller,
    );
    if (error) {
      span.setAttribute('error.type', timedOut ? 'timeout' : 'connection');
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
    }
    span.end(startTime + waitedMs);
  }
}
