import { bytesText, count } from '../../lib/units/format.ts';
import { unexplained } from '../attribution.ts';
import { type Diagnosis, notesOf } from '../diagnosis.ts';
import type { RankedFinding } from '../finding.ts';
import { fixSql } from '../fixSql.ts';
import { commandsOf } from '../operationCommand.ts';
import { Html, html } from './markup.ts';
import { costText, SMALLEST_UNEXPLAINED } from './text.ts';
import { causeTree } from './tree.ts';

const style = `:root{color-scheme:light dark;--line:#8886;--dim:#666;--critical:#b3261e;--warning:#8a5a00;--info:#0b5cad}
@media (prefers-color-scheme:dark){:root{--dim:#aaa;--critical:#ff8a80;--warning:#ffca6b;--info:#8ab8ff}}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}
article{border:1px solid var(--line);border-left:6px solid var(--line);border-radius:6px;padding:.7rem 1rem;margin:.8rem 0;break-inside:avoid}
article.critical{border-left-color:var(--critical)}article.warning{border-left-color:var(--warning)}article.info{border-left-color:var(--info)}
article h3{margin:0;font-size:1.02rem}article p{margin:.35rem 0}.meta,.how{color:var(--dim);font-size:.86rem}
.severity{font-weight:600}.critical .severity{color:var(--critical)}.warning .severity{color:var(--warning)}.info .severity{color:var(--info)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#8882;padding:.5rem .7rem;border-radius:4px;font-size:.86rem;margin:.4rem 0}
meter{width:9rem;vertical-align:middle}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
td.value{text-align:right;padding-right:0;width:11rem}@media (max-width:40rem){td.value{width:6rem}}
ul{padding-left:1.2rem}a{color:inherit}`;

function article(finding: RankedFinding) {
  const { rank, severity, title, explanation, cost, confidence, fix, evidence, explains, shareOfLostTime } =
    finding;
  const statements = fix ? fixSql(fix).sql.map((each) => `${each};`) : [];
  const sql = [...statements, ...commandsOf(fix)];
  return html`<article class="${severity}" id="f${rank}"><h3>${rank}. ${title}</h3>
<p class="meta"><span class="severity">${severity}</span> · ${finding.check} · ${costText(cost) || 'no cost measured'} · confidence ${Math.round(confidence.level * 100)} % (${confidence.note ?? confidence.basis})${
    shareOfLostTime === null
      ? ''
      : html` · <meter min="0" max="1" value="${shareOfLostTime.toFixed(3)}" aria-label="share of database time"></meter> ${(shareOfLostTime * 100).toFixed(1)} % of database time`
  }</p>
<p>${explanation}</p>
${
  fix
    ? html`<p><b>Fix:</b> ${fix.summary}. <b>Effect:</b> ${fix.expectedEffect}.</p>${sql.length > 0 ? html`<pre>${sql.join('\n')}</pre>` : ''}${(fix.caveats ?? []).map((caveat) => html`<p class="meta">Note: ${caveat}.</p>`)}<p class="meta">Lock: ${fix.lock || 'none'}. Risk: ${fix.risk}</p>`
    : ''
}
<details><summary>Evidence</summary><table>${evidence.map(
    ({ label, value, unit, how }, at) =>
      html`<tr><td>${label}${how === evidence[at - 1]?.how ? '' : html`<div class="how">${how}</div>`}</td><td class="value">${typeof value === 'number' ? value.toLocaleString('en') : value} ${unit === '1' ? '' : unit}</td></tr>`,
  )}</table><p class="meta">KPIs: ${explains.kpis.join(', ')}${explains.traces.length > 0 ? ` · traces: ${explains.traces.join(', ')}` : ''}</p></details></article>`;
}

/** What of the database time no finding explains, with the statements that take most of it. */
function unexplainedHtml({ attribution }: Diagnosis) {
  if (!attribution) return '';
  const statements = unexplained(attribution, SMALLEST_UNEXPLAINED);
  return html`<p><b>No finding explains ${(attribution.unexplainedShare * 100).toFixed(1)} % of the database time.</b></p>${
    statements.length > 0
      ? html`<table>${statements.map(({ text, calls, meanMs, share }) => html`<tr><td>${text}<div class="how">${count(calls)} calls of ${meanMs.toFixed(2)} ms</div></td><td class="value">${(share * 100).toFixed(1)} %</td></tr>`)}</table>`
      : ''
  }`;
}

/** One self-contained page, no script; readable in print. */
export function toHtml(diagnosis: Diagnosis): string {
  const { findings, target, server } = diagnosis;
  const notes = notesOf(diagnosis);
  const by = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Diagnosis of ${target}</title><style>${new Html(style)}</style></head><body>
<h1>Diagnosis of ${target}</h1>
<p>Postgres ${Math.floor(server.version / 10_000)}, ${count(diagnosis.tables)} tables, ${bytesText(diagnosis.bytes)}; ${diagnosis.startedAt.slice(0, 16).replace('T', ' ')} UTC. <b>${by('critical')} critical</b>, ${by('warning')} warnings, ${by('info')} for information.${
    diagnosis.msPerSecond === null
      ? ''
      : ` Workload of ${count(diagnosis.windowSeconds ?? 0)} s: ${count(diagnosis.msPerSecond)} ms of database time a second.`
  }</p>
${notes.length > 0 ? html`<article class="warning"><h3>${diagnosis.partial ? 'Partial' : 'Notes'}</h3><ul>${notes.map((note) => html`<li>${note}</li>`)}</ul></article>` : ''}
${unexplainedHtml(diagnosis)}
<h2>From KPI to cause</h2><ul>${causeTree(diagnosis).map(
    ({ name, symptoms }) =>
      html`<li>${name}<ul>${symptoms.map(({ table, findings: causes }) => html`<li>${table}: ${causes.map((cause, at) => html`${at ? ', ' : ''}<a href="#f${cause.rank}">${cause.check}</a>`)}</li>`)}</ul></li>`,
  )}</ul>
<h2>Findings, the most expensive first</h2>
${findings.map(article)}
<h2>Not seen</h2>${diagnosis.blind.length === 0 ? html`<p>Nothing was out of sight.</p>` : html`<ul>${diagnosis.blind.map(({ what, remedy }) => html`<li>${what}. ${remedy}</li>`)}</ul>`}
<p class="meta">The diagnosis took ${diagnosis.seconds.toFixed(1)} s; its ${diagnosis.ownLoad.statements} statements kept one connection busy for ${(diagnosis.ownLoad.busyMs / 1000).toFixed(1)} s. It changed nothing.</p>
</body></html>
`.text;
}
