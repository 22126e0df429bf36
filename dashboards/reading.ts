import { z } from 'zod';
import { fillVariables, type Panel, type PromqlPanel } from './panel.ts';
import { dashboards } from './panels.ts';

/** What a panel's queries gave over a time range. */
export interface PanelReading {
  /** Of each query, in order; empty where it gave nothing that is a number. */
  queries: Series[][];
}

export interface Series {
  labels: Record<string, string>;
  /** Seconds since the epoch, value. One point where the panel asks for one moment, the end of the range. */
  points: [number, number][];
}

export interface TimeRange {
  from: Date;
  to: Date;
}

const answer = z.object({
  data: z.object({
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        value: z.tuple([z.number(), z.string()]).optional(),
        values: z.array(z.tuple([z.number(), z.string()])).optional(),
      }),
    ),
  }),
});

const TIMEOUT_MS = 20_000;
/** About as many as a panel has pixels to tell them apart. */
const MOST_POINTS = 240;
const SCRAPE_SECONDS = 5;

/** @throws Error with Prometheus's own words when it refuses the query, and the system's when it is away */
async function ask(
  prometheus: string,
  endpoint: string,
  parameters: Record<string, string>,
): Promise<Series[]> {
  const response = await fetch(new URL(`/api/v1/${endpoint}`, prometheus), {
    method: 'POST',
    body: new URLSearchParams(parameters),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`Prometheus answered ${response.status} to ${parameters['query']}: ${text}`);
  return answer
    .parse(JSON.parse(text))
    .data.result.map(({ metric, value, values }) => ({
      labels: metric,
      points: (values ?? (value ? [value] : []))
        .map(([at, number]): [number, number] => [at, Number(number)])
        .filter(([, number]) => Number.isFinite(number)),
    }))
    .filter(({ points }) => points.length > 0);
}

/** Reads a panel as Grafana would with that time range. */
export async function readPanel(
  prometheus: string,
  { kind, queries }: PromqlPanel,
  { from, to }: TimeRange,
): Promise<PanelReading> {
  const [start, end] = [from.getTime() / 1000, to.getTime() / 1000];
  const step = Math.max(1, Math.ceil((end - start) / MOST_POINTS / SCRAPE_SECONDS)) * SCRAPE_SECONDS;
  const read = ({ promql }: PromqlPanel['queries'][number]) => {
    const query = fillVariables(promql, { rangeSeconds: end - start });
    return kind === 'lines'
      ? ask(prometheus, 'query_range', { query, start: `${start}`, end: `${end}`, step: `${step}` })
      : ask(prometheus, 'query', { query, time: `${end}` });
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
