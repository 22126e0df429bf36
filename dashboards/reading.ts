import { prometheusAt, type Range } from '../lib/prometheus/client.ts';
import { fillVariables, type Panel, type PromqlPanel, stepOf } from './panel.ts';
import { dashboards } from './panels.ts';

/** What a panel's queries gave over a time range. */
export interface PanelReading {
  /** Of each query, in order; empty where it gave nothing that is a number. */
  queries: Series[][];
}

/** One point where the panel asks for one moment, the end of the range. */
export type Series = Range;

export interface TimeRange {
  from: Date;
  to: Date;
}

/** About as many as a panel has pixels to tell them apart. */
const MAX_POINTS = 240;

/**
 * Reads a panel as Grafana would with that time range.
 *
 * @throws QueryRefused with Prometheus's own words, and the system's error when it does not answer
 */
export async function readPanel(
  url: string,
  { kind, queries }: PromqlPanel,
  { from, to }: TimeRange,
): Promise<PanelReading> {
  const [start, end] = [from.getTime() / 1000, to.getTime() / 1000];
  const step = stepOf(end - start, MAX_POINTS);
  const prometheus = prometheusAt(url);
  const read = async ({ promql }: PromqlPanel['queries'][number]): Promise<Series[]> => {
    const query = fillVariables(promql, { rangeSeconds: end - start });
    if (kind === 'lines')
      return (await prometheus.range(query, start, end, step)).filter(({ points }) => points.length > 0);
    const samples = await prometheus.query(query, end);
    return samples.flatMap(({ labels, value }) =>
      Number.isFinite(value) ? [{ labels, points: [[end, value]] }] : [],
    );
  };
  return { queries: await Promise.all(queries.map(read)) };
}

export const asksPrometheus = (panel: Panel): panel is PromqlPanel => panel.kind !== 'sql';

const asked = dashboards.flatMap(({ id, rows }) =>
  rows.flatMap(({ panels }) => panels.filter(asksPrometheus).map((panel) => ({ id, panel }))),
);

/** Queries of all dashboards to Prometheus. */
export const queryCount = asked.reduce((sum, { panel }) => sum + panel.queries.length, 0);

/** Queries that gave nothing over the time range, as `dashboard/panel: legend`. */
export async function emptyQueries(prometheus: string, range: TimeRange): Promise<string[]> {
  const empty: string[] = [];
  for (const { id, panel } of asked) {
    const { queries } = await readPanel(prometheus, panel, range);
    for (const [index, series] of queries.entries())
      if (series.length === 0) empty.push(`${id}/${panel.id}: ${panel.queries[index]?.legend}`);
  }
  return empty;
}
