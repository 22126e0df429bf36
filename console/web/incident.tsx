import { useState } from 'preact/hooks';
import { Alerts } from './alerts.tsx';
import { TopFindings } from './findings.tsx';
import { useTopic } from './live.ts';
import { Minutes, PanelRows, useDashboards } from './panels.tsx';
import { TopStatements } from './statements.tsx';
import { Timeline } from './timeline.tsx';

/** Customers first: whether it hurts, then where. */
function Headline() {
  const { data: kpis } = useTopic('kpis');
  const { data: alerts } = useTopic('alerts');
  if (!kpis) return null;
  const missed = kpis.filter(({ met }) => met === false);
  const hurt = missed.filter(({ group }) => group === 'user-experience' || group === 'business');
  const known = kpis.some(({ group, met }) => group === 'user-experience' && met !== null);
  const firing = alerts?.filter(({ muted }) => !muted).length;
  // An alert that pages is about what happened in its window, which the objectives of this moment may have left behind.
  const paged = alerts?.some(({ muted, severity }) => !muted && severity === 'page') === true;
  return (
    <div class={`headline ${hurt.length > 0 ? 'bad' : known && !paged ? 'good' : 'unknown'}`} role="status">
      <strong>
        {hurt.length > 0
          ? '✗ Customers are affected.'
          : known
            ? paged
              ? '○ Within the objectives now, and an alert still pages.'
              : '✓ Customers are served within the objectives.'
            : '○ No traffic to judge by.'}
      </strong>{' '}
      {missed.length} of {kpis.length} objectives are missed
      {firing === undefined ? '' : `, ${firing} ${firing === 1 ? 'alert fires' : 'alerts fire'}`}.{' '}
      {hurt.length > 0 ? (
        <span>
          {hurt.slice(0, 3).map(({ id, name }, at) => (
            <span key={id}>
              {at > 0 ? ', ' : ''}
              <a href={`#/kpis/${id}`}>{name}</a>
            </span>
          ))}
        </span>
      ) : null}
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
