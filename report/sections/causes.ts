import { formatDialect, postgresql } from 'sql-formatter';
import type { RankedFinding } from '../../diagnosis/finding.ts';
import { fixSql } from '../../diagnosis/fixSql.ts';
import { Html, html } from '../../diagnosis/format/markup.ts';
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
  return html`<pre>${formatted(sql)}</pre>${text ? html`<p class="dim">Its plan, captured when it was slow, without its values:</p><pre>${text}</pre>` : html`<p class="dim">Its plan was not captured.</p>`}`;
};

function cause({ recording, figures }: Case, finding: RankedFinding): Html {
  const f = figureOf(figures);
  const id = `finding:${finding.rank}`;
  const costs = [
    figures.get(`${id}:share`) && html`${f(`${id}:share`)} of database time`,
    figures.get(`${id}:ms`) && f(`${id}:ms`),
    figures.get(`${id}:read`) && html`${f(`${id}:read`)} rows read for each returned`,
    figures.get(`${id}:bytes`) && f(`${id}:bytes`),
  ].filter((cost) => cost !== undefined);
  const at = recording.causeTraces.findIndex((trace) => trace.finding === finding.id);
  const trace = recording.causeTraces[at];
  figures.define(
    `${id}:traced`,
    trace?.durationMs,
    (ms) => formats.duration(ms / 1000),
    [`/causeTraces/${at}/durationMs`],
    `the slowest call in trace ${trace?.traceId}`,
  );
  const [traceId] = finding.explains.traces;
  const { sql } = finding.fix ? fixSql(finding.fix) : { sql: [] };
  return html`<article><h3>${finding.rank}. ${finding.title}</h3><p class="dim">${costs.map((cost, nth) => html`${nth ? ' · ' : ''}${cost}`)} · KPI: ${finding.explains.kpis.map((kpi) => kpiById(kpi).name).join(', ')}</p><p>${finding.explanation}</p>${
    trace
      ? html`<p class="dim">Trace ${trace.traceId}${trace.route ? html`, a request to ${trace.route}` : ''}: ${f(`${id}:traced`)}${trace.error ? ', cut off' : ''}.</p>${statement(trace.sql, trace.plan)}`
      : traceId
        ? html`<p class="dim">Trace ${traceId}; its spans were not kept in this recording.</p>`
        : ''
  }${sql.length > 0 ? html`<p class="dim">What resolves it:</p><pre>${sql.map((each) => `${each};`).join('\n')}</pre>` : ''}</article>`;
}

/** The causes by what they cost, each with KPI, trace, SQL, plan and mending. */
export function causes(input: Case): Html {
  const { recording, figures } = input;
  const f = figureOf(figures);
  const { diagnosis } = recording;
  if (!diagnosis) return html`<p>The diagnosis did not run in this recording.</p>`;
  const shown = diagnosis.findings.filter(({ severity }) => severity !== 'info');
  return html`<p>Under the peak all statements together kept the database busy for ${f('diagnosis:busy')}. The diagnosis took ${f('diagnosis:seconds')}, read only, and found ${f('diagnosis:findings')} causes, ${f('diagnosis:critical')} of them critical. Several causes can share one statement, so shares may add up to more than all.</p>
${new Html(causeBars(figures, recording))}
${shown.map((finding) => cause(input, finding))}
${diagnosis.blind.length > 0 ? html`<h3>What could not be seen</h3><ul>${diagnosis.blind.map(({ what, remedy }) => html`<li>${what}. ${remedy}</li>`)}</ul>` : ''}`;
}

/** How the alert led to the statement. */
export function trail({ recording, figures }: Case): Html {
  const { trail: found } = recording;
  if (!found) return html`<p>No alert could be followed to a trace in this recording.</p>`;
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
