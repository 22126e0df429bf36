import { Html, html } from '../../diagnosis/format/markup.ts';
import type { Case } from '../case.ts';
import { alertHistory } from '../charts/alertHistory.ts';
import { phaseLegend } from '../charts/timeline.ts';
import { phaseTitles } from '../measured.ts';
import { figureOf } from '../page.ts';

/** When which alert was active, and what it said first in each phase. */
export function alerts({ recording, figures }: Case): Html {
  const f = figureOf(figures);
  const seen = new Set<string>();
  const firsts = recording.alerts.filter(
    ({ name, phase }) => !seen.has(`${name}${phase}`) && seen.add(`${name}${phase}`),
  );
  const chart = alertHistory(recording);
  return html`${chart ? html`${new Html(chart)}<p class="dim" data-basis="legend">Dark: pages somebody. Light: a ticket. Phases: ${phaseLegend(recording)}.</p>` : ''}
<table class="tight"><thead><tr><th>Phase</th><th>Alert</th><th class="n">first seen after</th><th>what it said</th></tr></thead><tbody>${firsts.map(
    (alert) => {
      const at = recording.alerts.indexOf(alert);
      figures.define(
        `alert:${at}`,
        alert.afterSeconds,
        (value) => `${Math.round(value)} s`,
        [`/alerts/${at}/afterSeconds`],
        'seconds from the start of the phase',
      );
      return html`<tr><td>${phaseTitles[alert.phase] ?? alert.phase}</td><td class="name">${alert.name}</td><td class="n">${f(`alert:${at}`)}</td><td class="dim">${alert.summary}</td></tr>`;
    },
  )}</tbody></table>`;
}
