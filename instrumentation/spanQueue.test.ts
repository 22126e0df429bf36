import { metrics, SpanStatusCode } from '@opentelemetry/api';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { type ReadableSpan, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, expect, it } from 'vitest';
import { SpanQueue } from './spanQueue.ts';

const BURST = 100_000;

/** Takes what it is sent and answers when it is told to, as a collector that hangs does. */
class HangingExporter implements SpanExporter {
  readonly spans: ReadableSpan[] = [];
  readonly #answers: (() => void)[] = [];
  #hangs = true;

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    const answer = () => {
      this.spans.push(...spans);
      done({ code: ExportResultCode.SUCCESS });
    };
    if (this.#hangs) this.#answers.push(answer);
    else answer();
  }

  goOn(): void {
    this.#hangs = false;
    for (const answer of this.#answers.splice(0)) answer();
  }

  async shutdown(): Promise<void> {}
}

class Reader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}

  async dropped(reason: string): Promise<number | undefined> {
    const { resourceMetrics } = await this.collect();
    for (const { metrics: found } of resourceMetrics.scopeMetrics)
      for (const { descriptor, dataPoints } of found)
        if (descriptor.name === 'sqltrail_spans_dropped')
          return dataPoints.find(({ attributes }) => attributes['reason'] === reason)?.value as number;
    return undefined;
  }
}

afterEach(() => metrics.disable());

it('a burst while the collector hangs: memory is bounded, each span kept or counted, errors and slow ones kept', async () => {
  const reader = new Reader();
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  const exporter = new HangingExporter();
  const queue = new SpanQueue({
    exporter,
    maxWaiting: 8_192,
    slowMs: 250,
    maxBatch: 512,
    everyMs: 10,
    timeoutMs: 3_600_000,
  });
  queue.createInstruments();
  const tracer = new TracerProvider({ spanProcessors: [queue] }).getTracer('test');
  let important = 0;
  for (let at = 0; at < BURST; at += 1) {
    // Seconds and nanoseconds: a number is taken for performance.now() or for the date, by how old the process is.
    const span = tracer.startSpan('SELECT item', { startTime: [0, 0] });
    if (at % 100 === 7) span.setStatus({ code: SpanStatusCode.ERROR });
    const slow = at % 100 === 70;
    if (at % 100 === 7 || slow) important += 1;
    span.end([0, (slow ? 250 : 249) * 1e6]);
  }
  exporter.goOn();
  await queue.forceFlush();
  const dropped = (await reader.dropped('queue_full')) ?? Number.NaN;
  expect(exporter.spans.length).toBeLessThanOrEqual(8_192);
  expect(exporter.spans.length + dropped).toBe(BURST);
  const kept = exporter.spans.filter(
    ({ status, duration: [seconds, nanoseconds] }) =>
      status.code === SpanStatusCode.ERROR || seconds * 1e3 + nanoseconds / 1e6 >= 250,
  );
  expect(important).toBeLessThan(8_192 / 4);
  expect(kept).toHaveLength(important);
  expect(await reader.dropped('export_failed')).toBe(0);
  await queue.shutdown();
});
