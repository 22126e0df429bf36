import { type Html, html } from '../../diagnosis/format/markup.ts';
import type { Case } from '../case.ts';
import type { Figure } from '../figures.ts';
import { provenance } from '../provenance.ts';

/** Figures of the same raw data stand in one row: a mean with its interval, an assumption with its levels. */
const together = ({ source }: Figure) =>
  source
    .map((each) =>
      each.includes('/windows/')
        ? each
        : each.startsWith('/')
          ? each.split('/').slice(0, 4).join('/')
          : each.split('.').slice(0, 2).join('.'),
    )
    .join(' ');

/** Every figure with the query or formula, the window, and the raw data that give it again. */
export function appendix({ figures, recording }: Case): Html {
  const rows = Map.groupBy(figures.all(), together);
  return html`<table class="tight appendix"><thead><tr><th>Figures, as they are shown</th><th>Query or formula</th><th>Window</th><th>Raw data</th></tr></thead><tbody>${[
    ...rows.values(),
  ].map((members) => {
    const source = [...new Set(members.flatMap((figure) => figure.source))];
    const { files, windows } = provenance(recording, source);
    const hows = [...new Set(members.map(({ how }) => how))];
    return html`<tr><td>${members.map(({ id, text }, at) => html`${at ? html`<br>` : ''}<span id="${id}">${id}: ${text}</span>`)}</td><td>${hows.map((how, at) => html`${at ? html`<br>` : ''}${how}`)}</td><td>${windows.join('; ') || 'none'}</td><td>${files.join(', ')}: ${source.join(', ')}</td></tr>`;
  })}</tbody></table>`;
}
