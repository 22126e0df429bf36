import {
  type Span as ApiSpan,
  type Context,
  type Counter,
  metrics,
  SpanKind,
  SpanStatusCode,
} from '@opentelemetry/api';
import { type ExportResult, ExportResultCode, getRPCMetadata } from '@opentelemetry/core';
import type { ReadableSpan, Span, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace';
import type { PlanCapture } from './plans.ts';
import { framesOf, isSqlState, redactAttributes, redactMessage } from './redaction.ts';
import type { Statement } from './statement.ts';

/** query_canceled: statement_timeout, and also pg_cancel_backend, which the text tells apart. */
const STATEMENT_TIMEOUT = '57014';
/** pg's query_timeout: the client gave up, and the server may still be at it. */
const QUERY_TIMEOUT = 'query_timeout';

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

/** pg's own words for what ends a statement without a SQLSTATE. */
const CLIENT_ERRORS: [text: RegExp, type: string][] = [
  [/^Query read timeout$/, QUERY_TIMEOUT],
  [/^timeout exceeded when trying to connect$/, 'pool_timeout'],
  [/not queryable$|^Cannot use a pool after calling end/, 'client_closed'],
  [/^Connection terminated/, 'connection'],
  [/^(?:[a-z]+ )?E[A-Z]{3,}\b/, 'connection'],
];

/** `error.type` of a statement that failed: its SQLSTATE, or what became of it on the way; never part of a text. */
const errorTypeOf = (message: string, sqlState: string | undefined) =>
  sqlState ?? CLIENT_ERRORS.find(([text]) => text.test(message))?.[1] ?? '_OTHER';

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
  readonly #described = new WeakSet<object>();
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
      description: 'Statements ended by statement_timeout, or given up by the client after query_timeout',
    });
    this.#dropped.add(0, { reason: 'queue_full' });
  }

  onStart(span: Span, parent: Context): void {
    const route = getRPCMetadata(parent)?.route;
    if (route && (span as unknown as ReadableSpan).kind !== SpanKind.SERVER)
      span.setAttribute('http.route', route);
    this.#next.onStart(span, parent);
  }

  /** Gives a query span what is known of its statement, which is then not looked for again at its end. */
  describe(span: ApiSpan, statement: Statement): void {
    this.#described.add(span);
    span.updateName(statement.summary);
    span.setAttributes({
      'db.query.text': statement.text,
      'db.query.summary': statement.summary,
      'db.operation.name': statement.operation,
      ...(statement.collection ? { 'db.collection.name': statement.collection } : {}),
      ...(statement.fingerprint ? { 'sqltrail.query.fingerprint': statement.fingerprint } : {}),
    });
  }

  onEnding(span: Span): void {
    const readable = span as unknown as ReadableSpan;
    const described = this.#described.has(span);
    redactAttributes(readable.attributes, described);
    const summary = readable.attributes['db.query.summary'];
    // instrumentation-pg puts the first word of the raw text into the name, whatever it is.
    if (!described && typeof summary === 'string' && readable.name.startsWith('pg.query:'))
      span.updateName(summary);
    const sqlState = sqlStateOf(readable);
    const message = readable.status.message ?? '';
    if (isQuery(readable) && readable.status.code === SpanStatusCode.ERROR) {
      const errorType = errorTypeOf(message, sqlState);
      if (sqlState) span.setAttribute('db.response.status_code', sqlState);
      span.setAttribute('error.type', errorType);
      if (
        errorType === QUERY_TIMEOUT ||
        (sqlState === STATEMENT_TIMEOUT && !message.includes('user request'))
      )
        this.#timeouts?.add(1, { db_query_summary: String(summary ?? 'OTHER') });
    }
    if (message) readable.status.message = redactMessage(message, sqlState);
    for (const { attributes } of readable.events) {
      if (!attributes) continue;
      redactAttributes(attributes, false);
      const type = attributes['exception.type'];
      const text = attributes['exception.message'];
      if (typeof text === 'string')
        attributes['exception.message'] = redactMessage(text, isSqlState(type) ? type : sqlState);
      const stack = attributes['exception.stacktrace'];
      if (typeof stack === 'string') attributes['exception.stacktrace'] = framesOf(stack);
    }
    for (const { attributes } of readable.links) if (attributes) redactAttributes(attributes, false);
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
