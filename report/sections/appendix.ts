import { type Html, html } from '../../diagnosis/format/markup.ts';
import type { Case } from '../case.ts';
import { provenance } from '../provenance.ts';

/** Every figure with the query or formula, the window, and the raw data that give it again. */
export function appendix({ figures, recording }: Case): Html {
  return html`<table class="tight"><thead><tr><th>Figure</th><th>Shown as</th><th>Query or formula</th><th>Window</th><th>Raw data</th></tr></thead><tbody>${figures
    .all()
    .map(({ id, text, source, how }) => {
      const { files, windows } = provenance(recording, source);
      return html`<tr id="${id}"><td>${id}</td><td>${text}</td><td class="dim">${how}</td><td class="dim">${windows.join('; ') || 'none'}</td><td class="dim">${files.join(', ')}: ${source.join(', ')}</td></tr>`;
    })}</tbody></table>`;
}
