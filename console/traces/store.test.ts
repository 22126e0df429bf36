import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { slowRequest } from '../../test/support/otlp.ts';
import { parseOtlp } from './otlp.ts';
import type { Span } from './span.ts';
import { TraceStore } from './store.ts';

const id = (n: number) => n.toString(16).padStart(32, '0');
const span = (trace: number, n: number, over: Partial<Span> = {}): Span => ({
  traceId: id(trace),
  spanId: n.toString(16).padStart(16, '0'),
  parentSpanId: null,
  name: 'GET /',
  kind: 'server',
  service: 'shop',
  startMs: 1_000,
  durationMs: 10,
  error: false,
  statusMessage: null,
  attributes: {},
  events: [],
  truncated: [],
  ...over,
});

describe('TraceStore', () => {
  it('stays within both bounds, and its indexes never name a trace that is gone', () => {
    const given = fc.record({
      trace: fc.integer({ min: 1, max: 60 }),
      n: fc.integer({ min: 1, max: 40 }),
      error: fc.boolean(),
      durationMs: fc.integer({ min: 0, max: 1_000 }),
      text: fc.string({ maxLength: 2_000 }),
    });
    fc.assert(
      fc.property(fc.array(given, { maxLength: 300 }), (spans) => {
        const store = new TraceStore({ maxTraces: 20, maxBytes: 60_000 });
        for (const { trace, n, error, durationMs, text } of spans) {
          const attributes = { 'db.query.summary': `SELECT t${n % 3}`, 'db.query.text': text };
          store.add([span(trace, n, { error, durationMs, kind: 'client', attributes })]);
          expect(store.size).toBeLessThanOrEqual(20);
          expect(store.bytes).toBeLessThanOrEqual(60_000);
        }
        for (const statement of ['SELECT t0', 'SELECT t1', 'SELECT t2'])
          for (const { traceId } of store.find({ statement, limit: 200 }).found)
            expect(store.get(traceId)).toBeDefined();
        expect([...store.all()]).toHaveLength(store.size);
      }),
      { numRuns: 50 },
    );
  });

  it('lets ordinary traces go before slow and failed ones', () => {
    const store = new TraceStore({ maxTraces: 10 });
    store.add([span(1, 1, { error: true }), span(2, 1, { durationMs: 900 })]);
    for (let trace = 3; trace < 50; trace += 1) store.add([span(trace, 1)]);
    expect(store.get(id(1))).toBeDefined();
    expect(store.get(id(2))).toBeDefined();
    expect(store.get(id(3))).toBeUndefined();
    expect(store.evicted).toBe(39);
  });

  it('takes a span that is delivered twice once', () => {
    const store = new TraceStore();
    store.add([span(1, 1), span(1, 1)]);
    expect(store.get(id(1))?.spans).toHaveLength(1);
  });

  it('finds the statement that was called row by row', () => {
    const store = new TraceStore();
    store.add(parseOtlp(slowRequest(id(7), 1_000)).spans);
    expect(store.repeatedStatements()[0]).toMatchObject({
      summary: 'SELECT order_items',
      repeats: 12,
      traceId: id(7),
    });
    expect(store.sampleOf('SELECT orders')).toEqual({ traceId: id(7), durationMs: 720 });
  });
});
