import { moneyText, numberText } from '../../lib/units/format.ts';
import type { ActionReading } from '../actions.ts';
import { useTopic } from './live.ts';
import { PanelRows, useDashboards } from './panels.tsx';
import { Notice, Waiting } from './parts.tsx';

/** What a step is, for those who do not run databases. */
const steps: Record<ActionReading['action']['kind'], string> = {
  index: 'A register, like the one in a book, to find an entry without reading all of them',
  settings: 'A setting that suits this work better',
  maintenance: 'Cleaning up outdated data',
  query: 'Reading data in fewer and smaller steps',
  pool: 'As much work at a time as the system can handle well',
};

function about({ action }: ActionReading): string {
  const table = action.index?.table.replaceAll('_', ' ');
  return table ? `${steps[action.kind]}: ${table}` : steps[action.kind];
}

function howFar({ state, effect, byHand }: ActionReading): string {
  if (state === 'kept')
    return effect && effect.low > 1
      ? `✓ in place: ${numberText(effect.speedup)} times as fast`
      : '✓ in place';
  if (state === 'reverted') return byHand ? '↩ reverted by hand' : '↩ tried, and reverted: it did not help';
  if (state === 'failed') return '✗ could not be done';
  return state === 'proposed' ? '○ proposed' : '… under way';
}

/** What it means for a customer when one of these misses its objective. */
const troubles: Record<string, string> = {
  'satisfied-requests': 'Pages are slow.',
  'request-failure-ratio': 'Some pages show an error.',
  'checkout-failure-ratio': 'Some purchases cannot be completed.',
};

/** `#/business`: for everybody. The same figures as the other pages, in words that need no explanation. */
export function BusinessPage() {
  const { data: kpis, fault } = useTopic('kpis');
  const { data: actions } = useTopic('actions');
  const { data: dashboards } = useDashboards();
  const dashboard = dashboards?.find(({ audience }) => audience === 'stakeholder');
  const watched = (kpis ?? []).filter(({ id }) => id in troubles);
  const missed = watched.filter(({ met }) => met === false);
  const known = watched.some(({ met }) => met !== null);
  const lost = kpis?.find(({ id }) => id === 'lost-basket-value');
  return (
    <>
      <h2>{dashboard?.title ?? 'How is the shop doing?'}</h2>
      <Notice fault={fault} />
      {kpis ? (
        <div class={`headline ${!known ? 'unknown' : missed.length > 0 ? 'bad' : 'good'}`} role="status">
          <strong>
            {!known
              ? 'There are no customers to measure right now.'
              : missed.length > 0
                ? '✗ Customers are having trouble.'
                : '✓ Customers can shop as they should.'}
          </strong>
          {missed.map(({ id }) => (
            <span key={id}> {troubles[id]}</span>
          ))}
          {missed.length > 0 && lost?.value ? (
            <span> At this rate, sales of {moneyText('EUR')(lost.value)} an hour are lost.</span>
          ) : null}
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
                <span>{about(entry)}</span> <strong class={`state ${entry.state}`}>{howFar(entry)}</strong>
              </li>
            ))}
          </ul>
        ) : (
          <p class="hollow">None yet.</p>
        )}
      </section>
    </>
  );
}
