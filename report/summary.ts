import { Html, html } from '../diagnosis/format/markup.ts';
import type { Case } from './case.ts';
import { phaseBars } from './charts/phaseBars.ts';
import { afterTitles } from './measured.ts';
import { figureOf, htmlPage, recordedAt } from './page.ts';
import { together, Words } from './sentence.ts';
import { asHtml, type Writing } from './writing.ts';

/** One A4 page: less in each column, everything above the fold. */
export const summaryStyle = `body{max-width:820px}.tile b{font-size:1.2rem}.asked{border:2px solid #0072B2;border-radius:6px;padding:.5rem .9rem;margin:.8rem 0}.asked h2,.two h2{border:0;margin:.2rem 0;font-size:1.05rem}.two{display:grid;grid-template-columns:1fr 1fr;gap:0 1.4rem}.two section{break-inside:avoid}
@media (max-width:640px){.two{grid-template-columns:1fr}}@media print{html{font-size:13px}body{max-width:none}}`;

/** A tile: the peak before, and the peak after the last step that was measured. */
function tiles({ recording, figures }: Case): Html {
  const f = figureOf(figures);
  const last = recording.phases.findLast(({ name }) => name.startsWith('peak-after'))?.name;
  const tile = (label: string, id: (phase: string) => string, bound?: string) =>
    html`<div class="tile">${label}<b>${f(id('peak'))}</b>${last ? html`→ ${f(id(last))} <span class="dim">${afterTitles[last]}${bound && figures.get(bound) ? html` (at most ${f(bound)})` : ''}</span>` : ''}</div>`;
  return html`<div class="tiles">${tile('Page time, p95', (phase) => `customer-latency-p95:${phase}`)}${tile('Failed requests', (phase) => `request-failure-ratio:${phase}`, `requests:${last}:at-most`)}${tile('Buyers without an order', (phase) => `checkouts:${phase}:lost`, `checkouts:${last}:at-most`)}<div class="tile">Lost orders, a year<b>${f('impact:measured:likely')}</b><span class="dim">assumptions: ${f('impact:measured:low')} to ${f('impact:measured:high')}</span></div></div>`;
}

/** What happened, what it costs, what is asked for, its price, when it is earned back, by when: the body of one page. */
export function summary(input: Case, writing: Writing): Html {
  const { say, when, ask } = writing.forPage();
  const { recording, figures } = input;
  const paragraph = (text: string) => (text ? html`<p data-basis="sentences">${asHtml(text)}</p>` : '');
  const happened = together(
    say`With ${'offered:peak'} visits a second instead of ${'offered:ordinary'} a page takes ${'customer-latency-p95:peak'}, and ${'request-failure-ratio:peak'} of the requests fail.`,
    say`Of ${'checkouts:peak:all'} people who came to buy, ${'checkouts:peak:count'} left without an order.`,
    say`For one request the database scans ${'rows-read-per-request:peak'} rows.`,
  );
  const done = together(
    say`${'actions:kept'} changes are in force.`,
    when('actions reverted')`${'actions:reverted'} did not help and were reverted.`,
    when(
      'same load after the short term',
    )`Under the same load a page takes ${'customer-latency-p95:peak-after-short-term'}.`,
    when(
      'migrated',
      'same load after the medium term',
    )`The new data model was tried on the recorded shop: the database is ${'size:saved'} smaller, and the same peak has pages of ${'customer-latency-p95:peak-after-medium-term'}.`,
    when(
      'every acknowledged order found',
    )`Of ${'orders:acknowledged'} orders that customers were given meanwhile, ${'orders:found'} were found.`,
  );
  const costs = together(
    say`Lost orders of ${'impact:measured:today'} a month today, and ${'impact:measured:likely'} in twelve months as the data grows to ${'growth:year:likely'} its size.`,
    say`That is reckoned from ${'baskets:peak:lost'} of counted lost baskets, with ${'assumed:buyingShare:likely'} of visitors buying (in the recorded load it was ${'checkouts:peak:of-visits'}).`,
  );
  const asked = [
    say`Keep the short-term fixes and review them (${'price:daysShortTerm:likely'}).`,
    say`Archive closed and old rows from ${'date:archive'} on (${'price:daysArchival:likely'}).`,
    say`Bring in the new data model, in use on ${'date:switched'} (${'price:daysMediumTerm:likely'}).`,
  ].filter(Boolean);
  const price = together(
    say`Price of all three: ${'price:plan:likely'} (${'price:plan:low'} to ${'price:plan:high'}).`,
    say`Earned back after ${'payback:days'} of use, and within a year even if only ${'break-even:buyers'} of visitors bought.`,
    say`The dates hold if the yes comes on ${'date:start'}; they keep clear of the freeze periods.`,
  );
  return html`${recording.outcome === 'complete' ? '' : html`<p class="state partial" data-basis="outcome"><b>This run is ${recording.outcome}.</b> What it did not measure is left out.</p>`}
${tiles(input)}
<div class="two"><section><h2>What happened</h2>${paragraph(happened)}</section><section><h2>What it costs to wait</h2>${paragraph(costs || ask`The checkouts of the peak were not counted, so no cost is given.`)}</section>
<section><h2>What was done, and tried</h2>${paragraph(done || ask`In this run there was no change yet.`)}</section><section>${new Html(phaseBars(figures, recording, 'customer-latency-p95', 390, 190))}</section></div>
<div class="asked"><h2>Decision asked for: a yes to three steps</h2><ol>${asked.map((text) => html`<li data-basis="sentences">${asHtml(text)}</li>`)}</ol>${paragraph(price)}</div>`;
}

/** The summary as a page of its own; `body` is what {@link summary} made. */
export function summaryPage({ recording }: Case, writing: Writing, body: Html): string {
  const lead = writing.ask`Recorded ${new Words(recordedAt(recording))} UTC. Evidence: report.html; where each figure comes from: appendix.html.`;
  return htmlPage(
    'Summary',
    html`<h1>The shop at its peak: what happened, what it costs, what we ask for</h1>
<p class="dim" data-basis="recording">${lead}</p>
${body}`,
    { more: summaryStyle },
  );
}
