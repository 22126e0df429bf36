import { useState } from 'preact/hooks';
import { bytesText, numberText, percentText } from '../../lib/units/format.ts';
import type { DiagnosisReading, FindingReading } from '../diagnosis.ts';
import type { KpiReading } from '../readings.ts';
import type { Alert } from '../sources/alertmanager.ts';
import { stateWords } from './actions.tsx';
import { ago } from './format.ts';
import { useBeat, useTopic } from './live.ts';
import {
  actionLink,
  CommandLine,
  findingLink,
  Notice,
  Pager,
  Scroll,
  SeverityMark,
  Share,
  Sql,
  statementLink,
  traceLink,
  usePage,
  Waiting,
} from './parts.tsx';
import { change, useUnlocked } from './session.ts';
import { Unlock } from './unlock.tsx';
import { StateOf, WatchHistory } from './watch.tsx';

/** Findings on a statement, the most expensive first. */
export const findingsOn = (diagnosis: DiagnosisReading | undefined, statement: string): FindingReading[] =>
  (diagnosis?.last?.findings ?? []).filter(({ summaries }) => summaries.includes(statement));

/** What explains an alert: on the statement that it names; else of the cause that its KPI points at. */
export function findingsFor(diagnosis: DiagnosisReading | undefined, { labels }: Alert): FindingReading[] {
  const { db_query_summary: statement, kpi } = labels;
  if (statement) return findingsOn(diagnosis, statement);
  return (diagnosis?.last?.findings ?? []).filter(
    ({ explains, severity }) => severity !== 'info' && kpi !== undefined && explains.kpis.includes(kpi),
  );
}

export function costText({
  bytes: size,
  msPerSecond,
  rowsReadPerRow,
  calls,
}: FindingReading['cost']): string {
  return [
    ...(msPerSecond === undefined ? [] : [`${numberText(msPerSecond)} ms of database time a second`]),
    ...(size === undefined ? [] : [bytesText(size)]),
    ...(rowsReadPerRow === undefined ? [] : [`${numberText(rowsReadPerRow)} rows read for each returned`]),
    ...(calls === undefined ? [] : [`${numberText(calls)} calls`]),
  ].join(' · ');
}

/** The action that answers a finding, with how far it is. */
function useActionOf(findingId: string) {
  const { data } = useTopic('actions');
  return data?.actions.find(({ action }) => action.findings.includes(findingId));
}

function FindingLine({ finding }: { finding: FindingReading }) {
  const answer = useActionOf(finding.id);
  return (
    <li class={`finding ${finding.severity}`}>
      <div class="head">
        <SeverityMark severity={finding.severity} />
        <a href={findingLink(finding.id)}>{finding.title}</a>
        <StateOf id={finding.id} />
        {finding.shareOfLostTime !== null && finding.shareOfLostTime >= 0.005 ? (
          <span class="share">
            <Share share={finding.shareOfLostTime} /> {percentText(finding.shareOfLostTime)} of database time
          </span>
        ) : null}
      </div>
      {answer ? (
        <p class="small">
          Fix: <a href={actionLink(answer.action.id)}>{answer.action.title}</a>{' '}
          <span class={`state ${answer.state}`}>{stateWords[answer.state]}</span>
        </p>
      ) : finding.fix ? (
        <p class="small soft">Fix: {finding.fix.summary}</p>
      ) : null}
    </li>
  );
}

/** What the diagnosis has to say on a statement. */
export function Explained({ statement, traceId }: { statement: string; traceId?: string }) {
  const { data } = useTopic('diagnosis');
  const onIt = findingsOn(data, statement);
  // Where the database has forgotten the statement, the trace that a finding named is still a trail.
  const found =
    onIt.length > 0 || traceId === undefined
      ? onIt
      : (data?.last?.findings ?? []).filter(({ explains }) => explains.traces.includes(traceId));
  const titleId = 'explained-title';
  return (
    <section class="explained" aria-labelledby={titleId}>
      <h3 id={titleId}>Why it is slow</h3>
      {found.length > 0 ? (
        <ul class="findings">
          {found.slice(0, 4).map((finding) => (
            <FindingLine key={finding.id} finding={finding} />
          ))}
        </ul>
      ) : (
        <p class="soft">
          {data?.running
            ? 'A diagnosis is running …'
            : data?.last
              ? 'The last diagnosis has no finding for this statement.'
              : 'No diagnosis has been run yet.'}{' '}
          <a href="#/findings">Findings</a>
        </p>
      )}
    </section>
  );
}

