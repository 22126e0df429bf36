import { Html, html } from '../../diagnosis/format/markup.ts';
import { type AssumptionName, assumptionTitles, LEVELS } from '../assumptions.ts';
import type { Case } from '../case.ts';
import { cumulatedCost, tornado } from '../charts/impact.ts';
import { AFTER } from '../comparison.ts';
import { afterTitles } from '../measured.ts';
import { figureOf } from '../page.ts';

/** What it costs to wait, today and over twelve months, and what is left of it after each step. */
export function impact({ figures, assumptions, impact: model }: Case): Html {
  const f = figureOf(figures);
  if (!figures.get('impact:measured:likely'))
    return html`<p data-basis="missing">The peak’s checkouts were not counted in this recording, so no impact is given.</p>`;
  const after = AFTER.filter((phase) => figures.get(`impact:measured:${phase}`));
  /** None lost is an upper bound; what is not reckoned after a step has no figure. */
  const left = (id: string, phase: string) => {
    const bound = `impact:${id}:${phase}:at-most`;
    if (figures.get(bound)) return html`at most ${f(bound)}`;
    return id === 'scenario' ? html`<span class="dim">the reference</span>` : f(`impact:${id}:${phase}`);
  };
  const row = (title: string, id: string, basis: string) =>
    html`<tr><td>${title}<br><span class="dim">${basis}</span></td><td class="n">${f(`impact:${id}:today`)}</td>${LEVELS.map((level) => html`<td class="n">${f(`impact:${id}:${level}`)}</td>`)}${after.map((phase) => html`<td class="n">${left(id, phase)}</td>`)}</tr>`;
  const bounds = after.filter((phase) => figures.get(`impact:measured:${phase}:at-most`));
  return html`<p>Counted in the recorded peak itself: ${f('checkouts:peak:failed')} checkouts failed and ${f('checkouts:peak:abandoned')} were given up, ${f('checkouts:peak:lost')} of ${f('checkouts:peak:all')}, with baskets of ${f('baskets:peak:lost')}. How long customers wait before they give up is a setting of the load. What follows carries that on to a year. The tiers are never added up: one lost visit may be in both.</p>
<p>In the recorded load ${f('checkouts:peak:of-visits')} of the visits buy, so that a short run counts enough of them; the money is reckoned with ${f('assumed:buyingShare:likely')} (${f('assumed:buyingShare:low')} to ${f('assumed:buyingShare:high')}).</p>
<table class="tight"><thead><tr><th></th><th class="n">a month, today</th><th class="n">12 months, low</th><th class="n">12 months, likely</th><th class="n">12 months, high</th>${after.map((phase) => html`<th class="n">12 months ${afterTitles[phase]}</th>`)}</tr></thead><tbody>
${row('Revenue at risk: lost baskets (measured tier)', 'measured', 'lost share and basket counted in the recorded peak; traffic and those who come back assumed')}
${row('Revenue at risk: waiting (scenario tier)', 'scenario', assumptions.conversionPer100Ms.source)}
${row('Churn: margin of customers who stay away', 'churn', assumptions.churnShare.source)}
${row('On-call work', 'onCall', assumptions.hoursPerIncident.source)}
${row('Database time at the peak', 'database', assumptions.databaseCoreHour.source)}
${row('Storage', 'storage', assumptions.storageGbMonth.source)}</tbody></table>
<p class="dim" data-basis="method">What is left after a step is the same model with that peak’s own counts. On-call work after a step is not measured.</p>
${bounds.map((phase) => html`<p>${afterTitles[phase]}: none of ${f(`checkouts:${phase}:all`)} checkouts was lost, which bears a share of at most ${f(`checkouts:${phase}:at-most`)} (95 %), and so at most ${f(`impact:measured:${phase}:at-most`)} in twelve months.</p>`)}
<h3>What the plan costs, and when it is earned back</h3><table class="tight"><thead><tr><th>Step</th><th class="n">low</th><th class="n">likely</th><th class="n">high</th></tr></thead><tbody>${(
    [
      ['Short-term fixes', 'daysShortTerm'],
      ['Archival', 'daysArchival'],
      ['New data model', 'daysMediumTerm'],
      ['All three', 'plan'],
    ] as const
  ).map(
    ([title, id]) =>
      html`<tr><td>${title}</td>${LEVELS.map((level) => html`<td class="n">${f(`price:${id}:${level}`)}</td>`)}</tr>`,
  )}</tbody></table>
<p>At the likely numbers it saves ${f('saved:year')} a year, is earned back after ${f('payback:days')} of use, and would be within a year if ${f('break-even:buyers')} of the visits bought.</p>
<h3>Revenue at risk over twelve months (measured tier)</h3>${new Html(cumulatedCost(model, assumptions.currency))}
<p>The tables grow by ${f('growth:day:likely')} (${f('growth:day:low')} to ${f('growth:day:high')}, by the dates of their own rows): in twelve months they are ${f('growth:year:likely')} as large. Statements that read whole tables take as much longer. At the recorded peak statements ran for ${f('database-time:peak')}; after the short-term fixes for ${f('database-time:peak-after-short-term')}, on the new model for ${f('database-time:peak-after-medium-term')}.</p>
<h3>By the share of customers who come back and buy</h3><table><tbody><tr>${[0, 25, 50, 75, 100].map(
    (percent) => html`<td class="n">${f(`retry:${percent}`)}<br><b>${f(`impact:retry:${percent}`)}</b></td>`,
  )}</tr></tbody></table>
<p data-basis="contents">With other numbers: <a href="what-if.html">what-if.html</a> has a slider for each assumption.</p>
<h3>Which assumption matters</h3><p class="dim" data-basis="method">One at a time from its low to its high value, all others likely; twelve months. Left: lost baskets. Right: churn, on-call work, database time and storage.</p><div class="pair">${new Html(tornado('sales', 'revenue at risk', model.sales, figures.value('impact:measured:likely') ?? 0, assumptions.currency, 500))}${new Html(tornado('running', 'other costs', model.running, figures.value('impact:running:likely') ?? 0, assumptions.currency, 500))}</div>
<table class="tight"><thead><tr><th>Assumption</th><th class="n">low</th><th class="n">likely</th><th class="n">high</th><th>source</th></tr></thead><tbody>${Object.entries(
    assumptions,
  ).flatMap(([name, value]) => {
    if (typeof value === 'string' || Array.isArray(value)) return [];
    return [
      html`<tr><td>${assumptionTitles[name as AssumptionName]} <span class="dim">${name}</span></td>${LEVELS.map((level) => html`<td class="n">${f(`assumed:${name}:${level}`)}</td>`)}<td class="dim">${value.source}</td></tr>`,
    ];
  })}</tbody></table><p class="dim" data-basis="method">Edit report/assumptions.yaml, or give your own: sqltrail report out/recording.json --assumptions mine.yaml.</p>`;
}
