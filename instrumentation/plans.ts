import { type Counter, context, metrics, ROOT_CONTEXT, type Span, SpanKind, trace } from '@opentelemetry/api';
import { hrTimeToMilliseconds, suppressTracing } from '@opentelemetry/core';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { LRUCache } from 'lru-cache';
import type pg from 'pg';
import { redactPlan } from './redaction.ts';
import type { Statement } from './statement.ts';

export interface PlanCaptureOptions {
  /** A role that may EXPLAIN the application's statements; the application's own will do. */
  databaseUrl: string;
  /** A statement at least this long has its plan captured, milliseconds. */
  slowMs: number;
}

interface Executed {
  sql: string;
  values: unknown[];
  statement: Statement;
}
interface Wanted extends Executed {
  span: ReadableSpan;
}

/** Plans that may wait; more are skipped, and counted. */
const LONGEST_QUEUE = 16;
/** One plan of a statement (by fingerprint) in this time, milliseconds. */
const EACH_STATEMENT_EVERY_MS = 15_000;
/** Planning takes milliseconds; this only bounds what a locked catalogue could cost. */
const EXPLAIN_TIMEOUT_MS = 2_000;
const IDLE_CONNECTION_MS = 30_000;
const LARGEST_PLAN_CHARACTERS = 200_000;

/**
 * Captures plans of slow statements, off the request's path and on a connection of its own, so that it works while
 * the pool is exhausted. EXPLAIN without ANALYZE plans the statement with the values it had and does not run it; the
 * plan becomes a child span `EXPLAIN {summary}` of the query's span, its literals masked.
 */
export class PlanCapture {
  readonly #options: PlanCaptureOptions;
  readonly #executed = new WeakMap<object, Executed>();
  readonly #recent = new LRUCache<string, true>({ max: 1_000, ttl: EACH_STATEMENT_EVERY_MS });
  readonly #queue: Wanted[] = [];
  #captures: Counter | undefined;
  #client: pg.Client | undefined;
  #busy = false;
  #closed = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: PlanCaptureOptions) {
    this.#options = options;
  }

  /** To be called once the SDK has started. */
  createInstruments(): void {
    this.#captures = metrics.getMeter('sqltrail').createCounter('sqltrail_plan_captures', {
      description: 'Plans of slow statements, by outcome',
    });
    for (const outcome of ['captured', 'failed', 'skipped']) this.#captures.add(0, { outcome });
  }

  /** Remembers, as long as the span lives, what was executed. The values stay in this process. */
  executed(span: Span, sql: string, values: unknown[] | undefined, statement: Statement): void {
    if (statement.explainable) this.#executed.set(span, { sql, values: values ?? [], statement });
  }

  /** Takes note of a finished query span. */
  offer(span: ReadableSpan): void {
    if (this.#closed || hrTimeToMilliseconds(span.duration) < this.#options.slowMs) return;
    const executed = this.#executed.get(span);
    const key = executed?.statement.fingerprint;
    if (!executed || !key || this.#recent.has(key)) return;
    if (this.#queue.length >= LONGEST_QUEUE) {
      this.#captures?.add(1, { outcome: 'skipped' });
      return;
    }
    this.#recent.set(key, true);
    this.#queue.push({ ...executed, span });
    if (!this.#busy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    clearTimeout(this.#idle);
    for (let wanted = this.#queue.shift(); wanted && !this.#closed; wanted = this.#queue.shift())
      try {
        await context.with(suppressTracing(ROOT_CONTEXT), () => this.#capture(wanted as Wanted));
        this.#captures?.add(1, { outcome: 'captured' });
      } catch {
        this.#captures?.add(1, { outcome: 'failed' });
        this.#disconnect();
      }
    this.#busy = false;
    this.#idle = setTimeout(() => this.#disconnect(), IDLE_CONNECTION_MS).unref();
  }

  async #connection(): Promise<pg.Client> {
    if (this.#client) return this.#client;
    // Loaded only now: were it loaded with this file, before the instrumentations, they would not patch it.
    const { default: driver } = await import('pg');
    const client = new driver.Client({
      connectionString: this.#options.databaseUrl,
      connectionTimeoutMillis: EXPLAIN_TIMEOUT_MS,
      query_timeout: EXPLAIN_TIMEOUT_MS * 2,
    });
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined;
    });
    await client.connect();
    this.#client = client;
    // Not asked for when connecting, because a pooler gives the name to the application next. Without one, the process
    // is the one that the server named for cancel requests (lib/pg/pooler.ts has the sources), and the session is ours.
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    if (rows[0]?.pid === (client as unknown as { processID: number }).processID)
      await client.query("SET application_name = 'sqltrail-plans'");
    // Not in the types; without it an idle connection would keep the application from ending.
    (client as unknown as { unref(): void }).unref();
    return client;
  }

  async #capture({ sql, values, statement, span }: Wanted): Promise<void> {
    const client = await this.#connection();
    const startTime = Date.now();
    let plan: string;
    try {
      // Nor is the timeout: poolers refuse that parameter.
      await client.query(`BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = ${EXPLAIN_TIMEOUT_MS}`);
      const { rows } = await client.query({
        text: `EXPLAIN (FORMAT JSON, SETTINGS) ${sql}`,
        values,
      });
      plan = JSON.stringify(redactPlan(rows[0]?.['QUERY PLAN']));
    } finally {
      await client.query('ROLLBACK');
    }
    if (plan.length > LARGEST_PLAN_CHARACTERS) throw new Error('plan too large');
    trace
      .getTracer('sqltrail-plans')
      .startSpan(
        `EXPLAIN ${statement.summary}`,
        {
          kind: SpanKind.INTERNAL,
          startTime,
          attributes: {
            'db.query.summary': statement.summary,
            'sqltrail.plan': plan,
            'sqltrail.plan.analyzed': false,
            'sqltrail.query.fingerprint': statement.fingerprint ?? '',
          },
        },
        trace.setSpanContext(ROOT_CONTEXT, span.spanContext()),
      )
      .end();
  }

  #disconnect(): void {
    const client = this.#client;
    this.#client = undefined;
    void client?.end().catch(() => {});
  }

  /** No more plans; the connection is closed. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#idle);
    this.#disconnect();
  }
}
