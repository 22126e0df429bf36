import { Html, html } from '../../diagnosis/format/markup.ts';
import { catalogue } from '../../kpis/catalogue.ts';
import { MIN_WINDOWS } from '../../lib/stats/interval.ts';
import type { Case } from '../case.ts';
import { phaseBars } from '../charts/phaseBars.ts';
import { AFTER, type Row, worsened } from '../comparison.ts';
import type { Figures } from '../figures.ts';
import { afterTitles, kpiFormat, phaseTitles, uncomparedKpis } from '../measured.ts';
import { figureOf, intervalCell, rangeOf } from '../page.ts';

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
      ? html`${f(at)} as good: worse`
      : html`${f(at)} better`
    : effect.turned === 'appeared'
      ? 'appeared: worse'
      : effect.turned;
  return html`<td class="n ${effect.worse ? 'bad' : ''}">${said}<br><span class="dim">${figures.get(`${at}:low`) ? html`${rangeOf(figures, at)}<br>` : ''}δ ${f(`${at}:delta`)}, ${effect.magnitude}</span></td>`;
}

/** What became worse, of how many; the rest was not compared. */
function judgement({ figures, rows, worseSamples }: Case): Html {
  const f = figureOf(figures);
  if (!rows.some(({ effects }) => effects.length > 0)) return html``;
  const worse = worsened(rows);
  const sampled = worseSamples.map(
    ({ id, name, phase }, at) =>
      html`${at ? '; ' : ''}${name} ${f(`sampled:${id}:peak`)} → ${f(`sampled:${id}:${phase}`)}`,
  );
  return html`<p>${worse.length > 0 ? html`<span class="bad">Became worse: ${worse.join(', ')}.</span> ` : html`None of the rows above became worse. `}${f('kpis:compared')} of ${f('kpis:all')} KPIs were read in windows and compared.</p>
${sampled.length > 0 ? html`<p class="bad">Met the objective at the peak before and miss it now, by the last sample of each phase: ${sampled}.</p>` : ''}
<p class="dim" data-basis="catalogue">Not read in windows: ${uncomparedKpis.map(({ name }) => name).join(', ')}.</p>`;
}

/** The phases side by side: means with their intervals, and what each step did against the peak before. */
export function comparison(input: Case): Html {
  const { figures, recording, rows } = input;
  const phases = rows[0]?.cells.map(({ phase }) => phase) ?? [];
  if (phases.length === 0) return html`<p data-basis="recording">No window was recorded.</p>`;
  const after = AFTER.filter((phase) => phases.includes(phase));
  const few = phases.filter((phase) => (figures.value(`windows:${phase}`) ?? 0) < MIN_WINDOWS);
  return html`<table class="tight"><thead><tr><th>KPI</th>${phases.map((phase) => html`<th class="n">${phaseTitles[phase]}<br><span class="dim">${figureOf(figures)(`windows:${phase}`)} windows</span></th>`)}<th class="n">objective</th>${after.map((phase) => html`<th class="n">effect ${afterTitles[phase]}</th>`)}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr><td>${row.name}</td>${row.cells.map(({ phase }) => html`<td class="n">${intervalCell(figures, `${row.id}:${phase}`)}</td>`)}<td class="n">${objective(figures, row.id)}</td>${after.map((phase) => effectCell(figures, row, phase))}</tr>`,
  )}</tbody></table>
${judgement(input)}
<div class="pair">${['customer-latency-p95', 'request-failure-ratio', 'statement-latency-p95', 'rows-read-per-request'].map((kpi) => new Html(phaseBars(figures, recording, kpi)))}</div>
<p class="dim" data-basis="method">Mean of windows of 15 s that do not overlap; below it the 95 % interval (percentile bootstrap, Efron 1979; 2,000 resamples, fixed seed), where there are six windows or more and they differ. The share of lost checkouts is counted over the whole phase. Effect: the mean at the peak before by the mean of the same peak after; δ is Cliff’s delta (Cliff 1993: 1 when each window after is better than each before), its size named as by Romano et al. 2006. “Gone”: there was none of it any more. Worse: the whole interval lies below one, or there was none of it before. The first window of each peak holds the change to it, on both sides. Neighbouring windows of one run depend on each other, so the intervals are narrow rather than wide.${few.length > 0 ? html` Too few windows for an interval: ${few.map((phase) => phaseTitles[phase]).join('; ')}.` : ''}</p>`;
}
