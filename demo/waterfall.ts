import { styleText } from 'node:util';
import type { RecordedSpan } from '../report/recording.ts';

interface Row {
  depth: number;
  span: RecordedSpan;
  /** Identical siblings folded into this row; 1 for a span of its own. */
  repeats: number;
  totalMs: number;
}

function rowsBelow(
  spans: readonly RecordedSpan[],
  parent: string | null,
  depth: number,
  seen: Set<string>,
): Row[] {
  const children = spans
    .filter((span) => span.parentSpanId === parent && !seen.has(span.spanId))
    .sort((a, b) => a.startMs - b.startMs);
  const rows: Row[] = [];
  for (const span of children) {
    seen.add(span.spanId);
    const last = rows.findLast((row) => row.depth === depth);
    const leaf = !spans.some((other) => other.parentSpanId === span.spanId);
    if (
      leaf &&
      last &&
      rows.at(-1) === last &&
      last.span.name === span.name &&
      !span.error &&
      !last.span.error
    ) {
      last.repeats += 1;
      last.totalMs += span.durationMs;
      continue;
    }
    rows.push({ depth, span, repeats: 1, totalMs: span.durationMs });
    rows.push(...rowsBelow(spans, span.spanId, depth + 1, seen));
  }
  return rows;
}

/**
 * Draws a trace for a terminal: one line a span, a bar on the trace's own time axis, identical sibling queries
 * folded into one line with their number (the shape of an N+1).
 *
 * @param width columns of the terminal that may be used
 */
export function renderWaterfall(spans: readonly RecordedSpan[], width = 100): string[] {
  if (spans.length === 0) return ['(no spans)'];
  const ids = new Set(spans.map((span) => span.spanId));
  // A parent that is not in the trace (the caller's span, or one sampled out) makes its children roots.
  const rooted = spans.map((span) => ({
    ...span,
    parentSpanId: span.parentSpanId !== null && ids.has(span.parentSpanId) ? span.parentSpanId : null,
  }));
  const start = Math.min(...spans.map((span) => span.startMs));
  const total = Math.max(1, Math.max(...spans.map((span) => span.startMs + span.durationMs)) - start);
  const nameWidth = Math.max(28, Math.floor(width * 0.5));
  const barWidth = Math.max(10, width - nameWidth - 14);
  return rowsBelow(rooted, null, 0, new Set()).map(({ depth, span, repeats, totalMs }) => {
    const label = `${'  '.repeat(depth)}${repeats > 1 ? `×${repeats} ` : ''}${span.name}`;
    const name = label.length > nameWidth ? `${label.slice(0, nameWidth - 1)}…` : label.padEnd(nameWidth);
    const from = Math.min(barWidth - 1, Math.floor(((span.startMs - start) / total) * barWidth));
    const length = Math.max(1, Math.min(barWidth - from, Math.round((totalMs / total) * barWidth)));
    const bar = `${' '.repeat(from)}${'█'.repeat(length)}`.padEnd(barWidth);
    const time = `${Math.round(totalMs)} ms`.padStart(9);
    return `${name} ${span.error ? styleText('red', bar) : styleText('blue', bar)} ${time}${span.error ? ' ✗' : ''}`;
  });
}
