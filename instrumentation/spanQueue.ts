import { type Context, type Counter, metrics, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode, hrTimeToMilliseconds } from '@opentelemetry/core';
import {
  BatchSpanProcessor,
  type ReadableSpan,
  type Span,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace';

export interface SpanQueueOptions {
  exporter: SpanExporter;
  /** Finished spans that may wait, those that are being sent included; about 2 KiB each. */
  maxWaiting: number;
  /** A span at least this long is slow, milliseconds. */
  slowMs: number;
  maxBatch: number;
  everyMs: number;
  timeoutMs: number;
}

/** Of the places in the queue, those that only errors and slow spans may take: what an incident is found by goes last. */
const RESERVED = 0.25;

/**
 * Sends finished spans in batches. Bounds how many wait, and counts by reason those that were never delivered: a slow
 * collector costs spans, never a request. The exporter retries by itself.
 */
export class SpanQueue implements SpanProcessor {
  readonly #next: BatchSpanProcessor;
  readonly #maxWaiting: number;
  readonly #maxOrdinary: number;
  readonly #slowMs: number;
  #waiting = 0;
  #failures: Counter | undefined;
  #dropped: Counter | undefined;

  constructor({ exporter, maxWaiting, slowMs, maxBatch, everyMs, timeoutMs }: SpanQueueOptions) {
    this.#maxWaiting = maxWaiting;
    this.#maxOrdinary = Math.ceil(maxWaiting * (1 - RESERVED));
    this.#slowMs = slowMs;
    this.#next = new BatchSpanProcessor({
      exporter: {
        export: (spans, done) => exporter.export(spans, (result) => this.#settled(spans, result, done)),
        forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
        shutdown: () => exporter.shutdown(),
      },
      // Never what bounds the queue: what the SDK drops itself, it does not count.
      maxQueueSize: maxWaiting * 2,
      maxExportBatchSize: Math.min(maxBatch, maxWaiting),
      scheduledDelayMillis: everyMs,
      exportTimeoutMillis: timeoutMs,
    });
  }

  #settled(spans: ReadableSpan[], result: ExportResult, done: (result: ExportResult) => void): void {
    this.#waiting -= spans.length;
    if (result.code !== ExportResultCode.SUCCESS) {
      this.#failures?.add(1);
      this.#dropped?.add(spans.length, { reason: 'export_failed' });
    }
    done(result);
  }

  /** Makes the counters, at zero, once the metrics API has a provider: before that it hands out those that do nothing. */
  createInstruments(): void {
    const meter = metrics.getMeter('sqltrail');
    this.#failures = meter.createCounter('sqltrail_span_export_failures', {
      description: 'Batches of spans that the collector did not take',
    });
    this.#dropped = meter.createCounter('sqltrail_spans_dropped', {
      description: 'Finished spans not exported',
    });
    this.#failures.add(0);
    for (const reason of ['queue_full', 'export_failed']) this.#dropped.add(0, { reason });
  }

  onStart(span: Span, parent: Context): void {
    this.#next.onStart(span, parent);
  }

  #isImportant({ status, duration }: ReadableSpan): boolean {
    return status.code === SpanStatusCode.ERROR || hrTimeToMilliseconds(duration) >= this.#slowMs;
  }

  onEnd(span: ReadableSpan): void {
    // The SDK's processor leaves those out too.
    if ((span.spanContext().traceFlags & TraceFlags.SAMPLED) === 0) return;
    if (this.#waiting >= (this.#isImportant(span) ? this.#maxWaiting : this.#maxOrdinary)) {
      this.#dropped?.add(1, { reason: 'queue_full' });
      return;
    }
    this.#waiting += 1;
    this.#next.onEnd(span);
  }

  forceFlush(): Promise<void> {
    return this.#next.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#next.shutdown();
  }
}
