import { type Html, html } from '../../diagnosis/format/markup.ts';
import type { Case } from '../case.ts';
import { figureOf, rangeOf } from '../page.ts';

/** Each action with what was predicted and what was measured. */
export function mitigation({ recording, figures }: Case): Html {
  const f = figureOf(figures);
  if (recording.actions.length === 0)
    return html`<p data-basis="missing">No action was taken in this recording.</p>`;
  return html`<table class="tight"><thead><tr><th>Action</th><th>State</th><th class="n">planner’s cost, before / after</th><th class="n">time, before / after</th><th class="n">it took (expected)</th></tr></thead><tbody>${recording.actions.map(
    ({ action, state, outcome, note }) =>
      html`<tr><td>${action.title}<br><span class="dim">${action.reason}</span></td><td class="${state === 'kept' ? 'good' : 'bad'}">${state}</td><td class="n">${figures.get(`action:${action.id}:predicted`) ? f(`action:${action.id}:predicted`) : '–'}</td><td class="n">${
        figures.get(`action:${action.id}:gain`)
          ? html`${f(`action:${action.id}:gain`)}<br><span class="dim">${rangeOf(figures, `action:${action.id}:gain`)}${outcome === 'better' ? '' : html` ${note}`}</span>`
          : html`<span class="dim">${note ?? 'not measured'}</span>`
      }</td><td class="n">${figures.get(`action:${action.id}:took`) ? f(`action:${action.id}:took`) : '–'}${figures.get(`action:${action.id}:told`) ? html` (${f(`action:${action.id}:told`)})` : ''}</td></tr>`,
  )}</tbody></table><p>The planner’s cost is a prediction of which action to take first, not of the time: for ${f('actions:predicted-near')} of ${f('actions:predicted')} predictions the measured factor was within a factor of two.</p>
<p class="dim" data-basis="fix/mitigate.integration.test.ts">Applied one after the other under the running peak. Time: mean of its statements in windows before by that in windows after; statements cut off by a timeout count with the time that they were seen to run. An action that was measured and does not help, in time or in pages touched, by one look beyond doubt or by two one after the other, of four at most, is reverted by itself; what could not be measured stays, is to be reviewed, and says why. The journal has the undo of each (sqltrail fix list).</p>`;
}

/** What left the live database. */
export function archival({ recording, figures }: Case): Html {
  const f = figureOf(figures);
  if (!recording.archival) return html`<p data-basis="missing">There was no archival in this recording.</p>`;
  return html`<p>With ${f('offered:archival')} visits a second ${f('archival:rows')} rows left the live database in ${f('archival:seconds')}, into ${f('archival:bytes')} of Parquet. A row was deleted only after its file had been read back, compared by count and hash, and synced to disk. ${f('archival:files')} files were read once more at the end; damaged: ${f('archival:damaged')}.</p>
<table><thead><tr><th>Unit of the policy</th><th class="n">units</th><th class="n">rows</th><th class="n">files</th><th class="n">changed meanwhile, and stayed</th></tr></thead><tbody>${recording.archival.units.map(
    ({ unit }) =>
      html`<tr><td>${unit}</td><td class="n">${f(`archival:${unit}:units`)}</td><td class="n">${f(`archival:${unit}:rows`)}</td><td class="n">${f(`archival:${unit}:bytes`)}</td><td class="n">${f(`archival:${unit}:kept`)}</td></tr>`,
  )}</tbody></table><p class="dim" data-basis="archive/archive.integration.test.ts">sqltrail archive list, query, verify and restore read what is there.</p>`;
}
