import { useState } from 'preact/hooks';
import type { TraceSummary } from '../traces/store.ts';
import { ago, milliseconds } from './format.ts';
import { useFetched } from './live.ts';
import { Notice, Pager, Scroll, statementLink, traceLink, Waiting } from './parts.tsx';

const PAGE = 25;

export interface TraceListFilter {
  statement?: string;
  route?: string;
  errors?: boolean;
  minDurationMs?: number;
}

/** The traces that match, in pages, as the store orders them. */
export function TraceList({ filter }: { filter: TraceListFilter }) {
  const { statement, route, errors, minDurationMs } = filter;
  const key = JSON.stringify(filter);
  // Another filter begins at its first page.
  const [place, setPlace] = useState({ key, page: 0 });
  const page = place.key === key ? place.page : 0;
  const query = new URLSearchParams({
    limit: String(PAGE),
    offset: String(page * PAGE),
    ...(statement === undefined ? {} : { statement }),
    ...(route ? { route } : {}),
    ...(errors ? { errors: 'true' } : {}),
    ...(minDurationMs ? { minDurationMs: String(minDurationMs) } : {}),
  });
  const { data, fault, total = 0 } = useFetched<TraceSummary[]>(`/api/traces?${query}`, 2);
  return (
    <>
      <Notice fault={fault} />
      {data === undefined && !fault ? <Waiting /> : null}
      {data?.length === 0 ? (
        <p class="hollow">
          None is kept: slow and failed requests are, and a few of the others; older ones make room for newer
          ones.
        </p>
      ) : null}
      {data && data.length > 0 ? (
        <>
          <p class="soft small" role="status">
            {total.toLocaleString('en')} traces
          </p>
          <Scroll label="Traces">
            <table>
              <thead>
                <tr>
                  <th>Request</th>
                  <th>Started</th>
                  <th class="num">Whole request</th>
                  <th>Slowest statement</th>
                  {statement === undefined ? null : <th class="num">Slowest call</th>}
                  {statement === undefined ? null : <th class="num">Calls</th>}
                  <th>Most repeated</th>
                  <th class="num">Spans</th>
                  <th class="num">Failed spans</th>
                </tr>
              </thead>
              <tbody>
                {data.map((trace) => (
                  <tr key={trace.traceId}>
                    <td>
                      <a href={traceLink(trace.traceId)}>{trace.name}</a>
                    </td>
                    <td class="nowrap">{ago(trace.startedAt)} ago</td>
                    <td class="num">{milliseconds(trace.durationMs)}</td>
                    <td>
                      {trace.slowest ? (
                        <a href={statementLink(trace.slowest.summary)}>{trace.slowest.summary}</a>
                      ) : (
                        '–'
                      )}
                    </td>
                    {statement === undefined ? null : (
                      <td class="num">{trace.statement ? milliseconds(trace.statement.maxMs) : '–'}</td>
                    )}
                    {statement === undefined ? null : <td class="num">{trace.statement?.calls ?? '–'}</td>}
                    <td>
                      {trace.repeated && trace.repeated.repeats > 2
                        ? `${trace.repeated.repeats} × ${trace.repeated.summary}`
                        : '–'}
                    </td>
                    <td class="num">{trace.spans}</td>
                    <td class={`num ${trace.errorSpans > 0 ? 'bad' : ''}`}>{trace.errorSpans}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
          <Pager
            what="traces"
            at={page}
            pages={Math.max(1, Math.ceil(total / PAGE))}
            go={(next) => setPlace({ key, page: next })}
          />
        </>
      ) : null}
    </>
  );
}

const least = [0, 100, 500, 2_000];

export function TracesPage() {
  const [errors, wantErrors] = useState(false);
  const [minDurationMs, setLeast] = useState(0);
  const [route, setRoute] = useState('');
  return (
    <>
      <h2>Traces</h2>
      <div class="filters">
        <label>
          Route{' '}
          <input
            type="search"
            id="find"
            placeholder="/orders/:orderNumber"
            value={route}
            onChange={(event) => setRoute(event.currentTarget.value.trim())}
          />
        </label>
        <label>
          At least{' '}
          <select
            value={String(minDurationMs)}
            onChange={(event) => setLeast(Number(event.currentTarget.value))}
          >
            {least.map((ms) => (
              <option key={ms} value={String(ms)}>
                {ms === 0 ? 'any duration' : milliseconds(ms)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <input
            type="checkbox"
            checked={errors}
            onChange={(event) => wantErrors(event.currentTarget.checked)}
          />{' '}
          failed only
        </label>
      </div>
      <TraceList filter={{ errors, minDurationMs, route }} />
    </>
  );
}
