import { formatDialect, postgresql } from 'sql-formatter';
import { Html, html, type Html as Markup } from '../diagnosis/format/markup.ts';
import { kpiById } from '../kpis/catalogue.ts';
import type { Interval } from '../remediation/interval.ts';
import { causeBars, gantt, phaseBars, sizeBars, timeline, tornado } from './charts.ts';
import type { Figures } from './figures.ts';
import { type Assumptions, LEVELS, type Sensitivity } from './impact.ts';
import { phaseTitles, type Row } from './measured.ts';
import type { Recording } from './recording.ts';
import { roadmap } from './roadmap.ts';

export interface ReportInput {
  recording: Recording;
  figures: Figures;
  rows: Row[];
  assumptions: Assumptions;
  sensitivity: Sensitivity[];
}

const style = `:root{--line:#ccc;--dim:#555;--bad:#a33e00;--good:#00674b}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;max-width:960px;margin:0 auto;padding:2rem 1.2rem}
h1{font-size:1.7rem;line-height:1.25;margin:.2rem 0}h2{font-size:1.25rem;margin:2.4rem 0 .6rem;border-bottom:2px solid #1a1a1a;padding-bottom:.2rem}h3{font-size:1.02rem;margin:1.2rem 0 .3rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;padding:.35rem .5rem;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}td:first-child{min-width:6rem}td.n,th.n{text-align:right;white-space:nowrap}
.dim{color:var(--dim);font-size:.86rem}.bad{color:var(--bad);font-weight:600}.good{color:var(--good);font-weight:600}
.state{border:2px solid;padding:.6rem .9rem;border-radius:6px;margin:1rem 0}.state.partial{color:var(--bad)}.state.complete{color:var(--good)}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f4;padding:.6rem .8rem;border-radius:4px;font-size:.84rem}
svg{max-width:100%;height:auto;display:block}.pair{display:grid;grid-template-columns:1fr 1fr;gap:1rem}.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:.8rem;margin:1rem 0}
.tile{border:1px solid var(--line);border-radius:6px;padding:.7rem .8rem}.tile b{display:block;font-size:1.35rem;line-height:1.2}
article{border:1px solid var(--line);border-radius:6px;padding:.6rem .9rem;margin:.7rem 0;break-inside:avoid}article h3{margin:.1rem 0}
@media (max-width:640px){.pair{grid-template-columns:1fr}.tiles{grid-template-columns:1fr 1fr}}
@media print{body{max-width:none;padding:0;font-size:12px}h2{break-after:avoid}tr,figure,svg{break-inside:avoid}}
@page{size:A4;margin:16mm}`;

/** A figure as markup that leads back to its place in the appendix. */
function figureOf(figures: Figures) {
  return (id: string): Markup =>
    figures.get(id)
      ? html`<span data-figure="${id}">${figures.text(id)}</span>`
      : html`<span class="dim">${figures.text(id)}</span>`;
}

const interval = (figures: Figures, id: string, found: Interval | undefined) => {
  const f = figureOf(figures);
  if (!found) return html`<span class="dim">no data</span>`;
  return html`${f(id)}${found.windows > 1 ? html`<br><span class="dim">${f(`${id}:low`)} – ${f(`${id}:high`)}</span>` : html`<br><span class="dim">one window</span>`}`;
};

function outcome({ recording }: ReportInput): Markup {
  if (recording.outcome === 'complete')
    return html`<p class="state complete">The run is complete: every phase below was measured.</p>`;
  const did = recording.phases.map(({ name }) => phaseTitles[name] ?? name).join(', ');
  return html`<p class="state partial"><b>This run is ${recording.outcome}.</b> It holds: ${did || 'no phase'}. Nothing is shown for what was not measured.${recording.notes.map((note) => html`<br>${note}`)}</p>`;
}

