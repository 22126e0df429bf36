import { useRef, useState } from 'preact/hooks';
import type { StatementDetail, TraceReading } from '../details.ts';
import type { Span } from '../traces/span.ts';
import { ofShown } from './databases.ts';
import { Explained } from './findings.tsx';
import { milliseconds } from './format.ts';
import { useFetched } from './live.ts';
import { Notice, Pager, Scroll, Sql, statementLink, usePage, Waiting } from './parts.tsx';
import { parsePlan } from './plan.ts';
import { Plan } from './plan.tsx';

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

const planTextOf = (span: Span | undefined) => {
  const text = span?.attributes['sqltrail.plan'];
  return typeof text === 'string' ? text : undefined;
};

function SpanDetails({ span, spans }: { span: Span; spans: Span[] }) {
  const text = span.attributes['db.query.text'];
  const summary = span.attributes['db.query.summary'];
  const statement = typeof summary === 'string' ? summary : null;
  const { data: detail } = useFetched<StatementDetail>(
    statement === null ? null : ofShown(`/api/statement?summary=${encodeURIComponent(statement)}`),
    0,
  );
  const explain =
    planTextOf(span) === undefined
      ? spans.find((other) => other.parentSpanId === span.spanId && planTextOf(other) !== undefined)
      : span;
  const plan = parsePlan(planTextOf(explain) ?? '');
  // One summary may stand for several statements.
  const fingerprint = explain?.attributes['sqltrail.query.fingerprint'];
  const measured = detail?.measured?.find(
    (one) => one.fingerprint !== null && one.fingerprint === fingerprint,
  );
  const rest = Object.entries(span.attributes).filter(
    ([key]) => key !== 'db.query.text' && key !== 'sqltrail.plan',
  );
  return (
    <section aria-labelledby="span-title">
      <h2 id="span-title">{span.name}</h2>
      <p class="soft">
        {milliseconds(span.durationMs)} in {span.service}
        {statement === null ? null : (
          <>
            {' · '}
            <a href={statementLink(statement)}>All about {statement}</a>
          </>
        )}
        {span.error ? (
          <strong class="bad"> · ✗ failed{span.statusMessage ? `: ${span.statusMessage}` : ''}</strong>
        ) : null}
      </p>
      {statement === null ? null : <Explained statement={statement} traceId={span.traceId} />}
      <div class="two">
        {typeof text === 'string' ? (
          <div>
            <h3>SQL (values are never recorded)</h3>
            <Sql id="sql" text={text} cut={span.truncated.includes('db.query.text')} />
          </div>
        ) : null}
        {typeof text === 'string' || plan ? (
          <div>
            <h3>Plan</h3>
            {plan ? (
              <Plan
                plan={plan}
                facts={{ rowsPerCall: measured?.rowsPerCall, tableRows: detail?.tableRows ?? {} }}
              />
            ) : (
              <p class="soft">
                None was captured: plans are taken of slow statements, one in a while of each.
              </p>
            )}
          </div>
        ) : null}
      </div>
      <details>
        <summary>
          {rest.length} {rest.length === 1 ? 'attribute' : 'attributes'}
          {span.truncated.length > 0 ? ` (cut on arrival: ${span.truncated.join(', ')})` : ''}
        </summary>
        <Scroll label="Attributes">
          <table>
            <tbody>
              {rest.map(([key, value]) => (
                <tr key={key}>
                  <th scope="row">
                    <code>{key}</code>
                  </th>
                  <td class="value">{String(value)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </details>
    </section>
  );
}

const ROWS = 150;

function Waterfall({
  spans,
  selected,
  select,
}: {
  spans: Span[];
  selected: string | undefined;
  select: (spanId: string) => void;
}) {
  const rows = rowsOf(spans);
  const { at, pages, from, to, go } = usePage(rows.length, ROWS);
  const list = useRef<HTMLDivElement>(null);
  const start = spans.reduce((least, { startMs }) => Math.min(least, startMs), Number.POSITIVE_INFINITY);
  // Plans are captured after the request; they must not squeeze its time axis.
  const end = spans.reduce(
    (most, span) => (planTextOf(span) === undefined ? Math.max(most, span.startMs + span.durationMs) : most),
    start,
  );
  const total = Math.max(1, end - start);
  const shown = rows.slice(from, to);
  const tabbed = shown.some(({ span }) => span.spanId === selected) ? selected : shown[0]?.span.spanId;
  const move = (event: KeyboardEvent) => {
    const index = shown.findIndex(({ span }) => span.spanId === tabbed);
    const next = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: shown.length - 1 }[event.key];
    const row = next === undefined ? undefined : shown[next];
    if (!row) return;
    event.preventDefault();
    select(row.span.spanId);
    list.current?.querySelectorAll('button')[next as number]?.focus();
  };
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls of a form */}
      <div
        class="waterfall"
        role="group"
        aria-label="Spans, by start; arrow keys move"
        ref={list}
        onKeyDown={move}
      >
        {shown.map(({ span, depth, repeats, totalMs, startMs }) => {
          const x = Math.max(0, Math.min(99.5, ((startMs - start) / total) * 100));
          const width = Math.max(0.5, Math.min(100 - x, (totalMs / total) * 100));
          const kind = span.error ? 'bar error' : planTextOf(span) === undefined ? 'bar' : 'bar plan';
          return (
            <button
              type="button"
              class="row"
              key={span.spanId}
              aria-pressed={span.spanId === selected}
              tabIndex={span.spanId === tabbed ? 0 : -1}
              onClick={() => select(span.spanId)}
            >
              <span class="label" title={span.name}>
                {' '.repeat(Math.min(depth, 20) * 2)}
                {repeats > 1 ? <strong class="fold">{repeats} × </strong> : ''}
                {span.name}
                {span.error ? <strong class="bad"> ✗ failed</strong> : ''}
              </span>
              <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <rect class={kind} x={x} y="1" width={width} height="8" />
              </svg>
              <span class="num">{milliseconds(totalMs)}</span>
            </button>
          );
        })}
      </div>
      <Pager what="spans" at={at} pages={pages} go={go} />
    </>
  );
}

/** A trace's waterfall, and what is known about the span that is selected; at first the slowest statement. */
function Trace({ traceId, spans, droppedSpans }: TraceReading) {
  const slowest = spans
    .filter((span) => 'db.query.text' in span.attributes)
    .reduce<Span | undefined>(
      (most, span) => (most && most.durationMs >= span.durationMs ? most : span),
      undefined,
    );
  const [selected, select] = useState(slowest?.spanId ?? spans[0]?.spanId);
  const chosen = spans.find((span) => span.spanId === selected);
  const root = spans.find(({ parentSpanId }) => parentSpanId === null) ?? spans[0];
  return (
    <>
      <h2>{root?.name ?? 'Trace'}</h2>
      <p class="soft">
        <code>{traceId}</code> · {milliseconds(root?.durationMs ?? 0)} · {spans.length.toLocaleString('en')}{' '}
        spans
        {droppedSpans > 0 ? `, and ${droppedSpans.toLocaleString('en')} more that found no room` : ''}
      </p>
      <Waterfall spans={spans} selected={selected} select={select} />
      {chosen ? <SpanDetails key={chosen.spanId} span={chosen} spans={spans} /> : null}
    </>
  );
}

export function TracePage({ traceId }: { traceId: string }) {
  const { data, fault } = useFetched<TraceReading>(`/api/traces/${encodeURIComponent(traceId)}`, 0);
  if (data) return <Trace {...data} />;
  return (
    <>
      <h2>Trace</h2>
      {fault ? <Notice fault={fault} /> : <Waiting />}
      {fault ? (
        <p>
          <a href="#/traces">All stored traces</a> · <a href="#/statements">Statements</a>
        </p>
      ) : null}
    </>
  );
}
