import { useState } from 'preact/hooks';
import { formatDialect, postgresql } from 'sql-formatter';
import type { Span } from '../traces/span.ts';
import { milliseconds, plain } from './format.ts';

interface Row {
  span: Span;
  depth: number;
  /** Calls folded into this row. */
  repeats: number;
  totalMs: number;
  /** Of the first call; `span` is the slowest. */
  startMs: number;
}

/** Depth first; like siblings in a row fold into one, which is what N+1 looks like. */
function rowsOf(spans: Span[]): Row[] {
  const ids = new Set(spans.map((span) => span.spanId));
  const children = Map.groupBy(spans, (span) =>
    span.parentSpanId && ids.has(span.parentSpanId) ? span.parentSpanId : '',
  );
  const rows: Row[] = [];
  const walk = (parent: string, depth: number) => {
    let last: Row | undefined;
    for (const span of (children.get(parent) ?? []).toSorted((a, b) => a.startMs - b.startMs)) {
      const leaf = !children.has(span.spanId);
      if (
        leaf &&
        last &&
        last.span.name === span.name &&
        !span.error &&
        !last.span.error &&
        !children.has(last.span.spanId)
      ) {
        last.repeats += 1;
        last.totalMs += span.durationMs;
        if (span.durationMs > last.span.durationMs) last.span = span;
        continue;
      }
      last = { span, depth, repeats: 1, totalMs: span.durationMs, startMs: span.startMs };
      rows.push(last);
      walk(span.spanId, depth + 1);
    }
  };
  walk('', 0);
  return rows;
}

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  Filter?: string;
  'Index Cond'?: string;
  'Hash Cond'?: string;
  'Join Filter'?: string;
  'Total Cost': number;
  'Plan Rows': number;
  Plans?: PlanNode[];
}

function PlanTree({ node }: { node: PlanNode }) {
  const isScan = node['Node Type'] === 'Seq Scan';
  const conditions = [node.Filter, node['Index Cond'], node['Hash Cond'], node['Join Filter']].filter(
    Boolean,
  );
  return (
    <li>
      <span class={isScan ? 'scan' : ''}>{node['Node Type']}</span>
      {node['Relation Name'] ? ` on ${node['Relation Name']}` : ''}
      {node['Index Name'] ? ` using ${node['Index Name']}` : ''}{' '}
      <span class="cost">
        cost {plain(node['Total Cost'])}, {plain(node['Plan Rows'])} rows expected
      </span>
      {conditions.map((condition) => (
        <div key={condition}>
          <code>{condition}</code>
        </div>
      ))}
      {node.Plans ? (
        <ul class="plan">
          {node.Plans.map((child, i) => (
            <PlanTree key={i} node={child} />
          ))}
        </ul>
      ) : null}
    </li>
  );
}

function readPlan(span: Span | undefined): PlanNode | undefined {
  try {
    return JSON.parse(String(span?.attributes['sqltrail.plan']))[0].Plan;
  } catch {
    return undefined;
  }
}

function prettySql(text: string): string {
  try {
    return formatDialect(text, { dialect: postgresql, keywordCase: 'upper' });
  } catch {
    return text;
  }
}

function SpanDetails({ span, spans }: { span: Span; spans: Span[] }) {
  const text = span.attributes['db.query.text'];
  const explain =
    'sqltrail.plan' in span.attributes
      ? span
      : spans.find((other) => other.parentSpanId === span.spanId && 'sqltrail.plan' in other.attributes);
  const plan = readPlan(explain);
  const rest = Object.entries(span.attributes).filter(
    ([key]) => key !== 'db.query.text' && key !== 'sqltrail.plan',
  );
  return (
    <section aria-label="Selected span">
      <h2>{span.name}</h2>
      <p class="soft">
        {milliseconds(span.durationMs)} in {span.service}
        {span.error ? (
          <strong class="bad"> · failed{span.statusMessage ? `: ${span.statusMessage}` : ''}</strong>
        ) : (
          ''
        )}
      </p>
      <div class="two">
        {typeof text === 'string' ? (
          <div>
            <h3>SQL (values are never recorded)</h3>
            <pre id="sql">{prettySql(text)}</pre>
          </div>
        ) : null}
        {typeof text === 'string' && !plan ? (
          <div>
            <h3>Plan</h3>
            <p class="soft">None was captured: plans are taken of slow statements, a few of each kind.</p>
          </div>
        ) : null}
        {plan ? (
          <div>
            <h3>Plan (EXPLAIN, not executed again)</h3>
            <ul class="plan" id="plan">
              <PlanTree node={plan} />
            </ul>
          </div>
        ) : null}
        <div>
          <h3>Attributes</h3>
          <div class="scroll" tabIndex={0} role="region" aria-label="Attributes">
            <table>
              <tbody>
                {rest.map(([key, value]) => (
                  <tr key={key}>
                    <td>
                      <code>{key}</code>
                    </td>
                    <td>{String(value)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </div>
      </div>
    </section>
  );
}

/** A trace's waterfall, and what is known about the span that is selected; at first the slowest statement. */
export function Trace({ traceId, spans }: { traceId: string; spans: Span[] }) {
  const rows = rowsOf(spans);
  const slowest = spans
    .filter((span) => 'db.query.text' in span.attributes)
    .toSorted((a, b) => b.durationMs - a.durationMs)[0];
  const [selected, select] = useState(slowest?.spanId ?? spans[0]?.spanId);
  const start = Math.min(...spans.map((span) => span.startMs));
  // Plans are captured after the request; they must not squeeze its time axis.
  const timed = spans.filter((span) => !('sqltrail.plan' in span.attributes));
  const total = Math.max(1, Math.max(...timed.map((span) => span.startMs + span.durationMs)) - start);
  const chosen = spans.find((span) => span.spanId === selected);
  return (
    <>
      <h2>{spans[0]?.name ?? 'Trace'}</h2>
      <p class="soft">
        <code>{traceId}</code> · {milliseconds(total)} · {spans.length} spans
      </p>
      <div class="waterfall">
        {rows.map(({ span, depth, repeats, totalMs, startMs }) => {
          const from = Math.min(99.5, ((startMs - start) / total) * 100);
          const width = Math.max(0.5, Math.min(100 - from, (totalMs / total) * 100));
          const kind = span.error ? 'bar error' : 'sqltrail.plan' in span.attributes ? 'bar plan' : 'bar';
          return (
            <button
              type="button"
              class="row"
              key={span.spanId}
              aria-pressed={span.spanId === selected}
              onClick={() => select(span.spanId)}
            >
              <span class="label">
                {' '.repeat(depth * 2)}
                {repeats > 1 ? <strong class="fold">{repeats} × </strong> : ''}
                {span.name}
                {span.error ? <strong class="bad"> ✗ failed</strong> : ''}
              </span>
              <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <rect class={kind} x={from} y="1" width={width} height="8" />
              </svg>
              <span class="num">{milliseconds(totalMs)}</span>
            </button>
          );
        })}
      </div>
      {chosen ? <SpanDetails span={chosen} spans={spans} /> : null}
    </>
  );
}
