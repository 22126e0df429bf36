import { Html, html } from '../../diagnosis/format/markup.ts';
import { catalogue } from '../../kpis/catalogue.ts';
import type { Case } from '../case.ts';
import { phaseBars } from '../charts/phaseBars.ts';
import { AFTER, type Row, worsened } from '../comparison.ts';
import type { Figures } from '../figures.ts';
import { afterTitles, kpiFormat, phaseTitles } from '../measured.ts';
import { figureOf, intervalCell } from '../page.ts';

/** Fewer windows than this make an interval that is itself uncertain. */
const FEW_WINDOWS = 5;

function objective(figures: Figures, id: string): Html {
  const kpi = catalogue.find((each) => each.id === id);
  if (!kpi) return html``;
  const { comparison, value, rationale } = kpi.objective;
  figures.define(
    `${id}:objective`,
    value,
    (number) => `${comparison === '<=' ? '≤' : '≥'} ${kpiFormat(id)(number)}`,
    [`kpis/catalogue.ts: ${id}`],
    rationale,
  );
  return figureOf(figures)(`${id}:objective`);
}

function effectCell(figures: Figures, { id, effects }: Row, phase: string): Html {
  const f = figureOf(figures);
  const effect = effects.find((each) => each.phase === phase);
  if (!effect) return html`<td class="n"><span class="dim">not measured</span></td>`;
  const at = `${id}:effect:${phase}`;
  const said = effect.ratio
    ? effect.worse
      ? html`${f(`${at}:mean`)} as good: worse`
      : html`${f(`${at}:mean`)} better`
    : effect.turned === 'appeared'
      ? 'appeared: worse'
      : effect.turned;
  return html`<td class="n ${effect.worse ? 'bad' : ''}">${said}<br><span class="dim">${effect.ratio ? html`${f(`${at}:low`)} – ${f(`${at}:high`)}<br>` : ''}δ ${f(`${at}:delta`)}, ${effect.magnitude}</span></td>`;
}

/** The phases side by side: means with their intervals, and what each step did against the peak before. */
export function comparison({ figures, recording, rows }: Case): Html {
  const phases = rows[0]?.cells.map(({ phase }) => phase) ?? [];
  if (phases.length === 0) return html`<p>No window was recorded.</p>`;
  const after = AFTER.filter((phase) => phases.includes(phase));
  const worse = worsened(rows);
  const few = phases.filter((phase) => (figures.value(`windows:${phase}`) ?? 0) < FEW_WINDOWS);
  return html`<table class="tight"><thead><tr><th>KPI</th>${phases.map((phase) => html`<th class="n">${phaseTitles[phase]}<br><span class="dim">${figureOf(figures)(`windows:${phase}`)} windows</span></th>`)}<th class="n">objective</th>${after.map((phase) => html`<th class="n">effect ${afterTitles[phase]}</th>`)}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr><td>${row.name}</td>${row.cells.map(({ phase, interval }) => html`<td class="n">${intervalCell(figures, `${row.id}:${phase}`, interval)}</td>`)}<td class="n">${objective(figures, row.id)}</td>${after.map((phase) => effectCell(figures, row, phase))}</tr>`,
  )}</tbody></table>
<p>${worse.length > 0 ? html`<span class="bad">Became worse: ${worse.join(', ')}.</span>` : after.length > 0 ? 'No KPI became worse for certain.' : ''}</p>
<p class="dim">Mean of windows of 15 s that do not overlap; below it the 95 % interval (percentile bootstrap, Efron 1979; 2,000 resamples, fixed seed). Effect: the mean at the peak before by the mean of the same peak after, with its interval by the same method; δ is Cliff’s delta (Cliff 1993: 1 when every window after is better than every window before), its size named as by Romano et al. 2006. “Gone”: nothing was left to divide by. Worse: the whole interval lies below one, or there was none of it before. The first window of each peak holds the change to it, on both sides. Neighbouring windows of one run are not wholly independent, so the intervals are narrow rather than wide.${few.length > 0 ? html` Fewer than five windows, so that the interval itself is uncertain: ${few.map((phase) => phaseTitles[phase]).join('; ')}.` : ''}</p>
<div class="pair">${['customer-latency-p95', 'request-failure-ratio', 'statement-latency-p95', 'rows-read-per-request'].map((kpi) => new Html(phaseBars(figures, recording, kpi)))}</div>`;
}