function comparison({ figures, recording, rows }: ReportInput): Markup {
  const f = figureOf(figures);
  const phases = rows[0]?.cells.map(({ phase }) => phase) ?? [];
  if (phases.length === 0) return html`<p>No window was recorded.</p>`;
  const worse = rows.filter((row) => row.worse);
  return html`<table><thead><tr><th>KPI</th>${phases.map((phase) => html`<th class="n">${phaseTitles[phase]}</th>`)}<th class="n">objective</th><th class="n">effect</th></tr></thead><tbody>${rows.map(
    ({ kpi, cells, effect, worse: became }) => {
      const { name, objective } = kpiById(kpi);
      figures.define(
        `${kpi}:objective`,
        objective.value,
        (value) => `${objective.comparison === '<=' ? '≤' : '≥'} ${kpiText(kpi, value)}`,
        [`kpis/${kpi}`],
        objective.rationale,
      );
      return html`<tr><td>${name}</td>${cells.map(({ phase, interval: found }) => html`<td class="n">${interval(figures, `${kpi}:${phase}`, found)}</td>`)}<td class="n">${f(`${kpi}:objective`)}</td><td class="n ${became ? 'bad' : ''}">${effect ? html`${f(`${kpi}:effect:mean`)} better<br><span class="dim">${f(`${kpi}:effect:low`)} – ${f(`${kpi}:effect:high`)}</span>` : html`<span class="dim">gone, or none before</span>`}</td></tr>`;
    },
  )}</tbody></table>
<p class="dim">Mean of windows of 15 s that do not overlap, below it the 95 % interval (percentile bootstrap, 2,000 resamples, fixed seed). Effect: mean before by mean after. ${worse.length > 0 ? html`<span class="bad">Became worse: ${worse.map(({ kpi }) => kpiById(kpi).name).join(', ')}.</span>` : 'No KPI became worse.'} Neighbouring windows of one run are not wholly independent, so the intervals are narrow rather than wide.</p>
<div class="pair">${['customer-latency-p95', 'request-failure-ratio', 'statement-latency-p95', 'rows-read-per-request'].map((kpi) => new Html(phaseBars(figures, recording, kpi)))}</div>`;
}

const kpiText = (kpi: string, value: number) => {
  const { unit } = kpiById(kpi);
  return unit === 's'
    ? value < 1
      ? `${value * 1000} ms`
      : `${value} s`
    : unit === '1'
      ? `${Math.round(value * 1000) / 10} %`
      : unit === '/s'
        ? `${value} /s`
        : value.toLocaleString('en');
};

function causes({ recording, figures }: ReportInput): Markup {
  const f = figureOf(figures);
  const { diagnosis } = recording;
  if (!diagnosis) return html`<p>The diagnosis did not run in this recording.</p>`;
  const shown = diagnosis.findings.filter(({ severity }) => severity !== 'info');
  return html`<p>Under the peak all statements together kept the database busy for ${f('diagnosis:busy')}. The diagnosis took ${f('diagnosis:seconds')}, read only, and found ${f('diagnosis:findings')} causes, ${f('diagnosis:critical')} of them critical. Several causes can share one statement, so shares may add up to more than all.</p>
${new Html(causeBars(figures, recording))}
${shown.map((finding) => {
  const id = `finding:${finding.rank}`;
  const costs = [
    figures.get(`${id}:share`) && html`${f(`${id}:share`)} of database time`,
    figures.get(`${id}:ms`) && f(`${id}:ms`),
    figures.get(`${id}:read`) && html`${f(`${id}:read`)} rows read for each returned`,
    figures.get(`${id}:bytes`) && f(`${id}:bytes`),
  ].filter((cost) => cost !== undefined);
  return html`<article><h3>${finding.rank}. ${finding.title}</h3><p class="dim">${costs.map((cost, at) => html`${at ? ' · ' : ''}${cost}`)} · KPI: ${finding.explains.kpis.map((kpi) => kpiById(kpi).name).join(', ')}${finding.explains.traces[0] ? html` · trace ${finding.explains.traces[0]}` : ''}</p><p>${finding.explanation}</p>${finding.fix && finding.fix.sql.length > 0 ? html`<pre>${finding.fix.sql.map((sql) => `${sql};`).join('\n')}</pre>` : ''}</article>`;
})}
${diagnosis.blind.length > 0 ? html`<h3>What could not be seen</h3><ul>${diagnosis.blind.map(({ what, remedy }) => html`<li>${what}. ${remedy}</li>`)}</ul>` : ''}`;
}

