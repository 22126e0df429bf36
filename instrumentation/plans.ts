import {
  type Counter,
  context,
  metrics,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { hrTimeToMilliseconds, suppressTracing } from '@opentelemetry/core';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { LRUCache } from 'lru-cache';
import type { Client } from 'pg';
import { PlanSession, type SessionTarget, targetOf } from './planSession.ts';
import { redactPlan } from './redaction.ts';
import { sessionStateOf } from './sessionState.ts';
import type { Statement } from './statement.ts';
import { takeAtMost } from './valueSize.ts';

export interface PlanCaptureOptions {
  /** A statement at least this long has its plan captured, milliseconds. */
  slowMs: number;
}

/** A statement as a client was given it. */
export interface Executed {
  client: Client;
  sql: string;
  values: unknown[];
  statement: Statement;
}
interface Remembered extends Executed {
  /** Statements that bring a new session to the state of the one that ran this one; undefined if none can. */
  repeat: readonly string[] | undefined;
}
interface Wanted {
  sql: string;
  values: unknown[];
  statement: Statement;
  span: ReadableSpan;
  target: SessionTarget;
  repeat: readonly string[];
}

/** Plans that may wait; more are skipped, and counted. */
const LONGEST_QUEUE = 16;
/** One plan of a statement (by fingerprint) in one kind of session in this time, milliseconds. */
const EACH_STATEMENT_EVERY_MS = 15_000;
const IDLE_CONNECTION_MS = 30_000;
const LARGEST_PLAN_CHARACTERS = 200_000;
/**
 * A statement and its values, bytes. They would go to the server again, and EXPLAIN writes the values into each condition,
 * of each partition.
 */
const LARGEST_STATEMENT = 65_536;

/** At zero, by outcome. Not before a statement runs: until it has a provider, the metrics API hands out what does nothing. */
function createCaptures(): Counter {
  const captures = metrics.getMeter('sqltrail').createCounter('sqltrail_plan_captures', {
    description: 'Plans of slow statements, by outcome',
  });
  for (const outcome of [
    'captured',
    'failed',
    'queue_full',
    'session_unknown',
    'connection_unknown',
    'too_large',
  ])
    captures.add(0, { outcome });
  return captures;
}

/**
 * Captures plans of slow statements, off the request's path and on a connection of its own, so that it works while the
 * pool is exhausted. EXPLAIN without ANALYZE plans the statement with the values it had and does not run it; the plan
 * becomes a child span `EXPLAIN {summary}` of the query's span, its literals masked.
 *
 * The connection has the parameters of the one that ran the statement, and repeats what that session was told with SET,
 * so the plan is of the same database, role, search path and settings. Where that cannot be had there is no plan, and
 * `sqltrail_plan_captures` counts why.
 */
export class PlanCapture {
  readonly #slowMs: number;
  readonly #executed = new WeakMap<object, Remembered>();
  readonly #recent = new LRUCache<string, true>({ max: 1_000, ttl: EACH_STATEMENT_EVERY_MS });
  readonly #queue: Wanted[] = [];
  #captures: Counter | undefined;
  #session: PlanSession | undefined;
  #busy = false;
  #closed = false;
  #idle: NodeJS.Timeout | undefined;

  constructor({ slowMs }: PlanCaptureOptions) {
    this.#slowMs = slowMs;
  }

  /** Remembers, until the span is offered, what was executed. The values stay in this process. */
  executed(span: Span, executed: Executed): void {
    this.#captures ??= createCaptures();
    this.#executed.set(span, { ...executed, repeat: sessionStateOf(executed.client).repeat() });
  }

  /** Takes note of a finished query span. */
  offer(span: ReadableSpan): void {
    const executed = this.#executed.get(span);
    // The span may wait long for an unavailable collector; what it executed must not.
    this.#executed.delete(span);
    if (executed && span.status.code === SpanStatusCode.ERROR)
      sessionStateOf(executed.client).failed(executed.statement);
    if (!executed?.statement.explainable) return;
    if (this.#closed || hrTimeToMilliseconds(span.duration) < this.#slowMs) return;
    if (!executed.statement.fingerprint) return;
    const { client, sql, values, statement, repeat } = executed;
    if (!repeat) {
      this.#count('session_unknown');
      return;
    }
    const target = targetOf(client);
    if (!target) {
      this.#count('connection_unknown');
      return;
    }
    const key = [statement.fingerprint, target.key, ...repeat].join(' ');
    if (this.#recent.has(key)) return;
    if (!takeAtMost([sql, values], LARGEST_STATEMENT)) {
      this.#count('too_large');
      return;
    }
    if (this.#queue.length >= LONGEST_QUEUE) this.#count('queue_full');
    else {
      this.#recent.set(key, true);
      this.#queue.push({ sql, values, statement, span, target, repeat });
      if (!this.#busy) void this.#work();
    }
  }

  #count(outcome: string): void {
    this.#captures?.add(1, { outcome });
  }

  async #work(): Promise<void> {
    this.#busy = true;
    clearTimeout(this.#idle);
    for (let wanted = this.#queue.shift(); wanted && !this.#closed; wanted = this.#queue.shift())
      try {
        await context.with(suppressTracing(ROOT_CONTEXT), () => this.#capture(wanted as Wanted));
        this.#count('captured');
      } catch {
        this.#count('failed');
        this.#disconnect();
      }
    this.#busy = false;
    this.#idle = setTimeout(() => this.#disconnect(), IDLE_CONNECTION_MS).unref();
  }

  async #capture({ sql, values, statement, span, target, repeat }: Wanted): Promise<void> {
    if (!this.#session?.isOf(target)) {
      this.#disconnect();
      this.#session = await PlanSession.open(target);
    }
    const startTime = Date.now();
    const plan = JSON.stringify(redactPlan(await this.#session.explain(sql, values, repeat)));
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
    this.#session?.close();
    this.#session = undefined;
  }

  /** No more plans; the connection is closed. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#idle);
    this.#disconnect();
  }
}
