import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RecordedSpan } from '../report/recording.ts';
import { renderWaterfall } from './waterfall.ts';

const span = (
  spanId: string,
  parentSpanId: string | null,
  name: string,
  startMs: number,
  durationMs: number,
): RecordedSpan => ({
  spanId,
  parentSpanId,
  name,
  startMs,
  durationMs,
  error: false,
  sql: null,
  plan: null,
});

const draw = (spans: RecordedSpan[]) => renderWaterfall(spans).map(stripVTControlCharacters);

describe('renderWaterfall', () => {
  it('folds identical sibling queries into one line with their number and their whole time', () => {
    const lines = draw([
      span('a', 'not-in-trace', 'GET /orders', 0, 100),
      span('b', 'a', 'SELECT orders', 0, 20),
      ...Array.from({ length: 7 }, (_, i) => span(`c${i}`, 'a', 'SELECT order_items', 20 + i * 10, 10)),
    ]);
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(/×7 SELECT order_items .* 70 ms/);
  });

  it('keeps a failed query on a line of its own', () => {
    const failed = { ...span('c', 'a', 'SELECT x', 10, 5), error: true };
    const lines = draw([span('a', null, 'GET /', 0, 20), span('b', 'a', 'SELECT x', 0, 5), failed]);
    expect(lines).toHaveLength(3);
    expect(lines[2]).toContain('✗');
  });

  it('shows every span of any tree once, cycles and orphans included', () => {
    const trees = fc.array(fc.record({ parent: fc.nat(12), start: fc.nat(1000), duration: fc.nat(1000) }), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(trees, (nodes) => {
        const spans = nodes.map((node, i) =>
          span(`s${i}`, `s${Math.min(node.parent, i - 1)}`, `span ${i}.`, node.start, node.duration),
        );
        const text = draw(spans).join('\n');
        for (const { name } of spans) expect(text).toContain(name);
      }),
    );
  });
});
