import { type Context, type Counter, metrics, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import { getRPCMetadata } from '@opentelemetry/core';
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace';
import { isDescribed } from './described.ts';
import type { PlanCapture } from './plans.ts';
import { framesOf, isSqlState, redactAttributes, redactMessage, systemCallOf } from './redaction.ts';

/** query_canceled: statement_timeout, and also pg_cancel_backend, which the text tells apart. */
const STATEMENT_TIMEOUT = '57014';
/** pg's query_timeout: the client gave up, and the server may still be at it. */
const QUERY_TIMEOUT = 'query_timeout';

const isQuery = (span: ReadableSpan) => span.attributes['db.system.name'] !== undefined;

/** How instrumentation-pg words the exception that it records. */
const PG_EXCEPTION = /^PostgreSQL error of type .* \(code: ([0-9A-Z]{5})\)$/;

/** The SQLSTATE that the span has, or an exception event: its type, or part of what instrumentation-pg makes of it. */
function sqlStateOf(span: ReadableSpan): string | undefined {
  for (const { attributes } of span.events) {
    const type = attributes?.['exception.type'];
    if (isSqlState(type)) return type;
    const inText = PG_EXCEPTION.exec(String(attributes?.['exception.message'] ?? ''))?.[1];
    if (isSqlState(inText)) return inText;
  }
  const attribute = span.attributes['db.response.status_code'];
  return isSqlState(attribute) ? attribute : undefined;
}

/** pg's own words for what ends a statement without a SQLSTATE. */
const CLIENT_ERRORS: [text: RegExp, type: string][] = [
  [/^Query read timeout$/, QUERY_TIMEOUT],
  [/^timeout exceeded when trying to connect$/, 'pool_timeout'],
  [/not queryable$|^Cannot use a pool after calling end/, 'client_closed'],
  [/^Connection terminated/, 'connection'],
];

/** `error.type` of a statement that failed: its SQLSTATE, or what became of it on the way; never part of a text. */
const errorTypeOf = (message: string, sqlState: string | undefined) =>
  sqlState ??
  CLIENT_ERRORS.find(([text]) => text.test(message))?.[1] ??
  (systemCallOf(message) ? 'connection' : '_OTHER');

export interface RedactingSpanProcessorOptions {
  /** Is offered each finished statement. */
  plans?: PlanCapture | undefined;
}

/**
 * Completes and redacts each span while it can still be written, whoever made it, then hands it on: the route onto
 * the spans of its statements, SQLSTATE and error type, no value in attributes, status or events.
 *
 * @example new TracerProvider({ spanProcessors: [new RedactingSpanProcessor(new BatchSpanProcessor({ exporter }))] })
 */
export class RedactingSpanProcessor implements SpanProcessor {
  readonly #next: SpanProcessor;
  readonly #plans: PlanCapture | undefined;
  #timeouts: Counter | undefined;

  constructor(next: SpanProcessor, { plans }: RedactingSpanProcessorOptions = {}) {
    this.#next = next;
    this.#plans = plans;
  }

  onStart(span: Span, parent: Context): void {
    const route = getRPCMetadata(parent)?.route;
    if (route && (span as unknown as ReadableSpan).kind !== SpanKind.SERVER)
      span.setAttribute('http.route', route);
    this.#next.onStart(span, parent);
  }

  onEnding(span: Span): void {
    const readable = span as unknown as ReadableSpan;
    const described = isDescribed(span);
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
        this.#countTimeout(String(summary ?? 'OTHER'));
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

  #countTimeout(summary: string): void {
    // Only now: before it has a provider, the metrics API hands out instruments that do nothing.
    this.#timeouts ??= metrics.getMeter('sqltrail').createCounter('sqltrail_statement_timeouts', {
      description: 'Statements ended by statement_timeout, or given up by the client after query_timeout',
    });
    this.#timeouts.add(1, { db_query_summary: summary });
  }

  onEnd(span: ReadableSpan): void {
    if (isQuery(span)) this.#plans?.offer(span);
    this.#next.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}
