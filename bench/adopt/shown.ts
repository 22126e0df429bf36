import { readConfig } from '../../config/load.ts';
import type { TraceReading } from '../../console/details.ts';
import type { DashboardDefinition, PanelReading } from '../../console/panels.ts';
import type { KpiReading } from '../../console/readings.ts';
import { type Span, statementOf } from '../../console/traces/span.ts';
import type { TraceSummary } from '../../console/traces/store.ts';
import { dashboardsFor } from '../../dashboards/panels.ts';
import { leftOut } from '../../kpis/catalogue.ts';
import { prometheusAt } from '../../lib/prometheus/client.ts';
import { onDatabase } from '../onDatabase.ts';
import type { Application } from './application.ts';
import type { Observed } from './stack.ts';

/** One line of the table. `lacks` is what should be there and is not. */
export interface Shown {
  what: string;
  verdict: 'shown' | 'left out' | 'empty' | 'MISSING';
  detail: string;
}

/** Traces that are looked at, of those that the console keeps. */
const TRACES = 200;

const rootName = (root: Span): string =>
  root.attributes['http.route'] === undefined
    ? root.name
    : `${root.attributes['http.request.method']} ${root.attributes['http.route']}`;

/** The span above all others of a span's trace, as far as its parents are there. */
function rootOf(span: Span, byId: ReadonlyMap<string, Span>): Span | undefined {
  let at: Span | undefined = span;
  while (at?.parentSpanId) at = byId.get(at.parentSpanId);
  return at;
}

/** Whether the query spans of each root hang under it, by walking from each to the span above all others. */
export async function spans({ roots }: Application, observed: Observed): Promise<Shown[]> {
  const summaries = await observed.ask<TraceSummary[]>(`/api/traces?limit=${TRACES}`);
  const under = new Map<string, Map<string, number>>();
  let queries = 0;
  let orphans = 0;
  let alone = 0;
  for (const { traceId } of summaries) {
    const trace = await observed.ask<TraceReading>(`/api/traces/${traceId}`);
    const byId = new Map(trace.spans.map((span) => [span.spanId, span]));
    for (const span of trace.spans) {
      const summary = statementOf(span);
      if (summary === null) continue;
      queries += 1;
      const root = rootOf(span, byId);
      if (!root) orphans += 1;
      else if (root === span) alone += 1;
      else {
        const of = under.get(rootName(root)) ?? new Map<string, number>();
        of.set(summary, (of.get(summary) ?? 0) + 1);
        under.set(rootName(root), of);
      }
    }
  }
  const lines = roots.map(({ root, statement }): Shown => {
    const found = [...(under.get(root) ?? [])].filter(([summary]) => statement.test(summary));
    return {
      what: `query spans under ${root}`,
      verdict: found.length > 0 ? 'shown' : 'MISSING',
      detail:
        found.map(([summary, count]) => `${count} × ${summary}`).join(', ') ||
        `none like ${statement} in ${summaries.length} traces; roots: ${[...under.keys()].join(', ')}`,
    };
  });
  return [
    ...lines,
    {
      what: 'query spans with a parent that is in the trace',
      verdict: queries > 0 && orphans === 0 ? 'shown' : 'MISSING',
      detail: `${queries - orphans} of ${queries} in ${summaries.length} traces, ${under.size} different roots; ${alone} are roots themselves (outside of any request)`,
    },
  ];
}

export async function pools({ service }: Application, observed: Observed): Promise<Shown[]> {
  const prometheus = prometheusAt(observed.prometheus);
  const found = await prometheus.query(`db_client_connection_max{job="${service}"}`);
  return [
    {
      what: 'metrics of connection pools',
      verdict: found.length > 0 ? 'shown' : 'MISSING',
      detail:
        found
          .map(({ labels, value }) => `${labels['db_client_connection_pool_name']}: at most ${value}`)
          .join(', ') || 'no pool of the service is in Prometheus',
    },
  ];
}

export async function targets(observed: Observed): Promise<Shown[]> {
  const down = await prometheusAt(observed.prometheus).query('up == 0');
  const up = await prometheusAt(observed.prometheus).query('up == 1');
  return [
    {
      what: 'targets of Prometheus that are up',
      verdict: down.length === 0 && up.length > 0 ? 'shown' : 'MISSING',
      detail: `${up.map(({ labels }) => labels['job']).join(', ')}${down.length > 0 ? `; down: ${down.map(({ labels }) => labels['job']).join(', ')}` : ''}`,
    },
  ];
}

/** Every panel of the console, and those that Postgres itself answers in Grafana: drawn, or empty with the reason. */
export async function panels(observed: Observed): Promise<Shown[]> {
  const lines: Shown[] = [];
  for (const dashboard of await observed.ask<DashboardDefinition[]>('/api/dashboards'))
    for (const { id } of dashboard.rows.flatMap((row) => row.panels)) {
      const reading = await observed.ask<PanelReading>(`/api/dashboards/${dashboard.id}/${id}?minutes=5`);
      const drawn = reading.series.length + reading.rows.length;
      lines.push({
        what: `panel ${dashboard.id}/${id}`,
        verdict: drawn > 0 ? 'shown' : 'empty',
        detail: drawn > 0 ? `${drawn} ${reading.rows.length > 0 ? 'rows' : 'series'}` : `${reading.reason}`,
      });
    }
  const config = readConfig(observed.configFile);
  for (const dashboard of dashboardsFor(config))
    for (const panel of dashboard.rows.flatMap((row) => row.panels))
      if (panel.kind === 'sql') {
        const { rowCount } = await onDatabase(observed.monitorUrl, (client) => client.query(panel.sql)).catch(
          (error: Error) => ({ rowCount: error.message }),
        );
        lines.push({
          what: `panel ${dashboard.id}/${panel.id} (SQL)`,
          verdict: typeof rowCount === 'string' ? 'MISSING' : rowCount ? 'shown' : 'empty',
          detail: typeof rowCount === 'string' ? rowCount : `${rowCount ?? 0} rows`,
        });
      }
  return lines;
}

/** Every KPI with its value, and those that the configuration leaves out. */
export async function kpis(observed: Observed): Promise<Shown[]> {
  const config = readConfig(observed.configFile);
  const readings = await observed.ask<KpiReading[]>('/api/kpis');
  return [
    ...readings.map(
      ({ id, value, unit, met, reason }): Shown => ({
        what: `KPI ${id}`,
        verdict: value === null ? 'empty' : 'shown',
        detail:
          value === null
            ? `${reason}`
            : `${Number(value.toPrecision(3))} ${unit}, ${met ? 'met' : 'not met'}`,
      }),
    ),
    ...leftOut(config).map(
      ({ id, lack }): Shown => ({ what: `KPI ${id} and its panels`, verdict: 'left out', detail: lack }),
    ),
  ];
}
