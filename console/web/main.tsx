import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { KpiReading, StatementReading } from '../readings.ts';
import type { Alert } from '../sources/alertmanager.ts';
import type { Span } from '../traces/span.ts';
import type { TraceSummary } from '../traces/store.ts';
import { ago, milliseconds, percent, plain, seconds, withUnit } from './format.ts';
import { Trace } from './trace.tsx';

interface Fault {
  title: string;
  detail: string;
  nextStep?: string;
}

interface Polled<T> {
  data?: T;
  fault?: Fault;
}

const EVERY_MS = 5_000;

async function load<T>(url: string): Promise<Polled<T>> {
  try {
    const response = await fetch(url);
    const body = await response.json();
    return response.ok ? { data: body } : { fault: body };
  } catch {
    return {
      fault: {
        title: 'The console does not answer',
        detail: 'What is shown is from before.',
        nextStep: 'Look whether it still runs.',
      },
    };
  }
}

/** Polls a resource; keeps the last answer beside the fault, so that an outage does not blank the page. */
function usePolled<T>(url: string): Polled<T> {
  const [state, set] = useState<Polled<T>>({});
  useEffect(() => {
    let live = true;
    let timer: ReturnType<typeof setTimeout>;
    const poll = async () => {
      const next = await load<T>(url);
      if (!live) return;
      set((before) => (next.fault && before.data ? { data: before.data, fault: next.fault } : next));
      timer = setTimeout(poll, EVERY_MS);
    };
    void poll();
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [url]);
  return state;
}

const Notice = ({ fault }: { fault: Fault | undefined }) =>
  fault ? (
    <p class="notice" role="alert">
      <strong>{fault.title}.</strong> {fault.detail} {fault.nextStep}
    </p>
  ) : null;

const groupNames: Record<string, string> = {
  'user-experience': 'What customers notice',
  throughput: 'Throughput',
  queries: 'Statements',
  connections: 'Connections',
  capacity: 'Capacity and growth',
  structure: 'Structure',
  business: 'Business',
};

function Tile({ kpi }: { kpi: KpiReading }) {
  const state = kpi.met === null ? 'unknown' : kpi.met ? 'met' : 'missed';
  const word = { unknown: '○ no data', met: '✓ met', missed: '✗ missed' }[state];
  return (
    <div
      class={`tile ${state}`}
      title={[kpi.meaning, kpi.justification, kpi.reason].filter(Boolean).join('\n\n')}
    >
      <div class="name">{kpi.name}</div>
      <div class="value">{kpi.value === null ? '–' : withUnit(kpi.value, kpi.unit)}</div>
      <div class="state">
        <strong>{word}</strong> · objective {kpi.objective.comparison === '<=' ? '≤' : '≥'}{' '}
        {withUnit(kpi.objective.value, kpi.unit)}
      </div>
      {state === 'missed' ? <div class="meaning">{kpi.meaning}</div> : null}
    </div>
  );
}

function countOf(kpis: KpiReading[]): string {
  const missed = kpis.filter((kpi) => kpi.met === false).length;
  return missed > 0 ? `${missed} of ${kpis.length} missed` : '';
}

function Kpis() {
  const { data, fault } = usePolled<KpiReading[]>('/api/kpis');
  const groups = Map.groupBy(data ?? [], (kpi) => kpi.group);
  return (
    <section aria-label="KPIs">
      <h2>KPIs against their objectives</h2>
      <Notice fault={fault} />
      {[...groups].map(([group, kpis]) => (
        <div key={group}>
          <h3>
            {groupNames[group]} <span class="count">{countOf(kpis)}</span>
          </h3>
          <div class="tiles">
            {kpis.map((kpi) => (
              <Tile key={kpi.id} kpi={kpi} />
            ))}
          </div>
        </div>
      ))}
    </section>
  );
}

function Alerts() {
  const { data, fault } = usePolled<Alert[]>('/api/alerts');
  return (
    <section aria-label="Alerts">
      <h2>Alerts {data ? `(${data.filter((alert) => !alert.muted).length} firing)` : ''}</h2>
      <Notice fault={fault} />
      {data?.length === 0 ? <p class="soft">None is firing.</p> : null}
      <ul class="alerts">
        {data?.map((alert) => (
          <li key={alert.fingerprint} class={alert.muted ? 'muted' : alert.severity}>
            <strong>{alert.name}</strong>{' '}
            <span class="soft">
              {alert.severity}, for {ago(alert.startsAt)}
              {alert.muted === 'inhibited' ? ', muted: its cause fires as well' : ''}
              {alert.muted === 'silenced' ? ', silenced' : ''}
            </span>
            <div>{alert.summary}</div>
            <div class="labels">
              {Object.entries(alert.labels)
                .filter(([key]) => key !== 'alertname' && key !== 'severity')
                .map(([key, value]) => (
                  <span key={key}>
                    {key} <b>{value}</b>
                  </span>
                ))}
              {alert.labels['db_query_summary'] ? (
                <a href={`#/statements/${encodeURIComponent(alert.labels['db_query_summary'])}`}>Traces</a>
              ) : null}
              {alert.runbook ? (
                <a href={alert.runbook} target="_blank" rel="noreferrer">
                  Runbook
                </a>
              ) : null}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Statements() {
  const { data, fault } = usePolled<StatementReading[]>('/api/statements');
  return (
    <section aria-label="Statements">
      <h2>
        Slowest statements <span class="count">last 5 minutes, by share of time</span>
      </h2>
      <Notice fault={fault} />
      {data?.length === 0 ? (
        <p class="soft">No statement in the last five minutes: send the shop some requests.</p>
      ) : null}
      {data && data.length > 0 ? (
        <div class="scroll" tabIndex={0} role="region" aria-label="Table">
          <table>
            <thead>
              <tr>
                <th>Statement</th>
                <th>Share of statement time</th>
                <th class="num">p95</th>
                <th class="num">mean</th>
                <th class="num">calls /s</th>
                <th class="num">failed</th>
                <th>Slowest trace</th>
              </tr>
            </thead>
            <tbody>
              {data.map((statement) => (
                <tr key={statement.summary}>
                  <td>
                    <a href={`#/statements/${encodeURIComponent(statement.summary)}`}>{statement.summary}</a>
                    {statement.text ? (
                      <code class="snippet" title={statement.text}>
                        {statement.text.replace(/\s+/g, ' ')}
                      </code>
                    ) : null}
                  </td>
                  <td>
                    <svg width="80" height="10" aria-hidden="true">
                      <rect class="bar" width={80 * (statement.timeShare ?? 0)} height="10" />
                    </svg>{' '}
                    {percent(statement.timeShare ?? 0)}
                  </td>
                  <td class="num">{statement.p95Seconds === null ? '–' : seconds(statement.p95Seconds)}</td>
                  <td class="num">{statement.meanSeconds === null ? '–' : seconds(statement.meanSeconds)}</td>
                  <td class="num">{plain(statement.rate)}</td>
                  <td class={`num ${statement.errorRatio > 0 ? 'bad' : ''}`}>
                    {statement.errorRatio > 0 ? percent(statement.errorRatio) : '0'}
                  </td>
                  <td>
                    {statement.traceId ? (
                      <a
                        href={`#/traces/${statement.traceId}`}
                        aria-label={`Slowest trace of ${statement.summary}`}
                      >
                        Open
                      </a>
                    ) : (
                      '–'
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </section>
  );
}

function Traces({ statement }: { statement: string }) {
  const { data, fault } = usePolled<TraceSummary[]>(`/api/traces?statement=${encodeURIComponent(statement)}`);
  return (
    <section aria-label="Traces">
      <h2>Traces with {statement}, slowest call first</h2>
      <Notice fault={fault} />
      {data?.length === 0 ? <p class="soft">None is kept.</p> : null}
      <div class="scroll" tabIndex={0} role="region" aria-label="Table">
        <table>
          <thead>
            <tr>
              <th>Request</th>
              <th>Started</th>
              <th class="num">Whole request</th>
              <th class="num">Slowest call</th>
              <th class="num">Calls</th>
              <th class="num">Failed spans</th>
            </tr>
          </thead>
          <tbody>
            {data?.map((trace) => (
              <tr key={trace.traceId}>
                <td>
                  <a href={`#/traces/${trace.traceId}`}>{trace.name}</a>
                </td>
                <td>{ago(trace.startedAt)} ago</td>
                <td class="num">{milliseconds(trace.durationMs)}</td>
                <td class="num">{trace.statement ? milliseconds(trace.statement.maxMs) : '–'}</td>
                <td class="num">{trace.statement?.calls ?? '–'}</td>
                <td class={`num ${trace.errorSpans > 0 ? 'bad' : ''}`}>{trace.errorSpans}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function TracePage({ traceId }: { traceId: string }) {
  const [state, set] = useState<Polled<{ spans: Span[] }>>({});
  useEffect(() => {
    void load<{ spans: Span[] }>(`/api/traces/${encodeURIComponent(traceId)}`).then(set);
  }, [traceId]);
  return (
    <>
      <Notice fault={state.fault} />
      {state.data ? <Trace traceId={traceId} spans={state.data.spans} /> : null}
    </>
  );
}

function useHash(): string {
  const [hash, set] = useState(location.hash);
  useEffect(() => {
    const onChange = () => set(location.hash);
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return hash;
}

function App() {
  const hash = useHash();
  const { data: phase, fault } = usePolled<{ phase: string; since: string }>('/api/phase');
  const [, view, id = ''] = /^#\/(traces|statements)\/(.+)$/.exec(hash) ?? [];
  return (
    <>
      <header class="bar">
        <h1>
          <a class="brand" href="#/">
            sqltrail
          </a>
        </h1>
        <span>
          phase <span class="phase">{phase?.phase ?? '…'}</span>
          {phase ? <span class="soft"> for {ago(phase.since)}</span> : null}
        </span>
        {view ? <a href="#/">← Overview</a> : null}
        <span class={`link ${fault ? 'down' : 'up'}`} role="status">
          {fault ? '✗ not connected' : phase ? '● live, every 5 s' : '… connecting'}
        </span>
      </header>
      <main>
        <Notice fault={fault} />
        {view === 'traces' ? <TracePage traceId={decodeURIComponent(id)} key={id} /> : null}
        {view === 'statements' ? <Traces statement={decodeURIComponent(id)} key={id} /> : null}
        {view ? null : (
          <>
            <Alerts />
            <Statements />
            <Kpis />
          </>
        )}
      </main>
    </>
  );
}

const root = document.getElementById('app');
if (root) render(<App />, root);
