import { withUnit } from '../../lib/units/format.ts';
import { useTopic } from './live.ts';
import { PanelView, useDashboards } from './panels.tsx';
import { findingLink, Notice, SeverityMark, Waiting } from './parts.tsx';
import { sayingOf, unexplained, verdictOn } from './sentences.ts';

/** `#/kpis/<id>`: one KPI, why it counts, how it went, and what explains it. */
export function KpiPage({ id }: { id: string }) {
  const { data: kpis, fault } = useTopic('kpis');
  const { data: dashboards } = useDashboards();
  const { data: diagnosis } = useTopic('diagnosis');
  const kpi = kpis?.find((candidate) => candidate.id === id);
  if (!kpi)
    return (
      <>
        <h2>KPI</h2>
        <Notice fault={fault} />
        {kpis ? (
          <p class="notice" role="alert">
            <strong>There is no KPI {id}.</strong> <a href="#/dashboards/overview">All KPIs</a>
          </p>
        ) : fault ? null : (
          <Waiting />
        )}
      </>
    );
  const drawn = (kind: string, panelId: string) =>
    dashboards
      ?.flatMap(({ id: dashboard, rows }) =>
        rows.flatMap(({ panels }) => panels.map((panel) => ({ dashboard, panel }))),
      )
      .find(({ panel }) => panel.kind === kind && panel.id === panelId);
  const panels = [drawn('lines', id), drawn('bars', `${id}-by-phase`)].filter((found) => found !== undefined);
  const found = (diagnosis?.last?.findings ?? []).filter(({ explains }) => explains.kpis.includes(id));
  const saying = sayingOf({ kpis, diagnosis });
  const sign = kpi.objective.comparison === '<=' ? '≤' : '≥';
  return (
    <>
      <p class="crumb">
        <a href="#/dashboards/overview">KPIs</a>
      </p>
      <h2>{kpi.name}</h2>
      <p>
        <strong class="large">{kpi.value === null ? '–' : withUnit(kpi.value, kpi.unit)}</strong>{' '}
        <strong class={kpi.met === false ? 'bad' : kpi.met ? 'good' : ''}>{verdictOn(saying, id)}</strong>{' '}
        <span class="soft">
          objective {sign} {withUnit(kpi.objective.value, kpi.unit)}
        </span>
      </p>
      {kpi.reason ? <p class="soft">{kpi.reason}</p> : null}
      <p class="prose-text">
        {kpi.meaning} {kpi.justification}
      </p>
      <p class="prose-text soft">Why this objective: {kpi.objective.rationale}</p>
      <h3>Over time, and in each phase</h3>
      <div class="panels">
        {panels.map(({ dashboard, panel }) => (
          <PanelView key={panel.id} dashboard={dashboard} panel={panel} minutes={30} />
        ))}
      </div>
      <h3>What explains it</h3>
      {found.length > 0 ? (
        <ul class="findings">
          {found.slice(0, 10).map((finding) => (
            <li key={finding.id} class={`finding ${finding.severity}`}>
              <SeverityMark severity={finding.severity} />{' '}
              <a href={findingLink(finding.id)}>{finding.title}</a>
            </li>
          ))}
        </ul>
      ) : (
        <p class="soft">
          {unexplained(saying, id)} <a href="#/findings">Findings</a>
        </p>
      )}
    </>
  );
}
