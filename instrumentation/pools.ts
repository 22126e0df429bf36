import { type Context, context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { InstrumentationBase, InstrumentationNodeModuleDefinition } from '@opentelemetry/instrumentation';
import type { Pool, PoolClient } from 'pg';

type ConnectCallback = (error: Error | undefined, client?: PoolClient, release?: () => void) => void;
type Connect = (this: Pool, callback?: ConnectCallback) => Promise<PoolClient> | undefined;
interface PoolOptions {
  host?: string;
  port?: number;
  database?: string;
  user?: string;
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

const decoded = (text: string) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** What of a connection string says where it leads: URLs, also with several hosts or a socket's directory. */
function targetOf(connectionString: string): Pick<PoolOptions, 'host' | 'port' | 'database'> {
  // `/run/postgresql dbname`, as pg takes it.
  if (connectionString.startsWith('/')) {
    const [host = '', database] = connectionString.split(' ');
    return { host, ...(database ? { database } : {}) };
  }
  // URL refuses several hosts, and an empty one before a user.
  const [, authority = '', pathname = '', query = ''] =
    /^[a-z]+:\/\/(?:[^@/]*@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(connectionString) ?? [];
  const [, hosts = '', port = ''] = /^(.*?)(?::(\d+))?$/s.exec(authority) ?? [];
  const parameters = new URLSearchParams(query);
  const host = parameters.get('host') ?? decoded(hosts);
  return {
    ...(host ? { host } : {}),
    ...(Number(parameters.get('port') ?? port) ? { port: Number(parameters.get('port') ?? port) } : {}),
    ...(pathname ? { database: decoded(pathname) } : {}),
  };
}

/** `host:port/database`, with pg's defaults: the variables of libpq, then localhost and the user's own database. */
export function baseName(options: PoolOptions, env: NodeJS.ProcessEnv = process.env): string {
  const target = { ...options, ...(options.connectionString ? targetOf(options.connectionString) : {}) };
  const host = target.host || env['PGHOST'] || 'localhost';
  const port = target.port || env['PGPORT'] || 5432;
  const database = target.database || env['PGDATABASE'] || target.user || env['PGUSER'] || '';
  return `${host}:${port}/${database}`;
}

/**
 * Metrics of each pg pool of the process, each under a name of its own (`host:port/database`, a later one of the
 * same database with `#2`): connections in use and idle, requests waiting, how long they waited, how long
 * connections were held, and acquire timeouts.
 *
 * It also carries the caller's context over the wait: pg-pool calls a waiting caller back from whoever released the
 * connection, and the query's span would join that one's trace.
 */
export class PoolInstrumentation extends InstrumentationBase {
  #names = new WeakMap<Pool, string>();
  /** Held weakly: a pool that nobody ends or keeps must not live on in here. */
  #pools = new Map<string, WeakRef<Pool>>();
  declare private waitTime: ReturnType<typeof this.meter.createHistogram>;
  declare private useTime: ReturnType<typeof this.meter.createHistogram>;
  declare private timeouts: ReturnType<typeof this.meter.createCounter>;

  constructor() {
    super('sqltrail-pools', '0.2.0', {});
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
        // Field initialisers come after the base class's constructor, which makes the instruments.
        for (const [name, held] of this.#pools ?? []) {
          const pool = held.deref();
          const isOver = !pool || pool.ended;
          const labels = { 'db.client.connection.pool.name': name };
          const observed = (of: (pool: Pool) => number) => (isOver ? 0 : of(pool));
          const state = (value: string) => ({ ...labels, 'db.client.connection.state': value });
          result.observe(
            count,
            observed(({ idleCount }) => idleCount),
            state('idle'),
          );
          result.observe(
            count,
            observed(({ totalCount, idleCount }) => totalCount - idleCount),
            state('used'),
          );
          result.observe(
            max,
            observed((live) => (live as unknown as { options: PoolOptions }).options.max),
            labels,
          );
          result.observe(
            pending,
            observed(({ waitingCount }) => waitingCount),
            labels,
          );
          // What is last observed stays in the exposition: zero is what a pool that is over must leave there.
          if (isOver) this.#pools.delete(name);
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
    let name = base;
    for (let i = 2; this.#pools.has(name); i += 1) name = `${base}#${i}`;
    this.#names.set(pool, name);
    this.#pools.set(name, new WeakRef(pool));
    const labels = { 'db.client.connection.pool.name': name };
    this.timeouts.add(0, labels);
    return name;
  }

  /** By the client's own `release`, which a pool sets anew each time: pools before 3.6 have no event for it. */
  #measureUse(client: PoolClient, name: string, since: number): PoolClient['release'] {
    const { release } = client;
    const instrumentation = this;
    let released = false;
    client.release = function (this: unknown, ...args) {
      if (!released)
        instrumentation.useTime.record((performance.now() - since) / 1000, {
          'db.client.connection.pool.name': name,
        });
      released = true;
      return release.apply(this as PoolClient, args);
    };
    return client.release;
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
          const measured = settle(error, client);
          context.with(caller, () => callback(error, client, measured ?? release));
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
  ): PoolClient['release'] | undefined {
    const endedMs = performance.now();
    const waitedMs = endedMs - startedMs;
    const labels = { 'db.client.connection.pool.name': name };
    this.waitTime.record(waitedMs / 1000, labels);
    const release = client && this.#measureUse(client, name, endedMs);
    const timedOut = isAcquireTimeout(error);
    if (timedOut) this.timeouts.add(1, labels);
    if ((waitedMs < SHORTEST_WAIT_MS && !error) || !trace.getSpan(caller)) return release;
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
    return release;
  }
}
