import { useState } from 'preact/hooks';
import { Alerts } from './alerts.tsx';
import { TopFindings } from './findings.tsx';
import { missedByCustomers } from './grounds.ts';
import { useTopic } from './live.ts';
import { Minutes, PanelRows, useDashboards } from './panels.tsx';
import { counts, customersJudged, moodOf, sayingOf } from './sentences.ts';
import { TopStatements } from './statements.tsx';
import { Timeline } from './timeline.tsx';

/** Customers first: whether it hurts, then where. */
function Headline() {
  const { data: kpis } = useTopic('kpis');
  const { data: alerts } = useTopic('alerts');
  if (!kpis) return null;
  const shown = { kpis, alerts };
  const saying = sayingOf(shown);
  const judged = customersJudged(saying);
  return (
    <div class={`headline ${moodOf(judged)}`} role="status">
      <strong>{judged}</strong> {counts(saying)}{' '}
      {missedByCustomers(shown)
        .slice(0, 3)
        .map(({ id, name }, at) => (
          <span key={id}>
            {at > 0 ? ', ' : ''}
            <a href={`#/kpis/${id}`}>{name}</a>
          </span>
        ))}
    </div>
  );
}

export function IncidentPage() {
  const { data: dashboards } = useDashboards();
  const dashboard = dashboards?.find(({ id }) => id === 'incident');
  const [minutes, choose] = useState(15);
  return (
    <>
      <h2 class="visually-hidden">Incident</h2>
      <Headline />
      <div class="two">
        <Alerts />
        <TopFindings />
      </div>
      <Timeline />
      <TopStatements />
      {dashboard ? (
        <section aria-labelledby="panels-title">
          <div class="titled">
            <h2 id="panels-title">KPIs over time</h2>
            <Minutes minutes={minutes} choose={choose} />
          </div>
          <PanelRows dashboard={dashboard} minutes={minutes} kinds={['lines']} />
        </section>
      ) : null}
    </>
  );
}