interface PlanNode {
  'Node Type'?: string;
  'Relation Name'?: string;
  Filter?: string;
  'Plan Rows'?: number;
  Plans?: PlanNode[];
}

function planText(node: PlanNode | undefined, depth = 0): string {
  if (!node) return '';
  const line = `${'  '.repeat(depth)}${node['Node Type']}${node['Relation Name'] ? ` on ${node['Relation Name']}` : ''}  (rows ${node['Plan Rows']})${node.Filter ? `\n${'  '.repeat(depth)}  Filter: ${node.Filter}` : ''}`;
  return [line, ...(node.Plans ?? []).map((child) => planText(child, depth + 1))].join('\n');
}

function trail({ recording }: ReportInput): Markup {
  const { trail: found } = recording;
  if (!found) return html`<p>No alert could be followed to a trace in this recording.</p>`;
  const plan = (found.plan as [{ Plan?: PlanNode }] | null)?.[0]?.Plan;
  return html`<p>${found.alert} named the statement “${found.statement}”. The ${found.foundBy} of its metric led to trace ${found.traceId}${found.route ? html`, a request to ${found.route}` : ''}. The slowest statement in it:</p>
${found.sql ? html`<pre>${formatDialect(found.sql, { dialect: postgresql, keywordCase: 'upper' })}</pre>` : ''}${plan ? html`<p>Its plan, captured when it was slow, without its values:</p><pre>${planText(plan)}</pre>` : html`<p>Its plan was not captured.</p>`}`;
}

function relief({ recording, figures }: ReportInput): Markup {
  const f = figureOf(figures);
  if (recording.actions.length === 0) return html`<p>No action was taken in this recording.</p>`;
  return html`<table><thead><tr><th>Action</th><th>State</th><th class="n">predicted</th><th class="n">measured</th></tr></thead><tbody>${recording.actions.map(
    ({ action, state, note }) =>
      html`<tr><td>${action.title}<br><span class="dim">${action.reason}</span></td><td class="${state === 'kept' ? 'good' : 'bad'}">${state}</td><td class="n">${figures.get(`action:${action.id}:predicted`) ? f(`action:${action.id}:predicted`) : '–'}</td><td class="n">${
        figures.get(`action:${action.id}:mean`)
          ? html`${f(`action:${action.id}:mean`)}<br><span class="dim">${f(`action:${action.id}:low`)} – ${f(`action:${action.id}:high`)}</span>`
          : html`<span class="dim">${note ?? 'not measured'}</span>`
      }</td></tr>`,
  )}</tbody></table><p class="dim">Each was applied alone under the running peak. Measured: mean time of its statements in windows before by that in windows after; statements cut off by a timeout count with the time that they were seen to run. An action whose whole interval is below one is taken back by itself. Each has its undo in the journal (sqltrail fix list).</p>`;
}

