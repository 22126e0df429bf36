import { Html, html } from '../diagnosis/format/markup.ts';
import type { Case } from './case.ts';
import { phaseLegend, timeline } from './charts/timeline.ts';
import { holds } from './claims.ts';
import { phaseTitles } from './measured.ts';
import { htmlPage, recordedAt } from './page.ts';
import { alerts } from './sections/alerts.ts';
import { appendix } from './sections/appendix.ts';
import { capacity } from './sections/capacity.ts';
import { causes, trail } from './sections/causes.ts';
import { comparison } from './sections/comparison.ts';
import { growth } from './sections/growth.ts';
import { impact } from './sections/impact.ts';
import { integrity, mediumTerm } from './sections/mediumTerm.ts';
import { archival, mitigation } from './sections/mitigation.ts';
import { summaryStyle } from './summary.ts';

/** KPIs that are drawn over the whole run. */
export const TIMELINES = ['customer-latency-p95', 'request-failure-ratio'] as const;

/** Whether the run is whole stands before every figure. */
function outcome({ recording }: Case): Html {
  const notes = recording.notes.map((note) => html`<br>${note}`);
  if (recording.outcome === 'complete')
    return html`<p class="state complete" data-basis="outcome">The run is complete: each of its phases was measured.${notes}</p>`;
  const did = recording.phases.map(({ name }) => phaseTitles[name] ?? name).join(', ');
  return html`<p class="state partial" data-basis="outcome"><b>This run is ${recording.outcome}.</b> It holds: ${did || 'no phase'}. Nothing is shown for what was not measured.${notes}</p>`;
}

/** The parts of the report that a run did not bring, so that nobody takes silence for a zero. */
function missing({ recording, growth: grown, capacity: measured, figures }: Case): Html {
  const gaps = [
    !recording.diagnosis && 'The causes: the diagnosis did not run.',
    !figures.get('customer-latency-p95:peak-after-short-term') && 'The peak after the short-term fixes.',
    !recording.archival && 'The archival.',
    !recording.migration && 'The migration.',
    !figures.get('requests:peak') &&
      'How many requests each phase had, so that its share of failed ones has no bound.',
    !grown && 'How each operation grows with the data (node bench/growth.ts).',
    !measured && 'How many visits a second each model can serve (npm run bench:capacity).',
    'What each index costs a write, measured alone.',
    'Real customers: the load is generated.',
  ].filter((gap) => gap !== false);
  return html`<ul>${gaps.map((gap) => html`<li data-basis="missing">${gap}</li>`)}</ul>`;
}

/** Says of the run only what came of it. */
function title(input: Case): string {
  if (!holds(input, 'slow at the peak')) return 'The shop under its peak load';
  return holds(input, 'pages faster after the short term')
    ? 'Why the shop was slow at its peak, and what made it fast'
    : 'Why the shop was slow at its peak';
}

const anchor = (title: string) => title.toLowerCase().replaceAll(/[^a-z]+/g, '-');

/** The evidence report: one page, no script, nothing from outside; {@link summary} made what it begins with. */
export function evidenceReport(input: Case, summary: Html): string {
  const { recording } = input;
  const sections = [
    ['Before and after', comparison(input)],
    [
      'The run',
      html`${TIMELINES.map((kpi) => new Html(timeline(recording, kpi)))}<p class="dim" data-basis="legend">Phases: ${phaseLegend(recording)}.</p>`,
    ],
    ['The causes, the most expensive first', causes(input)],
    ['From the alert to the statement', trail(input)],
    ['Short-term fixes', mitigation(input)],
    ['Selective archival', archival(input)],
    ['Medium term: the new data model', mediumTerm(input)],
    ['Orders and rows compared', integrity(input)],
    ['Capacity', capacity(input)],
    ['As the data grows', growth(input)],
    ['What it costs to wait', impact(input)],
    ['Alerts', alerts(input)],
    ['What was not measured', missing(input)],
  ] as const;
  return htmlPage(
    'Evidence report',
    html`<p class="dim" data-basis="recording">sqltrail · recorded ${recordedAt(recording)} UTC · ${recording.mode}, scale ${recording.scale ?? 'of the running stack'}, seed ${recording.seed ?? 'unknown'}</p>
<h1>${title(input)}</h1>
${outcome(input)}
<section id="summary"><h2>Summary</h2>${summary}</section>
<nav class="contents" aria-label="Contents"><b>Contents</b><ol>${sections.map(([title]) => html`<li data-basis="contents"><a href="#${anchor(title)}">${title}</a></li>`)}</ol><p data-basis="contents">Where each figure comes from: <a href="appendix.html">appendix.html</a></p></nav>
${sections.map(([title, body]) => html`<section id="${anchor(title)}"><h2>${title}</h2>${body}</section>`)}`,
    { more: `${summaryStyle}body{max-width:1060px}` },
  );
}

/** Where each figure comes from; written after everything else, which defines the figures. */
export const appendixPage = (input: Case): string =>
  htmlPage(
    'Appendix',
    html`<h1>Appendix: where each figure comes from</h1><p class="dim" data-basis="method">Of the run recorded ${recordedAt(input.recording)} UTC. Raw data: JSON pointers into recording.json beside this file, where a star stands for all entries; fields of the assumptions file; files of the repository. figures.json has the same with full precision.</p>${appendix(input)}`,
  );
