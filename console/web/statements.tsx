import { useState } from 'preact/hooks';
import { durationText, numberText, percentText } from '../../lib/units/format.ts';
import type { StatementDetail } from '../details.ts';
import type { StatementReading } from '../readings.ts';
import { ofShown } from './databases.ts';
import { Explained, findingsOn } from './findings.tsx';
import { milliseconds } from './format.ts';
import { useFetched, useTopic } from './live.ts';
import { PanelView, useDashboards } from './panels.tsx';
import {
  findingLink,
  Notice,
  Pager,
  Scroll,
  Share,
  Sql,
  statementLink,
  traceLink,
  usePage,
  Waiting,
} from './parts.tsx';
import { TraceList } from './traces.tsx';

function Rows({ statements }: { statements: readonly StatementReading[] }) {
  const { data: diagnosis } = useTopic('diagnosis');
  return (
    <Scroll label="Statements">
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
            <th>Finding</th>
          </tr>
        </thead>
        <tbody>
          {statements.map((statement) => {
            const [finding] = findingsOn(diagnosis, statement.summary);
            return (
              <tr key={statement.summary}>
                <td class="wide">
                  <a href={statementLink(statement.summary)}>{statement.summary}</a>
                  {statement.text ? <code class="snippet">{statement.text.replace(/\s+/g, ' ')}</code> : null}
                </td>
                <td class="nowrap">
                  <Share share={statement.timeShare ?? 0} /> {percentText(statement.timeShare ?? 0)}
                </td>
                <td class="num">
                  {statement.p95Seconds === null ? '–' : durationText(statement.p95Seconds)}
                </td>
                <td class="num">
                  {statement.meanSeconds === null ? '–' : durationText(statement.meanSeconds)}
                </td>
                <td class="num">{numberText(statement.rate)}</td>
                <td class={`num ${statement.errorRatio > 0 ? 'bad' : ''}`}>
                  {statement.errorRatio > 0 ? percentText(statement.errorRatio) : '0'}
                </td>
                <td>
                  {statement.traceId ? (
                    <a href={traceLink(statement.traceId)}>
                      Open<span class="visually-hidden"> the slowest trace of {statement.summary}</span>
                    </a>
                  ) : (
                    '–'
                  )}
                </td>
                <td>
                  {finding ? (
                    <a href={findingLink(finding.id)} title={finding.title}>
                      {finding.check}
                      <span class="visually-hidden"> on {statement.summary}</span>
                    </a>
                  ) : (
                    '–'
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}

const nothing = (
  <p class="hollow">
    No statement in the last five minutes: the shop had no requests, or its spans do not arrive.
  </p>
);

/** The first of them, for the incident page. */
export function TopStatements() {
  const { data, fault } = useTopic('statements');
  return (
    <section aria-labelledby="top-statements">
      <h2 id="top-statements">
        Slowest statements <span class="count">last 5 minutes, by share of time</span>
      </h2>
      <Notice fault={fault} />
      {data?.length === 0 ? nothing : null}
      {data && data.length > 0 ? (
        <>
          <Rows statements={data.slice(0, 6)} />
          {data.length > 6 ? <a href="#/statements">All {data.length} statements</a> : null}
        </>
      ) : null}
    </section>
  );
}

const PAGE = 25;

export function StatementsPage() {
  const { data, fault } = useTopic('statements');
  const [wanted, want] = useState('');
  const words = wanted.toLowerCase();
  const found = (data ?? []).filter(
    ({ summary, text }) => summary.toLowerCase().includes(words) || text?.toLowerCase().includes(words),
  );
  const { at, pages, from, to, go } = usePage(found.length, PAGE);
  return (
    <>
      <h2>
        Statements <span class="count">last 5 minutes, by share of time</span>
      </h2>
      <div class="filters">
        <label>
          Find{' '}
          <input
            type="search"
            id="find"
            value={wanted}
            placeholder="table, operation or text"
            onInput={(event) => {
              want(event.currentTarget.value);
              go(0);
            }}
          />
        </label>
        <span class="soft" role="status">
          {data ? `${found.length} of ${data.length}` : ''}
        </span>
      </div>
      <Notice fault={fault} />
      {data ? (
        found.length > 0 ? (
          <Rows statements={found.slice(from, to)} />
        ) : data.length > 0 ? (
          <p class="hollow">No statement matches “{wanted}”.</p>
        ) : (
          nothing
        )
      ) : fault ? null : (
        <Waiting />
      )}
      <Pager what="statements" at={at} pages={pages} go={go} />
    </>
  );
}

function Measured({ detail }: { detail: StatementDetail }) {
  if (!detail.measured)
    return <Notice fault={{ title: 'Postgres is not available', detail: detail.reason ?? '' }} />;
  if (detail.measured.length === 0)
    return <p class="soft">Not in pg_stat_statements: it has not run since the last reset.</p>;
  return (
    <dl class="figures">
      {detail.measured.slice(0, 3).map(({ queryid, calls, meanMs, rowsPerCall }) => (
        <div key={queryid}>
          <dt>queryid {queryid}</dt>
          <dd>
            {numberText(calls)} calls · {milliseconds(meanMs)} mean · {numberText(rowsPerCall)} rows a call
          </dd>
        </div>
      ))}
      {detail.measured.length > 3 ? (
        <div class="soft">and {detail.measured.length - 3} more of this kind</div>
      ) : null}
    </dl>
  );
}

export function StatementPage({ summary }: { summary: string }) {
  const { data: detail, fault } = useFetched<StatementDetail>(
    ofShown(`/api/statement?summary=${encodeURIComponent(summary)}`),
    6,
  );
  const { data: statements } = useTopic('statements');
  const { data: dashboards } = useDashboards();
  const reading = statements?.find((statement) => statement.summary === summary);
  const lines = dashboards
    ?.find(({ choosesStatement }) => choosesStatement)
    ?.rows.flatMap(({ panels }) => panels)
    .filter(({ id }) => id === 'statement-time' || id === 'statement-calls');
  return (
    <>
      <p class="crumb">
        <a href="#/statements">Statements</a>
      </p>
      <h2>{summary}</h2>
      {reading ? (
        <p>
          {percentText(reading.timeShare ?? 0)} of statement time · p95{' '}
          {reading.p95Seconds === null ? '–' : durationText(reading.p95Seconds)} · {numberText(reading.rate)}{' '}
          calls /s
          {reading.errorRatio > 0 ? (
            <strong class="bad"> · ✗ {percentText(reading.errorRatio)} failed</strong>
          ) : null}
        </p>
      ) : (
        <p class="soft">Not seen in the last five minutes.</p>
      )}
      <Notice fault={fault} />
      <Explained statement={summary} />
      <div class="two">
        <div>
          <h3>SQL (values are never recorded)</h3>
          {detail?.text ? (
            <Sql text={detail.text} />
          ) : (
            <p class="soft">No trace with its text has arrived yet.</p>
          )}
          {detail ? (
            <>
              <h3>Server statistics</h3>
              <Measured detail={detail} />
            </>
          ) : null}
        </div>
        <div>
          <h3>Over time</h3>
          <div class="panels">
            {lines?.map((panel) => (
              <PanelView
                key={panel.id}
                dashboard="statements"
                panel={{ ...panel, width: 24 }}
                minutes={15}
                statement={summary}
              />
            ))}
          </div>
        </div>
      </div>
      <h3>Traces, slowest call first</h3>
      <TraceList filter={{ statement: summary }} />
    </>
  );
}
