import { type Context, context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { InstrumentationBase, InstrumentationNodeModuleDefinition } from '@opentelemetry/instrumentation';
import type { Pool, PoolClient } from 'pg';
import { observedPromise } from './observedPromise.ts';
import { type OtherPool, otherPools, type PoolFigures, targetOfClient } from './otherPools.ts';

type ConnectCallback = (error: Error | undefined, client?: PoolClient, release?: () => void) => void;
type Connect = (this: Pool, callback?: ConnectCallback) => Promise<PoolClient> | undefined;
type OtherExports = { Pool?: { prototype: OtherPool & { [ORIGINAL]?: OtherPool } } };
interface PoolOptions {
  host?: string;
  port?: number;
  database?: string;
  user?: string;
  connectionString?: string;
  max: number;
}

const PATCHED = Symbol('sqltrail.pg-pool.connect');
/** Of pools that are not pg-pool's. */
const ORIGINAL = Symbol('sqltrail.pool.methods');

const OVER: PoolFigures = { idle: 0, used: 0, max: 0, pending: 0, ended: true };

/** A shorter wait is nobody's trouble, and a span for each would double their number. */
const SHORTEST_WAIT_MS = 1;
/** Seconds; fine up to where customers notice, then up to the acquire timeouts in use. */
const WAIT_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10];

export const isAcquireTimeout = (error: unknown) =>
  error instanceof Error &&
  (error.message === 'timeout exceeded when trying to connect' || error.constructor.name === 'TimeoutError');

const figuresOfPgPool = (pool: Pool): PoolFigures => ({
  idle: pool.idleCount,
  used: pool.totalCount - pool.idleCount,
  max: (pool as unknown as { options: PoolOptions }).options.max,
  pending: pool.waitingCount,
  ended: pool.ended,
});

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
  // URL refuses several hosts, and an empty one before a user. As there, the last @ ends the user and the password.
  const [, authority = '', pathname = '', query = ''] =
    /^[a-z]+:\/\/(?:[^/?#]*@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?/s.exec(connectionString) ?? [];
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
 * Metrics of each pool of pg clients of the process, pg-pool's and those of {@link otherPools}, each under a name of
 * its own (`host:port/database`, a later one of the same database with `#2`): connections in use and idle, requests
 * waiting, how long they waited, how long connections were held, and acquire timeouts.
 *
 * It also carries the caller's context over the wait: pg-pool calls a waiting caller back from whoever released the
 * connection, and the query's span would join that one's trace.
 */
export class PoolInstrumentation extends InstrumentationBase {
  #names = new WeakMap<object, string>();
  /** Undefined for a pool that is gone. They are held weakly: one that nobody ends or keeps must not live on in here. */
  #pools = new Map<string, () => PoolFigures | undefined>();
  /** Where clients of other pools came from, and when. */
  #inUse = new WeakMap<object, { name: string; since: number }>();
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
        for (const [name, read] of this.#pools ?? []) {
          const figures = read();
          const isOver = !figures || figures.ended;
          const { idle, used, max: most, pending: waiting } = isOver ? OVER : figures;
          const labels = { 'db.client.connection.pool.name': name };
          const state = (value: string) => ({ ...labels, 'db.client.connection.state': value });
          result.observe(count, idle, state('idle'));
          result.observe(count, used, state('used'));
          result.observe(max, most, labels);
          result.observe(pending, waiting, labels);
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
      ...otherPools.map(
        ({ module: name, versions, figuresOf }) =>
          new InstrumentationNodeModuleDefinition(
            name,
            versions,
            (module: OtherExports) => {
              const { prototype } = module.Pool ?? {};
              if (prototype && !prototype[ORIGINAL]) this.#patchOther(prototype, figuresOf);
              return module;
            },
            (module: OtherExports) => {
              const { prototype } = module.Pool ?? {};
              if (!prototype) return;
              Object.assign(prototype, prototype[ORIGINAL]);
              delete prototype[ORIGINAL];
            },
          ),
      ),
    ];
  }

  #nameOf<P extends object>(
    pool: P,
    target: (pool: P) => PoolOptions,
    figuresOf: (pool: P) => PoolFigures,
  ): string {
    const known = this.#names.get(pool);
    if (known) return known;
    const base = baseName(target(pool));
    let name = base;
    for (let i = 2; this.#pools.has(name); i += 1) name = `${base}#${i}`;
    this.#names.set(pool, name);
    const held = new WeakRef(pool);
    this.#pools.set(name, () => {
      const live = held.deref();
      return live && figuresOf(live);
    });
    const labels = { 'db.client.connection.pool.name': name };
    this.timeouts.add(0, labels);
    return name;
  }

  #recordUse(name: string, since: number): void {
    this.useTime.record((performance.now() - since) / 1000, { 'db.client.connection.pool.name': name });
  }

  /** By the client's own `release`, which a pool sets anew each time: pools before 3.6 have no event for it. */
  #measureUse(client: PoolClient, name: string, since: number): PoolClient['release'] {
    const { release } = client;
    const instrumentation = this;
    let released = false;
    client.release = function (this: unknown, ...args) {
      if (!released) instrumentation.#recordUse(name, since);
      released = true;
      return release.apply(this as PoolClient, args);
    };
    return client.release;
  }

  #patchConnect(original: Connect): Connect {
    const plugin = this;
    return function connect(this: Pool, callback?: ConnectCallback) {
      const name = plugin.#nameOf(
        this,
        (pool) => (pool as unknown as { options: PoolOptions }).options,
        figuresOfPgPool,
      );
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
      return result && observedPromise(result, (client) => settle(undefined, client), settle);
    };
  }

  /** A pool of another library is known by the first pg client that it gives; one of other things is left alone. */
  #patchOther(
    prototype: OtherPool & { [ORIGINAL]?: OtherPool },
    figuresOf: (pool: OtherPool) => PoolFigures,
  ): void {
    const plugin = this;
    const { acquire, release } = prototype;
    prototype[ORIGINAL] = { acquire, release };
    prototype.acquire = function (this: OtherPool, ...args) {
      const caller = context.active();
      const startedMs = performance.now();
      const startTime = Date.now();
      const acquired = acquire.apply(this, args);
      const settle = (name: string, error?: unknown) =>
        plugin.#settle(name, caller, startTime, startedMs, error);
      const observed = (asked: Promise<unknown>) =>
        observedPromise(
          asked,
          (client) => {
            const target = targetOfClient(client);
            if (!target) return;
            const name = plugin.#nameOf(this, () => ({ ...target, max: 0 }), figuresOf);
            settle(name);
            plugin.#inUse.set(client as object, { name, since: performance.now() });
          },
          (error) => {
            const name = plugin.#names.get(this);
            if (name) settle(name, error);
          },
        );
      if (!('promise' in acquired)) return observed(acquired);
      acquired.promise = observed(acquired.promise);
      return acquired;
    };
    prototype.release = function (this: OtherPool, client, ...args) {
      const use = typeof client === 'object' && client !== null ? plugin.#inUse.get(client) : undefined;
      if (use) {
        plugin.#inUse.delete(client as object);
        plugin.#recordUse(use.name, use.since);
      }
      return release.call(this, client, ...args);
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