function impact({ figures, assumptions, sensitivity }: ReportInput): Markup {
  const f = figureOf(figures);
  if (!figures.get('impact:measured:likely'))
    return html`<p>The peak’s checkouts were not counted in this recording, so no impact is given.</p>`;
  const row = (title: string, id: string, basis: string) =>
    html`<tr><td>${title}</td>${LEVELS.map((level) => html`<td class="n">${f(`impact:${id}:${level}`)}</td>`)}<td class="dim">${basis}</td></tr>`;
  return html`<p>What it costs to leave things as they are, in twelve months. The tiers are never added up: one lost visit may be in both.</p>
<table><thead><tr><th>Twelve months</th><th class="n">low</th><th class="n">likely</th><th class="n">high</th><th>basis</th></tr></thead><tbody>
${row('Lost baskets (measured tier)', 'measured', 'counted in the recorded peak; hours of peak and share that comes back are assumed')}
${row('Sales lost by waiting (scenario tier)', 'scenario', assumptions.conversionPer100Ms.source)}
${row('Customers who do not come back', 'churn', assumptions.churnShare.source)}
${row('On-call work', 'on-call', assumptions.hoursPerIncident.source)}
${row('Database time at the peak (operating cost)', 'database', assumptions.databaseCoreHour.source)}
${row('Storage (operating cost)', 'storage', assumptions.storageGbMonth.source)}</tbody></table>
<p>The tables grow by ${f('growth:day:likely')} (${f('growth:day:low')} to ${f('growth:day:high')}, by the dates of their own rows): in twelve months they are ${f('growth:year:likely')} as large. Statements that read whole tables take as much longer. At the recorded peak statements ran for ${f('database-time:peak')}; after the short-term relief for ${f('database-time:peak-after-short-term')}, on the new model for ${f('database-time:peak-after-medium-term')}.</p>
<h3>By the share of customers who come back and buy</h3><table><tbody><tr>${[0, 25, 50, 75, 100].map(
    (percent) => {
      figures.define(
        `retry:${percent}`,
        percent / 100,
        (value) => `${value * 100} %`,
        ['assumptions.retryShare'],
        'a step of the table',
      );
      return html`<td class="n">${f(`retry:${percent}`)}<br><b>${f(`impact:retry:${percent}`)}</b></td>`;
    },
  )}</tr></tbody></table>
<h3>Which assumption matters</h3>${new Html(tornado(sensitivity, (figures.value('impact:measured:likely') ?? 0) + (figures.value('impact:churn:likely') ?? 0), assumptions.currency))}
<table><thead><tr><th>Assumption</th><th class="n">low</th><th class="n">likely</th><th class="n">high</th><th>source</th></tr></thead><tbody>${Object.entries(
    assumptions,
  ).flatMap(([name, value]) => {
    if (typeof value === 'string') return [];
    for (const level of LEVELS)
      figures.define(
        `assumed:${name}:${level}`,
        value[level],
        (number) => number.toLocaleString('en', { maximumFractionDigits: 4 }),
        [`assumptions.${name}.${level}`],
        value.source,
      );
    return [
      html`<tr><td>${name}</td>${LEVELS.map((level) => html`<td class="n">${f(`assumed:${name}:${level}`)}</td>`)}<td class="dim">${value.source}</td></tr>`,
    ];
  })}</tbody></table>`;
}

function archival({ recording, figures }: ReportInput): Markup {
  const f = figureOf(figures);
  if (!recording.archival) return html`<p>Nothing was archived in this recording.</p>`;
  return html`<p>Under ordinary load ${f('archival:rows')} rows left the live database in ${f('archival:seconds')}, into ${f('archival:bytes')} of Parquet. A row was deleted only after its file had been read back, compared by count and hash, and synced to disk. ${f('archival:files')} files were read once more at the end; damaged: ${f('archival:damaged')}.</p>
<table><thead><tr><th>Unit of the policy</th><th class="n">units</th><th class="n">rows</th><th class="n">files</th><th class="n">changed meanwhile, and stayed</th></tr></thead><tbody>${recording.archival.units.map(
    ({ unit }) =>
      html`<tr><td>${unit}</td><td class="n">${f(`archival:${unit}:units`)}</td><td class="n">${f(`archival:${unit}:rows`)}</td><td class="n">${f(`archival:${unit}:bytes`)}</td><td class="n">${f(`archival:${unit}:kept`)}</td></tr>`,
  )}</tbody></table><p class="dim">sqltrail archive list, query, verify and restore read what is there.</p>`;
}

