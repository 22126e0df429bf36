import { Html, html } from '../diagnosis/format/markup.ts';
import type { Case } from './case.ts';
import { phaseLegend, timeline } from './charts/timeline.ts';
import { phaseTitles } from './measured.ts';
import { contentPolicy, figureOf, style } from './page.ts';
import { alerts } from './sections/alerts.ts';
import { appendix } from './sections/appendix.ts';
import { causes, trail } from './sections/causes.ts';
import { comparison } from './sections/comparison.ts';
import { growth } from './sections/growth.ts';
import { impact } from './sections/impact.ts';
import { integrity, mediumTerm } from './sections/mediumTerm.ts';
import { archival, mitigation } from './sections/mitigation.ts';

/** KPIs that are drawn over the whole run. */
export const TIMELINES = ['customer-latency-p95', 'request-failure-ratio'] as const;

/** Whether the run is whole stands before every figure. */
function outcome({ recording }: Case): Html {
  const notes = recording.notes.map((note) => html`<br>${note}`);
  if (recording.outcome === 'complete')
    return html`<p class="state complete">The run is complete: every phase below was measured.${notes}</p>`;
  const did = recording.phases.map(({ name }) => phaseTitles[name] ?? name).join(', ');
  return html`<p class="state partial"><b>This run is ${recording.outcome}.</b> It holds: ${did || 'no phase'}. Nothing is shown for what was not measured.${notes}</p>`;
}

/** The peak before, and the same peak after each step that was measured. */
function tiles({ recording, figures }: Case): Html {
  const f = figureOf(figures);
  const steps = (
    [
      ['peak-after-short-term', 'short term'],
      ['peak-after-medium-term', 'medium term'],
    ] as const
  ).filter(([phase]) => recording.phases.some(({ name }) => name === phase));
  const tile = (label: string, id: (phase: string) => string) =>
    html`<div class="tile">${label}<b>${f(id('peak'))}</b>${steps.map(([phase, title], at) => html`${at ? html`<br>` : ''}→ ${f(id(phase))} <span class="dim">${title}</span>`)}</div>`;
  return html`<div class="tiles">${tile('Page time, p95', (phase) => `customer-latency-p95:${phase}`)}${tile('Failed requests', (phase) => `request-failure-ratio:${phase}`)}${tile('Checkouts lost', (phase) => `checkouts:${phase}:lost`)}${tile('Rows read a request', (phase) => `rows-read-per-request:${phase}`)}</div>
<p>The peak${steps.length > 0 ? ', and the same peak after each step' : ''}: ${f('offered:peak')} visits a second (ordinary: ${f('offered:ordinary')}).</p>`;
}

/** The evidence report: one page, no script, nothing from outside. */
export function evidenceReport(input: Case): string {
  const { recording } = input;
  // The appendix lists what the sections define, so they come first.
  const sections = [
    ['Before and after', comparison(input)],
    [
      'The run',
      html`${TIMELINES.map((kpi) => new Html(timeline(recording, kpi)))}<p class="dim">Phases: ${phaseLegend(recording)}.</p>`,
    ],
    ['The causes, the most expensive first', causes(input)],
    ['From the alert to the statement', trail(input)],
    ['Short-term relief', mitigation(input)],
    ['Selective archival', archival(input)],
    ['Medium term: the new data model', mediumTerm(input)],
    ['Proof that nothing was lost', integrity(input)],
    ['As the data grows', growth(input)],
    ['What it costs to wait', impact(input)],
    ['Alerts', alerts(input)],
  ] as const;
  const first = tiles(input);
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">${new Html(contentPolicy)}<meta name="viewport" content="width=device-width,initial-scale=1"><title>Evidence report</title><style>${new Html(style)}</style></head><body>
<p class="dim">sqltrail · recorded ${recording.startedAt.slice(0, 16).replace('T', ' ')} UTC · ${recording.mode}, scale ${recording.scale ?? 'of the running stack'}, seed ${recording.seed ?? 'unknown'}</p>
<h1>Why the shop broke down at its peak, and what mended it</h1>
${outcome(input)}
${first}
${sections.map(([title, body]) => html`<section><h2>${title}</h2>${body}</section>`)}
<section><h2>Appendix: where each figure comes from</h2><p class="dim">Raw data: JSON pointers into recording.json beside this file, where a star stands for all entries; fields of the assumptions file; files of the repository. figures.json has the same with full precision.</p>${appendix(input)}</section>
</body></html>
`.text;
}
