import { Html, html } from '../../diagnosis/format/markup.ts';
import type { Case } from '../case.ts';
import { capacityBars } from '../charts/capacity.ts';
import { growthModels } from '../growth.ts';
import { figureOf } from '../page.ts';

/** Visits a second that each model serves within the objective, and what a visit takes there. */
export function capacity({ capacity: measured, figures }: Case): Html {
  if (!measured) return html`<p data-basis="missing">Capacity was not measured (npm run bench:capacity).</p>`;
  const f = figureOf(figures);
  const { settings, cells, machine, measuredOn } = measured;
  return html`${new Html(capacityBars(figures, measured))}
<table class="tight"><thead><tr><th>model</th><th class="n">data</th><th class="n">met up to</th><th class="n">missed from</th><th class="n">CPU of the database a visit</th><th class="n">CPU of the shop a visit</th><th class="n">statements a visit</th></tr></thead><tbody>${cells.map(
    ({ model, size }) =>
      html`<tr><td>${growthModels[model]}</td><td class="n">${size}×</td>${['', ':missed', ':cpu', ':shop-cpu', ':statements'].map((part) => html`<td class="n">${f(`capacity:${model}:${size}${part}`)}</td>`)}</tr>`,
  )}</tbody></table><p class="dim" data-basis="method">Measured on ${measuredOn} with ${machine.cores} cores, shared with the load, apart from the run above: a staircase of open-loop load, ${settings.rounds} rounds of steps of ${settings.stepSeconds} s. A rate is met when in each round p95 stayed within ${settings.objectiveSeconds} s and no request failed. Capacity lies between the highest rate that was met and the lowest that was missed.</p>`;
}
