import { Html, html } from '../../diagnosis/format/markup.ts';
import type { Case } from '../case.ts';
import { migrationGantt, roadmapGantt } from '../charts/gantt.ts';
import { sizeBars } from '../charts/sizeBars.ts';
import { figureOf, rangeOf } from '../page.ts';
import { roadmap } from '../plan.ts';

/** What customers noticed while both models were filled. */
function strain({ recording, figures }: Case): Html {
  const f = figureOf(figures);
  if (!recording.migration?.strain) return html``;
  return html`<h3>What customers noticed</h3><ul>
<li>Page time (p95) just before: ${f('strain:before')}; during the backfill: ${f('strain:during')}; mean of the windows: ${f('strain:ratio')} as long${figures.get('strain:ratio:low') ? html` (95 % interval ${rangeOf(figures, 'strain:ratio')})` : ''}.</li>
<li>Requests while the migration ran: ${f('strain:requests')}; failed: ${f('strain:failed')}.</li>
<li>The longest that the shop waited for a lock of the migration: ${f('strain:lock')}, in ${f('strain:lock-samples')} samples.</li></ul>`;
}

/** The plan with its gates; and where it was tried, what was measured. */
export function mediumTerm(input: Case): Html {
  const { recording, figures, assumptions } = input;
  const f = figureOf(figures);
  const { migration } = recording;
  const measured = (phase: string) =>
    migration?.phases.some((each) => each.phase === phase && each.endedAt !== null);
  const plan = html`<h3>The plan, with gates</h3>${new Html(roadmapGantt(input.calendar, assumptions.freezePeriods))}<p class="dim">If the yes comes on ${f('date:start')}. Calendar days with review, gate and watching, clear of the freeze periods, in grey (${assumptions.freezePeriods.map(({ from, to, reason }, at) => html`${at ? '; ' : ''}${from} to ${to}: ${reason}`)}); what the machine itself takes is in the table.</p>
<table class="tight"><thead><tr><th>Phase</th><th>Owner</th><th>Gate to the next</th><th>Risk</th><th>Way back</th><th class="n">measured</th><th class="n">at production size</th></tr></thead><tbody>${roadmap.map(
    ({ phase, title, owner, gate, risk, back }) =>
      html`<tr><td>${title}</td><td>${owner}</td><td>${gate}</td><td>${risk}</td><td>${back}</td><td class="n">${f(`migration:${phase}:seconds`)}</td><td class="n">${f(`migration:${phase}:production:likely`)}${measured(phase) ? html`<br><span class="dim">${f(`migration:${phase}:production:low`)} – ${f(`migration:${phase}:production:high`)}</span>` : ''}</td></tr>`,
  )}</tbody></table><p class="dim" data-basis="assumptions">At production size: the measured time of the phases that grow with the data, times productionTimesData of the assumptions (${assumptions.productionTimesData.source}). The pace is that of this machine.</p>`;
  if (!migration)
    return html`<p data-basis="missing">The migration did not run in this recording; the plan is what is proposed.</p>${plan}`;
  return html`<p>The data model was exchanged with ${f('offered:medium-term')} visits a second, up to the phase “${migration.reached}”. ${f('migration:units')} units were copied at ${f('migration:rate')}, pauses included. Pauses for the shop’s KPIs: ${f('migration:pauses')}; retries after a lock was not free: ${f('migration:retries')}.</p>
${new Html(migrationGantt(recording))}${strain(input)}${plan}
${migration.partitioned.length > 0 ? html`<p data-basis="recording">Partitioned tables of the new model: ${migration.partitioned.map(({ table, by }, at) => html`${at ? '; ' : ''}${table} by ${by}`)}.</p>` : ''}
${figures.get('size:after') ? html`<h3>The live database</h3><p>${f('size:before')} before, ${f('size:after')} after: ${f('size:saved')} less.</p>${new Html(sizeBars(recording))}` : ''}`;
}

/** Equalities between both models, and between what customers were told and what is there. */
export function integrity({ recording, figures }: Case): Html {
  const f = figureOf(figures);
  const { migration } = recording;
  if (!migration?.verification)
    return html`<p data-basis="missing">Both models were not compared in this recording.</p>`;
  const { verification, ledger, orders, ledgerOfOrders } = migration;
  const lost = ledgerOfOrders
    ? ledgerOfOrders.missingInLegacy + ledgerOfOrders.missingInNew + ledgerOfOrders.doubled
    : 0;
  return html`<ul>
<li>${f('verified:rows')} rows compared both ways in ${f('verified:chunks')} chunks, through views that rebuild the old rows from the new model. Differing: ${f('verified:differing')}. <span class="${verification.equal ? 'good' : 'bad'}">${verification.equal ? 'Equal.' : 'They differ.'}</span></li>
<li>${f('verified:sums')} sums of money: ${verification.money.map(({ name, equal }, at) => html`${at ? ', ' : ''}${name} ${equal ? 'equal' : html`<span class="bad">differs</span>`}`)}.</li>
<li>Units that the new model cannot hold: ${f('verified:set-aside')}.</li>
${orders ? html`<li>Checkouts that the load generator has an answer for: ${f('orders:acknowledged')}; orders that came into the database: ${f('orders:found')}. ${orders.found === orders.acknowledged ? html`<span class="good">None lost, none doubled.</span>` : orders.found > orders.acknowledged ? 'More orders than answers: a customer whose answer did not come in time can still have an order.' : html`<span class="bad">Orders are missing.</span>`}</li>` : ''}
${ledgerOfOrders ? html`<li>Order numbers one by one: of ${f('ledger-of-orders:acknowledged')} that customers were given, ${f('ledger-of-orders:missing-legacy')} are not in the old tables, ${f('ledger-of-orders:missing-new')} not in the new ones, ${f('ledger-of-orders:doubled')} are there twice. <span class="${lost === 0 ? 'good' : 'bad'}">${lost === 0 ? 'None lost, none doubled.' : 'They differ.'}</span></li>` : ''}
</ul>
<h3>The ledger of resolutions</h3><table><thead><tr><th>Kind</th><th>Table</th><th class="n">entries</th></tr></thead><tbody>${ledger.map(
    ({ kind, table }) =>
      html`<tr><td>${kind}</td><td>${table}</td><td class="n">${f(`ledger:${kind}:${table}`)}</td></tr>`,
  )}</tbody></table><p class="dim" data-basis="migrate/engine.integration.test.ts">Each entry names the key, the legacy value, the new value, and the rule (sqltrail.migration_resolution).</p>`;
}
