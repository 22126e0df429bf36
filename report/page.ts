import { Html, html } from '../diagnosis/format/markup.ts';
import type { Figures } from './figures.ts';

/** Of the evidence page, on the screen and on paper; colours are told apart in greyscale by their weight and by words. */
const style = `:root{--line:#ccc;--dim:#555;--bad:#a33e00;--good:#00674b}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:1060px;margin:0 auto;padding:2rem 1.2rem}
h1{font-size:1.7rem;line-height:1.25;margin:.2rem 0}h2{font-size:1.25rem;margin:2.4rem 0 .6rem;border-bottom:2px solid #1a1a1a;padding-bottom:.2rem}h3{font-size:1.02rem;margin:1.2rem 0 .3rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;padding:.35rem .5rem;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}td:first-child{min-width:6rem}td.n,th.n{text-align:right;white-space:nowrap}th{overflow-wrap:normal}th.n{white-space:normal}
table.tight{font-size:.8rem}table.tight td.n{white-space:normal}table.tight .dim{font-size:.95em}table.tight span[data-figure]{white-space:nowrap}td.name{white-space:nowrap}table.appendix{table-layout:fixed;font-size:.74rem}table.appendix th:first-child{width:30%}table.appendix th:nth-child(2){width:32%}table.tight th,table.tight td{padding:.3rem .35rem}
p,li{overflow-wrap:anywhere}.dim{color:var(--dim);font-size:.86rem}.bad{color:var(--bad);font-weight:600}.good{color:var(--good);font-weight:600}
.state{border:2px solid;padding:.6rem .9rem;border-radius:6px;margin:1rem 0}.state.partial{color:var(--bad)}.state.complete{color:var(--good)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f4;padding:.6rem .8rem;border-radius:4px;font-size:.84rem;margin:.5rem 0}
svg{max-width:100%;height:auto;display:block}.pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem}.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:.8rem;margin:1rem 0}
.tile{border:1px solid var(--line);border-radius:6px;padding:.7rem .8rem}.tile b{display:block;font-size:1.35rem;line-height:1.2}
nav.contents{columns:2;font-size:.9rem;border:1px solid var(--line);border-radius:6px;padding:.5rem 1rem;margin:1rem 0}nav.contents ol{margin:.2rem 0;padding-left:1.4rem}nav.contents a{color:#0072B2}section{scroll-margin-top:1rem}
article{border:1px solid var(--line);border-radius:6px;padding:.6rem .9rem;margin:.7rem 0;break-inside:avoid}article h3{margin:.1rem 0}
@media screen and (max-width:900px){table{display:block;overflow-x:auto}}@media (max-width:640px){.pair{grid-template-columns:1fr}.tiles{grid-template-columns:1fr 1fr}}
@media print{html{font-size:11.5px}body{max-width:none;padding:0;font-size:1rem}h2{break-after:avoid}h3{break-after:avoid}tr,svg{break-inside:avoid}article{break-inside:auto}table.tight{font-size:.8rem}table.appendix{font-size:.68rem}table.appendix tr{break-inside:auto}td.n{white-space:normal}}
@page{size:A4;margin:14mm 14mm 18mm}`;

/**
 * For a page that is opened from a file, where no server says what it may load: its own styles, and pictures that are in
 * it. Texts are escaped; this is for the one that somebody forgets.
 *
 * @param script the source that a script of the page may have, such as its hash; without it none may run
 */
export const contentPolicy = (script = "'none'"): string =>
  `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src ${script}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">`;

/**
 * A page that is opened from a file: whole, and with nothing from outside.
 *
 * @param more styles beside those of all pages
 * @param script the source that its script may have; without it none may run
 */
export const htmlPage = (
  title: string,
  body: Html,
  { more = '', script }: { more?: string; script?: string } = {},
): string =>
  html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">${new Html(contentPolicy(script))}<meta name="viewport" content="width=device-width,initial-scale=1"><title>${title}</title><style>${new Html(style + more)}</style></head><body>
${body}
</body></html>
`.text;

/** When the run was recorded, to the minute, UTC. */
export const recordedAt = ({ startedAt }: { startedAt: string }): string =>
  startedAt.slice(0, 16).replace('T', ' ');

/** A figure as markup that leads back to its place in the appendix. */
export function figureOf(figures: Figures) {
  return (id: string): Html =>
    figures.get(id)
      ? html`<span data-figure="${id}">${figures.text(id)}</span>`
      : html`<span class="dim">${figures.text(id)}</span>`;
}

/** ` (low – high)` where there is an interval; nothing otherwise. */
export function rangeOf(figures: Figures, id: string): Html {
  const f = figureOf(figures);
  return figures.get(`${id}:low`) ? html`${f(`${id}:low`)} – ${f(`${id}:high`)}` : html``;
}

/** A mean with the interval below it, where there is one. */
export function intervalCell(figures: Figures, id: string): Html {
  if (!figures.get(id)) return html`<span class="dim">no data</span>`;
  return html`${figureOf(figures)(id)}<br><span class="dim">${rangeOf(figures, id)}</span>`;
}
