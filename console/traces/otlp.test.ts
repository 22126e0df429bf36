import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { otlpTrace } from '../../test/support/otlp.ts';
import { parseOtlp, spanLimits } from './otlp.ts';

const traceId = 'c'.repeat(32);

describe('parseOtlp', () => {
  it('reads times, kind, service, error and attributes', () => {
    const { spans } = parseOtlp(
      otlpTrace(traceId, [
        {
          id: 1,
          name: 'GET /',
          kind: 2,
          startMs: 1_700_000_000_000.25,
          durationMs: 12.5,
          error: 'broken',
          attributes: { a: 1, b: true },
        },
      ]),
    );
    expect(spans).toMatchObject([
      {
        traceId,
        kind: 'server',
        service: 'shop',
        startMs: 1_700_000_000_000.25,
        durationMs: 12.5,
        error: true,
        statusMessage: 'broken',
        attributes: { a: 1, b: true },
        parentSpanId: null,
      },
    ]);
  });

  it('rejects a span at fault alone', () => {
    const request = otlpTrace(
      traceId,
      [1, 2].map((id) => ({ id, name: 'x', startMs: 1, durationMs: 1 })),
    );
    const span = request.resourceSpans[0]?.scopeSpans[0]?.spans[0];
    if (span) span.traceId = 'not hex';
    expect(parseOtlp(request)).toMatchObject({
      rejected: 1,
      spans: [{ spanId: '0000000000000002' }],
      reason: expect.stringContaining('traceId'),
    });
  });

  it('cuts a long statement and marks the cut; leaves out a plan that is too long', () => {
    const [span] = parseOtlp(
      otlpTrace(traceId, [
        {
          id: 1,
          name: 'x',
          startMs: 1,
          durationMs: 1,
          attributes: {
            'db.query.text': 'x'.repeat(20_000),
            'sqltrail.plan': 'y'.repeat(spanLimits.planCharacters + 1),
          },
        },
      ]),
    ).spans;
    expect(span?.truncated.sort()).toEqual(['db.query.text', 'sqltrail.plan']);
    expect(String(span?.attributes['db.query.text'])).toMatch(/x… \[cut: 20000 characters\]$/);
    expect(span?.attributes).not.toHaveProperty('sqltrail.plan');
  });

  it('says what is wrong with a body that is no request', () => {
    expect(() => parseOtlp({ resourceSpans: 3 })).toThrow(/resourceSpans/);
  });

  it('never fails on a span, whatever it holds', () => {
    fc.assert(
      fc.property(fc.array(fc.anything()), (spans) => {
        const parsed = parseOtlp({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
        expect(parsed.spans.length + parsed.rejected).toBe(spans.length);
      }),
    );
  });
});