function mediumTerm({ recording, figures, assumptions }: ReportInput): Markup {
  const f = figureOf(figures);
  const { migration } = recording;
  const measured = (phase: string) =>
    migration?.phases.some((each) => each.phase === phase && each.endedAt !== null);
  const plan = html`<h3>The plan, with gates</h3><table><thead><tr><th>Phase</th><th>Owner</th><th>Gate to the next</th><th>Risk</th><th>Way back</th><th class="n">measured</th><th class="n">at production size</th></tr></thead><tbody>${roadmap.map(
    ({ phase, title, owner, gate, risk, back }) =>
      html`<tr><td>${title}</td><td>${owner}</td><td>${gate}</td><td>${risk}</td><td>${back}</td><td class="n">${f(`migration:${phase}:seconds`)}</td><td class="n">${f(`migration:${phase}:production:likely`)}${measured(phase) ? html`<br><span class="dim">${f(`migration:${phase}:production:low`)} – ${f(`migration:${phase}:production:high`)}</span>` : ''}</td></tr>`,
  )}</tbody></table><p class="dim">At production size: the measured time of the phases that grow with the data, times productionTimesData of the assumptions (${assumptions.productionTimesData.source}). The pace is that of this machine.</p>`;
  if (!migration)
    return html`<p>The migration did not run in this recording; the plan is what is proposed.</p>${plan}`;
  return html`<p>The data model was exchanged under ordinary load, up to the phase “${migration.reached}”. ${f('migration:units')} units were carried over at ${f('migration:rate')}; it waited for the shop’s KPIs ${f('migration:pauses')} times, and ${f('migration:retries')} times for a lock.</p>
${new Html(gantt(recording))}${plan}
${figures.get('size:after') ? html`<h3>The live database</h3><p>${f('size:before')} before, ${f('size:after')} after: ${f('size:saved')} less.</p>${new Html(sizeBars(recording))}` : ''}`;
}

function integrity({ recording, figures }: ReportInput): Markup {
  const f = figureOf(figures);
  const { migration } = recording;
  if (!migration?.verification) return html`<p>Both models were not compared in this recording.</p>`;
  const { verification, ledger, orders } = migration;
  return html`<ul>
<li>${f('verified:rows')} rows compared both ways in ${f('verified:chunks')} chunks, through views that rebuild the old rows from the new model. Differing: ${f('verified:differing')}. <span class="${verification.equal ? 'good' : 'bad'}">${verification.equal ? 'Equal.' : 'They differ.'}</span></li>
<li>${f('verified:sums')} sums of money: ${verification.money.map(({ name, equal }, at) => html`${at ? ', ' : ''}${name} ${equal ? 'equal' : html`<span class="bad">differs</span>`}`)}.</li>
<li>Units that the new model cannot hold: ${f('verified:set-aside')}.</li>
${orders ? html`<li>Checkouts that the load generator has an answer for: ${f('orders:acknowledged')}; orders that came into the database: ${f('orders:found')}. ${orders.found === orders.acknowledged ? html`<span class="good">None lost, none doubled.</span>` : orders.found > orders.acknowledged ? 'More orders than answers: a customer whose answer did not come in time can still have an order.' : html`<span class="bad">Orders are missing.</span>`}</li>` : ''}
</ul>
<h3>The ledger of resolutions</h3><table><thead><tr><th>Kind</th><th>Table</th><th class="n">entries</th></tr></thead><tbody>${ledger.map(
    ({ kind, table }) =>
      html`<tr><td>${kind}</td><td>${table}</td><td class="n">${f(`ledger:${kind}:${table}`)}</td></tr>`,
  )}</tbody></table><p class="dim">Each entry names the key, what the old row said, what became of it, and the rule (sqltrail.migration_resolution). Nothing is dropped silently.</p>`;
}

