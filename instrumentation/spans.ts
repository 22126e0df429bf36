import { type Context, type Counter, metrics, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode, getRPCMetadata } from '@opentelemetry/core';
import type { ReadableSpan, Span, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { PlanCapture } from './plans.ts';
import { isSqlState, redactMessage } from './redaction.ts';

const STATEMENT_TIMEOUT = '57014';

const isQuery = (span: ReadableSpan) => span.attributes['db.system.name'] !== undefined;

/** How instrumentation-pg words the exception that it records. */
const PG_EXCEPTION = /^PostgreSQL error of type .* \(code: ([0-9A-Z]{5})\)$/;

/** The SQLSTATE of an exception event: its type, or part of the text that instrumentation-pg makes of it. */
function sqlStateOf(span: ReadableSpan): string | undefined {
  for (const { attributes } of span.events) {
    const type = attributes?.['exception.type'];
    if (isSqlState(type)) return type;
    const inText = PG_EXCEPTION.exec(String(attributes?.['exception.message'] ?? ''))?.[1];
    if (isSqlState(inText)) return inText;
  }
  return undefined;
}

/** Searches, session ids and addresses of customers; the route says what is needed of a path. */
function redactRequest({ attributes }: ReadableSpan): void {
  const { 'url.query': query, 'url.path': path } = attributes;
  if (path !== undefined) attributes['url.path'] = attributes['http.route'] ?? '/?';
  if (typeof query === 'string') attributes['url.query'] = query.replaceAll(/=[^&]*/g, '=?');
  for (const name of ['client.address', 'network.peer.address', 'network.peer.port']) delete attributes[name];
}

/**
 * Completes and redacts each span while it can still be written, then hands it on: the route onto query spans,
 * SQLSTATE and error type, no value in status or exception. Bounds how many finished spans wait for export, and
 * counts those it had to drop: a slow collector costs spans, never a request.
 */
export class ShopSpanProcessor implements SpanProcessor {
  readonly #next: SpanProcessor;
  readonly #exporter: CountingExporter;
  readonly #plans: PlanCapture | undefined;
  readonly #maxWaiting: number;
  #accepted = 0;
  #dropped: Counter | undefined;
  #timeouts: Counter | undefined;

  constructor(next: SpanProcessor, exporter: CountingExporter, maxWaiting: number, plans?: PlanCapture) {
    this.#next = next;
    this.#exporter = exporter;
    this.#maxWaiting = maxWaiting;
    this.#plans = plans;
  }

  /** To be called once the SDK has started. */
  createInstruments(): void {
    const meter = metrics.getMeter('sqltrail');
    this.#dropped = meter.createCounter('sqltrail_spans_dropped', {
      description: 'Finished spans not exported',
    });
    this.#timeouts = meter.createCounter('sqltrail_statement_timeouts', {
      description: 'Statements cancelled by statement_timeout',
    });
    this.#dropped.add(0, { reason: 'queue_full' });
  }

  onStart(span: Span, parent: Context): void {
    const route = getRPCMetadata(parent)?.route;
    if (route && (span as unknown as ReadableSpan).kind !== SpanKind.SERVER)
      span.setAttribute('http.route', route);
    this.#next.onStart(span, parent);
  }

  onEnding(span: Span): void {
    const readable = span as unknown as ReadableSpan;
    if (readable.kind === SpanKind.SERVER) redactRequest(readable);
    const sqlState = sqlStateOf(readable);
    const { message } = readable.status;
    if (isQuery(readable) && readable.status.code === SpanStatusCode.ERROR) {
      if (sqlState) span.setAttribute('db.response.status_code', sqlState);
      span.setAttribute('error.type', sqlState ?? 'connection');
      if (sqlState === STATEMENT_TIMEOUT && !message?.includes('user request'))
        this.#timeouts?.add(1, {
          db_query_summary: String(readable.attributes['db.query.summary'] ?? readable.name),
        });
    }
    if (message) readable.status.message = redactMessage(message, sqlState);
    for (const { attributes } of readable.events) {
      const text = attributes?.['exception.message'];
      if (!attributes || typeof text !== 'string') continue;
      const type = attributes['exception.type'];
      attributes['exception.message'] = redactMessage(text, isSqlState(type) ? type : sqlState);
      // The first lines of a stack trace repeat the message; its frames have no values.
      const stack = attributes['exception.stacktrace'];
      if (typeof stack === 'string')
        attributes['exception.stacktrace'] = stack
          .split('\n')
          .filter((line) => /^\s+at /.test(line))
          .join('\n');
    }
  }

  onEnd(span: ReadableSpan): void {
    if (isQuery(span)) this.#plans?.offer(span);
    if (this.#accepted - this.#exporter.settled >= this.#maxWaiting) {
      this.#dropped?.add(1, { reason: 'queue_full' });
      return;
    }
    this.#accepted += 1;
    this.#next.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}

/** Counts what could not be sent. The exporter behind it retries by itself. */
export class CountingExporter implements SpanExporter {
  /** Spans that were exported, or given up. */
  settled = 0;
  readonly #next: SpanExporter;
  #failures: Counter | undefined;
  #dropped: Counter | undefined;

  constructor(next: SpanExporter) {
    this.#next = next;
  }

  /** To be called once the SDK has started. */
  createInstruments(): void {
    const meter = metrics.getMeter('sqltrail');
    this.#failures = meter.createCounter('sqltrail_span_export_failures', {
      description: 'Batches of spans that the collector did not take',
    });
    this.#dropped = meter.createCounter('sqltrail_spans_dropped', {
      description: 'Finished spans not exported',
    });
    this.#failures.add(0);
    this.#dropped.add(0, { reason: 'export_failed' });
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.#next.export(spans, (result) => {
      this.settled += spans.length;
      if (result.code !== ExportResultCode.SUCCESS) {
        this.#failures?.add(1);
        this.#dropped?.add(spans.length, { reason: 'export_failed' });
      }
      done(result);
    });
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush?.() ?? Promise.resolve();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}