function Run() {
  const { data } = useTopic('diagnosis');
  const unlocked = useUnlocked();
  const [fault, set] = useState<Parameters<typeof Notice>[0]['fault']>();
  const [asked, ask] = useState<'quick' | 'model' | null>(null);
  const start = async (part: 'quick' | 'model') => {
    ask(null);
    set(await change('/api/diagnosis', { part }));
  };
  const wish = (part: 'quick' | 'model') => (unlocked ? void start(part) : ask(part));
  const running = data?.running;
  return (
    <div class="card run">
      <div class="buttons">
        <button type="button" class="primary" disabled={!!running} onClick={() => wish('quick')}>
          Diagnose now
        </button>
        <button type="button" disabled={!!running} onClick={() => wish('model')}>
          Look at the data model
        </button>
        <span role="status" class="soft">
          {running
            ? `Running: ${running.check} (${Math.min(running.at + 1, running.of || 1)} of ${running.of || '…'}, ${running.findings} findings so far)`
            : 'Read-only, with the monitoring role, within half a minute and 20 s of database time.'}
        </span>
      </div>
      {running ? <progress max={Math.max(1, running.of)} value={running.at} aria-label="Diagnosis" /> : null}
      {asked ? <Unlock onUnlocked={() => start(asked)} onCancel={() => ask(null)} /> : null}
      <Notice fault={fault} />
      <Notice fault={data?.failure ? { title: 'The diagnosis failed', detail: data.failure } : undefined} />
    </div>
  );
}

/** The first findings, for the incident page. */
export function TopFindings() {
  const { data, fault } = useTopic('diagnosis');
  const { data: actions } = useTopic('actions');
  const last = data?.last;
  const answered = new Set(
    actions?.actions.flatMap(({ inForce, action }) => (inForce ? action.findings : [])) ?? [],
  );
  // What an action in force answers is not what to do next.
  const [open, mitigated] = [false, true].map((inForce) =>
    (last?.findings ?? []).filter(({ id }) => answered.has(id) === inForce),
  ) as [FindingReading[], FindingReading[]];
  return (
    <section aria-labelledby="top-findings">
      <h2 id="top-findings">
        Why <span class="count">{last ? `${open.length} open findings, by what they cost` : ''}</span>
      </h2>
      <Notice fault={fault} />
      {last ? (
        <>
          <ol class="findings">
            {open.slice(0, 5).map((finding) => (
              <FindingLine key={finding.id} finding={finding} />
            ))}
          </ol>
          {mitigated.length > 0 ? (
            <details>
              <summary>{mitigated.length} with a fix in force</summary>
              <ul class="findings">
                {mitigated.slice(0, 5).map((finding) => (
                  <FindingLine key={finding.id} finding={finding} />
                ))}
              </ul>
            </details>
          ) : null}
          <a href="#/findings">All findings</a>
        </>
      ) : (
        <p class="hollow">
          {data?.running ? (
            `The diagnosis runs: ${data.running.check} …`
          ) : (
            <span>
              Not diagnosed yet. <a href="#/findings">Diagnose now</a>
            </span>
          )}
        </p>
      )}
    </section>
  );
}

const PAGE = 25;

