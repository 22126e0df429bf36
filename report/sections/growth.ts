import { Html, html } from '../../diagnosis/format/markup.ts';
import type { Case } from '../case.ts';
import { growthLines } from '../charts/growth.ts';
import { type GrowthOperation, growthModels, growthOperations, modelNames } from '../growth.ts';
import { intervalCell } from '../page.ts';

/** How each data model takes it when the data grows. */
export function growth({ growth: measured, figures }: Case): Html {
  if (!measured) return html`<p data-basis="missing">Growth was not measured (node bench/growth.ts).</p>`;
  const { sizes } = measured.settings;
  const cell = (id: string) => html`<td class="n">${intervalCell(figures, id)}</td>`;
  return html`<p data-basis="method">Each operation measured through the shop’s real stores with ${sizes.join(', ')} times the data, on each model, apart from the run above.</p>
<div class="pair">${(['checkout', 'search'] as const).map((operation) => new Html(growthLines(measured, operation)))}</div>
<table class="tight"><thead><tr><th>p95</th><th>model</th>${sizes.map((size) => html`<th class="n">${size}×</th>`)}<th class="n">grows with size to the power of</th></tr></thead><tbody>${(
    Object.keys(growthOperations) as GrowthOperation[]
  ).flatMap((operation) =>
    modelNames.map(
      (model) =>
        html`<tr><td>${growthOperations[operation]}</td><td>${growthModels[model]}</td>${sizes.map((size) => cell(`scaling:${operation}:${model}:${size}`))}${cell(`scaling:${operation}:${model}:exponent`)}</tr>`,
    ),
  )}</tbody></table><p class="dim" data-basis="method">Mean of the windows, with its 95 % interval from six windows or more. A power of 0 does not grow, 1 grows as the data does; for the checkout without the time of the simulated payment gateway.</p>`;
}
