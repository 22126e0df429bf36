import { useTopic } from './live.ts';
import { PanelRows, useDashboards } from './panels.tsx';
import { Notice, Waiting } from './parts.tsx';
import { aboutStep, customersFare, howFar, moodOf, noRepairs, sayingOf, troubles } from './sentences.ts';

/** `#/business`: for everybody. The same figures as the other pages, in words that need no explanation. */
export function BusinessPage() {
  const { data: kpis, fault } = useTopic('kpis');
  const { data: alerts } = useTopic('alerts');
  const { data: actions } = useTopic('actions');
  const { data: dashboards } = useDashboards();
  const dashboard = dashboards?.find(({ audience }) => audience === 'stakeholder');
  const saying = sayingOf({ kpis, alerts, actions: actions?.actions });
  const fare = customersFare(saying);
  return (
    <>
      <h2>{dashboard?.title ?? 'How is the shop doing?'}</h2>
      <Notice fault={fault} />
      {fare ? (
        <div class={`headline ${moodOf(fare)}`} role="status">
          <strong>{fare}</strong>
          {troubles(saying).map((text) => (
            <span key={text}> {text}</span>
          ))}
        </div>
      ) : (
        <Waiting />
      )}
      {dashboard ? <PanelRows dashboard={dashboard} minutes={dashboard.minutes} plain /> : null}
      <section aria-labelledby="done-title">
        <h3 id="done-title" class="question">
          Which repairs were made, and did they help?
        </h3>
        {actions && actions.actions.length > 0 ? (
          <ul class="steps">
            {actions.actions.map((entry) => (
              <li key={entry.action.id}>
                <span>{aboutStep(saying, entry)}</span>{' '}
                <strong class={`state ${entry.state}`}>{howFar(saying, entry)}</strong>
              </li>
            ))}
          </ul>
        ) : actions ? (
          <p class="hollow">{noRepairs(saying)}</p>
        ) : (
          <Waiting />
        )}
      </section>
    </>
  );
}