export function FindingsPage() {
  const { data, fault } = useTopic('diagnosis');
  useBeat();
  const [severity, choose] = useState('all');
  const last = data?.last;
  const chosen = (last?.findings ?? []).filter(
    (finding) => severity === 'all' || finding.severity === severity,
  );
  const { at, pages, from, to, go } = usePage(chosen.length, PAGE);
  return (
    <>
      <h2>Findings</h2>
      <Run />
      <Notice fault={fault} />
      {last ? (
        <>
          <p class="soft">
            {last.target}, {ago(last.startedAt)} ago
            {data.origin === 'delivered' ? ', by the story' : ''} · took {numberText(last.seconds)} s, and{' '}
            {numberText(last.ownLoad.busyMs / 1000)} s of one connection · it changed nothing
          </p>
          {last.notes.map((note) => (
            <p key={note} class="soft">
              Partial: {note}
            </p>
          ))}
          {last.attribution ? <Unexplained attribution={last.attribution} /> : null}
          <div class="filters">
            <label>
              Severity{' '}
              <select value={severity} onChange={(event) => choose(event.currentTarget.value)}>
                {['all', 'critical', 'warning', 'info'].map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
            <span class="soft">
              {chosen.length} of {last.findings.length}
            </span>
          </div>
          <ol class="findings" start={from + 1}>
            {chosen.slice(from, to).map((finding) => (
              <FindingLine key={finding.id} finding={finding} />
            ))}
          </ol>
          <Pager what="findings" at={at} pages={pages} go={go} />
          {last.blind.length > 0 ? (
            <details>
              <summary>{last.blind.length} things that could not be seen</summary>
              <ul>
                {last.blind.map(({ what, remedy }) => (
                  <li key={what + remedy}>
                    {what}: <span class="soft">{remedy}</span>
                  </li>
                ))}
              </ul>
            </details>
          ) : null}
        </>
      ) : data ? (
        <p class="hollow">
          {data.running ? 'The first findings will appear in a moment.' : 'Nothing has been diagnosed yet.'}
        </p>
      ) : (
        <Waiting />
      )}
      <WatchHistory shown={new Set(last?.findings.map(({ id }) => id))} />
    </>
  );
}

/** What of the database time no finding explains. */
function Unexplained({
  attribution: { unexplainedShare, statements },
}: {
  attribution: NonNullable<NonNullable<DiagnosisReading['last']>['attribution']>;
}) {
  const said = `No finding explains ${percentText(unexplainedShare)} of the database time.`;
  if (statements.length === 0) return <p>{said}</p>;
  return (
    <details>
      <summary>{said}</summary>
      <ul>
        {statements.map(({ queryid, summary, share, text }) => (
          <li key={queryid}>
            {percentText(share)}{' '}
            {summary === null ? <code>{text}</code> : <a href={statementLink(summary)}>{summary}</a>}
          </li>
        ))}
      </ul>
    </details>
  );
}

function Evidence({ evidence }: Pick<FindingReading, 'evidence'>) {
  return (
    <Scroll label="Evidence">
      <table>
        <thead>
          <tr>
            <th>Measured</th>
            <th class="num">Value</th>
            <th>How to reproduce it</th>
          </tr>
        </thead>
        <tbody>
          {evidence.map(({ label, value, unit, how }) => (
            <tr key={label + how}>
              <td>{label}</td>
              <td class={typeof value === 'number' ? 'num' : 'value'}>
                {typeof value === 'number' ? (unit === 'By' ? bytesText(value) : numberText(value)) : value}
                {unit && unit !== '1' && unit !== 'By' ? ` ${unit}` : ''}
              </td>
              <td>
                <code class="how">{how}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

const kpiName = (kpis: KpiReading[] | undefined, id: string) =>
  kpis?.find((kpi) => kpi.id === id)?.name ?? id;

export function FindingPage({ id }: { id: string }) {
  const { data } = useTopic('diagnosis');
  const { data: kpis } = useTopic('kpis');
  const answer = useActionOf(id);
  const migrations = useTopic('actions').data?.mediumTerm.filter(({ findings }) =>
    findings.some((resolved) => resolved.id === id),
  );
  const finding = data?.last?.findings.find((candidate) => candidate.id === id);
  if (!finding)
    return (
      <>
        <h2>Finding</h2>
        {data ? (
          <p class="notice" role="alert">
            <strong>The last diagnosis has no finding {id}.</strong> It was resolved, or the diagnosis is a
            newer one. <StateOf id={id} /> <a href="#/findings">All findings</a>
          </p>
        ) : (
          <Waiting />
        )}
      </>
    );
  const { fix, explains, summaries, cost, confidence } = finding;
  return (
    <>
      <p class="crumb">
        <a href="#/findings">Findings</a> · {finding.check}
      </p>
      <h2>{finding.title}</h2>
      <p>
        <SeverityMark severity={finding.severity} /> <StateOf id={id} /> {costText(cost)}
        {finding.shareOfLostTime === null
          ? ''
          : ` · ${percentText(finding.shareOfLostTime)} of database time`}
      </p>
      <p class="prose-text">{finding.explanation}</p>
      <dl class="facts">
        {summaries.length > 0 ? (
          <>
            <dt>Affected statements</dt>
            <dd>
              {summaries.map((summary) => (
                <a key={summary} href={statementLink(summary)}>
                  {summary}
                </a>
              ))}
            </dd>
          </>
        ) : null}
        {explains.traces.length > 0 ? (
          <>
            <dt>Example traces</dt>
            <dd>
              {explains.traces.map((traceId) => (
                <a key={traceId} href={traceLink(traceId)}>
                  <code>{traceId.slice(0, 12)}…</code>
                </a>
              ))}
            </dd>
          </>
        ) : null}
        {explains.kpis.length > 0 ? (
          <>
            <dt>Related KPIs</dt>
            <dd>
              {explains.kpis.map((kpi) => (
                <a key={kpi} href={`#/kpis/${kpi}`}>
                  {kpiName(kpis, kpi)}
                </a>
              ))}
            </dd>
          </>
        ) : null}
        <dt>Confidence</dt>
        <dd>
          {percentText(confidence.level)}, {confidence.basis}
          {confidence.note ? ` (${confidence.note})` : ''}
        </dd>
      </dl>
      {fix ? (
        <section aria-labelledby="fix-title" class="card">
          <h3 id="fix-title">Fix: {fix.summary}</h3>
          <p>Expected: {fix.expectedEffect}.</p>
          {finding.sql.map((sql) => (
            <Sql key={sql} text={sql} />
          ))}
          {answer ? (
            <p>
              <a class="button primary" href={actionLink(answer.action.id)}>
                {answer.can === 'apply' ? 'Review and apply' : 'Open the action'}
              </a>{' '}
              <span class={`state ${answer.state}`}>{stateWords[answer.state]}</span>
            </p>
          ) : (
            <p class="soft">
              Not applied from here: it needs the application or the data model to change. Lock: {fix.lock}.
              Risk: {fix.risk}
            </p>
          )}
          {migrations?.length ? (
            <>
              <p>
                Online, <a href="#/actions">in the medium term</a>:
              </p>
              {migrations.map(({ command }) => (
                <CommandLine key={command} command={command} />
              ))}
            </>
          ) : null}
        </section>
      ) : null}
      <h3>Evidence</h3>
      <Evidence evidence={finding.evidence} />
    </>
  );
}