function alerts({ recording, figures }: ReportInput): Markup {
  const f = figureOf(figures);
  const seen = new Set<string>();
  const firsts = recording.alerts.filter(
    ({ name, phase }) => !seen.has(`${name}${phase}`) && seen.add(`${name}${phase}`),
  );
  return html`<table><thead><tr><th>Phase</th><th>Alert</th><th class="n">first seen after</th><th>what it said</th></tr></thead><tbody>${firsts.map(
    (alert) => {
      const at = recording.alerts.indexOf(alert);
      figures.define(
        `alert:${at}`,
        alert.afterSeconds,
        (value) => `${Math.round(value)} s`,
        [`/alerts/${at}/afterSeconds`],
        'seconds from the start of the phase',
      );
      return html`<tr><td>${phaseTitles[alert.phase] ?? alert.phase}</td><td>${alert.name}</td><td class="n">${f(`alert:${at}`)}</td><td class="dim">${alert.summary}</td></tr>`;
    },
  )}</tbody></table>`;
}

function appendix(figures: Figures): Markup {
  return html`<table><thead><tr><th>Figure</th><th>Shown as</th><th>Raw data</th><th>How</th></tr></thead><tbody>${figures
    .all()
    .map(
      ({ id, text, source, how }) =>
        html`<tr id="${id}"><td>${id}</td><td>${text}</td><td class="dim">${source.join(', ')}</td><td class="dim">${how}</td></tr>`,
    )}</tbody></table>`;
}

/** The evidence report: one page, no script, nothing from outside. */
export function evidenceReport(input: ReportInput): string {
  const { recording, figures } = input;
  const f = figureOf(figures);
  const tile = (label: string, before: string, after: string) =>
    html`<div class="tile">${label}<b>${f(before)}</b>→ ${f(after)}</div>`;
  // The appendix lists what the sections define, so they come first.
  const sections = [
    ['Before and after', comparison(input)],
    [
      'The run',
      html`${new Html(timeline(recording, 'customer-latency-p95'))}${new Html(timeline(recording, 'request-failure-ratio'))}`,
    ],
    ['The causes, the dearest first', causes(input)],
    ['From the alert to the statement', trail(input)],
    ['Short-term relief', relief(input)],
    ['Selective archival', archival(input)],
    ['Medium term: the new data model', mediumTerm(input)],
    ['Proof that nothing was lost', integrity(input)],
    ['What it costs to wait', impact(input)],
    ['Alerts', alerts(input)],
  ] as const;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Evidence report</title><style>${new Html(style)}</style></head><body>
<p class="dim">sqltrail · recorded ${recording.startedAt.slice(0, 16).replace('T', ' ')} UTC · ${recording.mode}, scale ${recording.scale ?? 'of the running stack'}, seed ${recording.seed ?? 'unknown'}</p>
<h1>Why the shop broke down at its peak, and what mended it</h1>
${outcome(input)}
<div class="tiles">${tile('Page time, p95', 'customer-latency-p95:peak', 'customer-latency-p95:peak-after-short-term')}${tile('Failed requests', 'request-failure-ratio:peak', 'request-failure-ratio:peak-after-short-term')}${tile('Checkouts lost', 'checkouts:peak:lost', 'checkouts:peak-after-short-term:lost')}${tile('Rows read a request', 'rows-read-per-request:peak', 'rows-read-per-request:peak-after-short-term')}</div>
<p>Before → after short-term relief, under the same peak load of ${f('offered:peak')} visits a second (ordinary: ${f('offered:ordinary')}).</p>
${sections.map(([title, body]) => html`<section><h2>${title}</h2>${body}</section>`)}
<section><h2>Appendix: where each figure comes from</h2><p class="dim">Paths are JSON pointers into recording.json beside this file; a star stands for all entries. figures.json has the same with full precision.</p>${appendix(figures)}</section>
</body></html>
`.text;
}
