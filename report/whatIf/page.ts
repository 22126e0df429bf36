import { createHash } from 'node:crypto';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { Html, html } from '../../diagnosis/format/markup.ts';
import { type AssumptionName, assumptionTitles, atLevel } from '../assumptions.ts';
import type { Case } from '../case.ts';
import { afterTitles } from '../measured.ts';
import { htmlPage, recordedAt } from '../page.ts';
import { answers, leftId, type WhatIf } from './answers.ts';

const own = `body{max-width:900px}.bars{display:grid;grid-template-columns:max-content 1fr max-content;gap:.35rem .7rem;align-items:center;margin:1rem 0}.bars i{display:block;height:1.1rem;border-radius:3px;background:#a33e00;min-width:1px}.bars i.left{background:#00674b}.bars i.price{background:#0072B2}.bars b{font-variant-numeric:tabular-nums}
fieldset{border:1px solid var(--line);border-radius:6px;margin:.8rem 0;padding:.4rem .9rem}legend{font-weight:600;padding:0 .3rem}.row{display:grid;grid-template-columns:16rem 1fr 8rem;gap:.8rem;align-items:center;padding:.15rem 0}.row input{font:inherit;width:100%}.row input[aria-invalid=true]{outline:2px solid var(--bad)}.ends{display:flex;justify-content:space-between;color:var(--dim);font-size:.78rem}button{font:inherit;padding:.3rem .8rem}#fault{color:var(--bad);min-height:1.4em}
@media (max-width:640px){.row{grid-template-columns:1fr 7rem}.row label{grid-column:1/-1}.bars{grid-template-columns:1fr max-content}.bars span{grid-column:1/-1}}`;

const GROUPS: [string, AssumptionName[]][] = [
  [
    'Visitors',
    [
      'peakHoursPerDay',
      'peakHoursGrowth',
      'trafficFactor',
      'buyingShare',
      'retryShare',
      'conversionPer100Ms',
    ],
  ],
  ['Customers who stay away', ['churnShare', 'customerValue']],
  [
    'Prices and work',
    ['onCallHour', 'incidentsPerMonth', 'hoursPerIncident', 'databaseCoreHour', 'storageGbMonth'],
  ],
  ['The plan', ['engineerDay', 'daysShortTerm', 'daysArchival', 'daysMediumTerm']],
];

let bundled: string | undefined;

/** The page's script, the same for each report; bundled once a process. */
function script(): string {
  bundled ??= buildSync({
    entryPoints: [path.join(import.meta.dirname, 'script.ts')],
    bundle: true,
    write: false,
    minify: true,
    format: 'iife',
    target: 'es2022',
    legalComments: 'none',
    logLevel: 'silent',
  }).outputFiles[0]?.text.trim();
  return bundled ?? '';
}

/** Four digits are enough for a slider's end, and for its field. */
const short = (value: number) => Number(value.toPrecision(4));

function field(name: string, title: string, at: { low: number; likely: number; high: number }): Html {
  const [least, most] = [Math.min(at.low, at.high), Math.max(at.low, at.high)].map(short) as [number, number];
  // A slider needs a way to go also where all three levels are one number.
  const [from, to] = least === most ? [short(most / 10), short(most * 10)] : [least, most];
  return html`<div class="row"><label for="${name}">${title}</label><div><input type="range" data-of="${name}" aria-label="${title}" min="${from}" max="${to}" step="any" value="${short(at.likely)}"><div class="ends"><span>${from}</span><span>${to}</span></div></div><input type="number" id="${name}" name="${name}" min="0" step="any" required value="${short(at.likely)}"></div>`;
}

/**
 * The money of the report with sliders for what is assumed: the same arithmetic in the page, which takes nothing from
 * outside. At the likely numbers it shows what the report shows.
 */
export function whatIfPage({ figures, assumptions, impact, recording }: Case): string {
  const { basis, bytesPerDay } = impact;
  const head = html`<p class="dim" data-basis="recording">Recorded ${recordedAt(recording)} UTC. Where each figure comes from: <a href="appendix.html">appendix.html</a>. The rest of the case: <a href="report.html">report.html</a>.</p><h1>What if other numbers hold for you?</h1>`;
  const page = (body: Html, script?: string) =>
    htmlPage('What if', html`${head}${body}`, { more: own, ...(script ? { script } : {}) });
  if (!basis)
    return page(
      html`<p data-basis="missing">The peak’s checkouts were not counted in this recording, so there is nothing to reckon with.</p>`,
    );
  const likely = atLevel(assumptions, 'likely');
  const given: WhatIf = {
    basis,
    currency: assumptions.currency,
    likely,
    bytesPerDay: bytesPerDay.likely,
    titles: { ...assumptionTitles, bytesPerDay: 'growth' },
  };
  const shown = answers(given, likely, bytesPerDay.likely);
  const answer = (id: string) =>
    figures.get(id)
      ? html`<span data-figure="${id}" data-answer="${id}">${figures.text(id)}</span>`
      : html`<span data-answer="${id}">${shown.texts[id]}</span>`;
  const bar = (title: string, id: string, length: string, kind = '') =>
    html`<span>${title}</span><i class="${kind}" data-bar="${length}" style="width:${100 * (shown.bars[length] ?? 0)}%"></i><b>${answer(id)}</b>`;
  const code = script();
  const data = JSON.stringify(given).replaceAll('<', '\\u003c');
  const hash = createHash('sha256').update(code).digest('base64');
  return page(
    html`<p data-basis="method">Counted in the recorded peak, and not to be changed here: who was lost, with what in the basket, and how long statements ran. Everything below is assumed. Move a slider, or enter a number of your own; the address of this page keeps it.</p>
<div class="bars" aria-live="polite">${bar('Lost baskets of twelve months, as it is', 'impact:measured:likely', 'likely')}${basis.after.map(
      (step) =>
        bar(
          `${afterTitles[step.phase]}${step.noneLostOf === undefined ? '' : ', at most'}`,
          `impact:measured:${leftId(step)}`,
          leftId(step),
          'left',
        ),
    )}${bar('Price of the whole plan', 'price:plan:likely', 'plan', 'price')}</div>
<p>The plan saves ${answer('saved:year')} a year and is earned back after ${answer('payback:days')} of use. It would be within a year if ${answer('break-even:buyers')} of the visits bought.</p>
<p>Beside the lost baskets, in twelve months as it is: ${answer('impact:scenario:likely')} by waiting (never added to the lost baskets: one visit may be in both), ${answer('impact:churn:likely')} by customers who stay away, ${answer('impact:onCall:likely')} for work on call, ${answer('impact:database:likely')} for database time, ${answer('impact:storage:likely')} for storage.</p>
<p id="fault" role="alert" data-basis="input"></p>
${GROUPS.map(([title, names]) => html`<fieldset><legend>${title}</legend>${names.map((name) => field(name, assumptionTitles[name], assumptions[name]))}</fieldset>`)}
<fieldset><legend>The data</legend>${field('bytesPerDay', 'growth in bytes a day (measured over three windows)', bytesPerDay)}</fieldset>
<p data-basis="input"><button type="button" id="likely">Back to the likely numbers</button></p>
<script type="application/json" id="given">${new Html(data)}</script><script>${new Html(code)}</script>`,
    `'sha256-${hash}'`,
  );
}
