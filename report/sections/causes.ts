import { formatDialect, postgresql } from 'sql-formatter';
import type { RankedFinding } from '../../diagnosis/finding.ts';
import type { Fix } from '../../diagnosis/fix.ts';
import { fixSql } from '../../diagnosis/fixSql.ts';
import { Html, html } from '../../diagnosis/format/markup.ts';
import { commandsOf } from '../../diagnosis/operationCommand.ts';
import { kpiById } from '../../kpis/catalogue.ts';
import type { Case } from '../case.ts';
import { causeBars } from '../charts/causeBars.ts';
import { formats } from '../figures.ts';
import { figureOf } from '../page.ts';

interface PlanNode {
  'Node Type'?: string;
  'Relation Name'?: string;
  'Index Name'?: string;
  Filter?: string;
  'Plan Rows'?: number;
  Plans?: PlanNode[];
}

/** One line a node, the filter below it. @returns undefined for what is no plan */
function planText(plan: unknown): string | undefined {
  const write = (node: PlanNode, depth: number): string[] => [
    `${'  '.repeat(depth)}${node['Node Type']}${node['Index Name'] ? ` using ${node['Index Name']}` : ''}${node['Relation Name'] ? ` on ${node['Relation Name']}` : ''}  (rows ${node['Plan Rows']})`,
    ...(node.Filter ? [`${'  '.repeat(depth)}  Filter: ${node.Filter}`] : []),
    ...(node.Plans ?? []).flatMap((child) => write(child, depth + 1)),
  ];
  const root = (plan as [{ Plan?: PlanNode }] | null)?.[0]?.Plan;
  return root && write(root, 0).join('\n');
}

const formatted = (sql: string) => {
  try {
    return formatDialect(sql, { dialect: postgresql, keywordCase: 'upper' });
  } catch {
    return sql;
  }
};

const statement = (sql: string, plan: unknown): Html => {
  const text = planText(plan);
  return html`<pre>${formatted(sql)}</pre>${text ? html`<p class="dim" data-basis="recording">Its plan, captured from a slow call, without its values:</p><pre>${text}</pre>` : html`<p class="dim" data-basis="recording">Its plan was not captured.</p>`}`;
};

/** What resolves it, where that is SQL or a command; an archive fix counts rows only, so its command stands there. */
function remedy(fix: Fix | undefined): string[] {
  if (!fix) return [];
  if (fix.kind === 'archive') return ['sqltrail archive plan postgres://… --policy POLICY'];
  return [...fixSql(fix).sql.map((each) => `${each};`), ...commandsOf(fix)];
}

function cause({ recording, figures }: Case, finding: RankedFinding): Html {
  const f = figureOf(figures);
  const id = `finding:${finding.rank}`;
  const other = figures.get(`${id}:counted-under`);
  const costs = [
    figures.get(`${id}:share`) &&
      figures.value(`${id}:share`) !== 0 &&
      html`${f(`${id}:share`)} of database time`,
    other && html`also explains statements with ${f(`${id}:explains`)}, counted under cause ${f(other.id)}`,
    figures.get(`${id}:ms`) && f(`${id}:ms`),
    figures.get(`${id}:read`) && html`${f(`${id}:read`)} rows read for each returned`,
    figures.get(`${id}:bytes`) && f(`${id}:bytes`),
  ].filter((cost) => cost !== undefined && cost !== false);
  const { route } = finding.explains;
  // A trace of another route may have the same statement; it is no evidence for this one.
  const at = recording.causeTraces.findIndex(
    (trace) => trace.finding === finding.id && (route === undefined || trace.route === route),
  );
  const trace = recording.causeTraces[at];
  figures.define(
    `${id}:traced`,
    trace?.durationMs,
    (ms) => formats.duration(ms / 1000),
    [`/causeTraces/${at}/durationMs`],
    `the slowest call in trace ${trace?.traceId}`,
  );
  const [traceId] = finding.explains.traces;
  const sql = remedy(finding.fix);
  return html`<article><h3>${finding.rank}. ${finding.title}</h3><p class="dim" data-basis="finding">${costs.map((cost, nth) => html`${nth ? ' · ' : ''}${cost}`)}${costs.length > 0 ? ' · ' : ''}KPI: ${finding.explains.kpis.map((kpi) => kpiById(kpi).name).join(', ')}</p><p data-basis="finding">${finding.explanation}</p>${
    trace
      ? html`<p class="dim">Trace ${trace.traceId}${trace.route ? html`, a request to ${trace.route}` : ''}: its slowest call took ${f(`${id}:traced`)}${trace.error ? ', cut off' : ''}.</p>${statement(trace.sql, trace.plan)}`
      : traceId
        ? html`<p class="dim" data-basis="finding">Trace ${traceId}; its spans are not in this recording.</p>`
        : ''
  }${sql.length > 0 ? html`<p class="dim" data-basis="finding">What resolves it:</p><pre>${sql.join('\n')}</pre>` : ''}</article>`;
}

/** The causes by what they cost, each with KPI, trace, SQL, plan and fix. */
export function causes(input: Case): Html {
  const { recording, figures } = input;
  const f = figureOf(figures);
  const { diagnosis } = recording;
  if (!diagnosis) return html`<p data-basis="missing">The diagnosis did not run in this recording.</p>`;
  const shown = diagnosis.findings.filter(({ severity }) => severity !== 'info');
  const weighty = ({ severity, cost }: RankedFinding) =>
    severity === 'critical' || cost.msPerSecond !== undefined;
  return html`<p>At the peak all statements together ran for ${f('diagnosis:busy')}. The diagnosis took ${f('diagnosis:seconds')}, read only, and has ${f('diagnosis:findings')} findings, ${f('diagnosis:critical')} of them critical.</p>
${new Html(causeBars(input))}
<p>Each statement’s time counts once: for the cause whose fix gains most on it, then for the more severe one. No finding explains ${f('causes:rest')} of the database time. What a cause explains beyond its own share stands with it as “also explains”.</p>
${shown.filter(weighty).map((finding) => cause(input, finding))}
<h3>Further findings</h3><table class="tight"><thead><tr><th>Finding</th><th class="n">bytes</th><th>KPI</th></tr></thead><tbody>${shown
    .filter((finding) => !weighty(finding))
    .map(
      ({ rank, title, explains }) =>
        html`<tr><td>${rank}. ${title}</td><td class="n">${figures.get(`finding:${rank}:bytes`) ? f(`finding:${rank}:bytes`) : '–'}</td><td class="dim">${explains.kpis.map((kpi) => kpiById(kpi).name).join(', ')}</td></tr>`,
    )}</tbody></table>
${diagnosis.blind.length > 0 ? html`<h3>What could not be seen</h3><ul>${diagnosis.blind.map(({ what, remedy: how }) => html`<li data-basis="diagnosis">${what}. ${how}</li>`)}</ul>` : ''}`;
}

/** How the alert led to the statement. */
export function trail({ recording, figures }: Case): Html {
  const { trail: found } = recording;
  if (!found)
    return html`<p data-basis="missing">No alert could be followed to a trace in this recording.</p>`;
  figures.define(
    'trail:duration',
    found.durationMs,
    (ms) => formats.duration(ms / 1000),
    ['/trail/durationMs'],
    `the statement in trace ${found.traceId}`,
  );
  return html`<p>${found.alert} named the statement “${found.statement}”. The ${found.foundBy} of its metric led to trace ${found.traceId}${found.route ? html`, a request to ${found.route}` : ''}. The slowest statement in it took ${figureOf(figures)('trail:duration')}:</p>
${found.sql ? statement(found.sql, found.plan) : ''}`;
}
