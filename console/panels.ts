import { LRUCache } from 'lru-cache';
import {
  type Dashboard,
  fillVariables,
  legendOf,
  type Panel,
  type PanelQuery,
  type PromqlPanel,
  stepOf,
} from '../dashboards/panel.ts';
import { dashboards } from '../dashboards/panels.ts';
import type { Unit } from '../kpis/kpi.ts';
import { QueryRefused, type Range } from '../lib/prometheus/client.ts';
import { BadRequest } from './problem.ts';
import type { PrometheusSource } from './sources/prometheus.ts';

/** A panel as the page draws it; its queries stay here. */
export interface PanelDefinition extends Omit<PromqlPanel, 'queries' | 'exemplars'> {
  /** Titles and units of a table's columns. */
  columns: { title: string; unit: Unit }[];
}

export interface DashboardDefinition extends Omit<Dashboard, 'rows'> {
  rows: { question: string; panels: PanelDefinition[] }[];
}

export interface PanelReading {
  /** Seconds since the epoch of the first value of a series; the others follow each `step` seconds. */
  from: number;
  step: number;
  /** Lines; a stat and bars have one value each. */
  series: { name: string; values: (number | null)[] }[];
  /** Of a table. */
  rows: { labels: string[]; values: (number | null)[] }[];
  /** Series or rows beyond those that are shown. */
  left: number;
  /** Why there is nothing to draw. */
  reason: string | null;
}

/** Looking back this far, in minutes. */
export const SPANS = [5, 15, 30, 60, 360] as const;

/** More values than that in one panel cannot be told apart at its width. */
const MAX_POINTS = 180;
/** The colours of the page can be told apart up to here. */
const MAX_SERIES = 8;
const MAX_ROWS = 40;

/** Those that the page draws: what Postgres alone answers it shows elsewhere. */
const drawn = (panel: Panel): panel is PromqlPanel => panel.kind !== 'sql';

/** The definitions of the Grafana dashboards, without their queries. */
export const dashboardDefinitions: DashboardDefinition[] = dashboards.map((dashboard) => ({
  ...dashboard,
  rows: dashboard.rows
    .map(({ question, panels }) => ({
      question,
      panels: panels.filter(drawn).map(({ queries, exemplars: _, ...panel }) => ({
        ...panel,
        columns: queries.map(({ legend, unit = panel.unit }) => ({ title: legend, unit })),
      })),
    }))
    .filter(({ panels }) => panels.length > 0),
}));

function align(points: Range['points'], from: number, step: number, length: number): (number | null)[] {
  const values: (number | null)[] = Array.from({ length }, () => null);
  for (const [at, value] of points) {
    const index = Math.round((at - from) / step);
    if (index >= 0 && index < length) values[index] = value;
  }
  return values;
}

/** A statement as a regular expression that matches it alone. */
const literally = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

export interface PanelRequest {
  dashboard: string;
  panel: string;
  /** One of {@link SPANS}. */
  minutes: number;
  /** `db.query.summary`; all without it. */
  statement?: string | undefined;
}

interface Asked {
  panel: PromqlPanel;
  from: number;
  to: number;
  step: number;
  fill: (query: PanelQuery) => string;
}

/** Panels of the dashboards. A page names one and a span of time; which queries that means is known here only. */
export class Panels {
  readonly #prometheus: PrometheusSource;
  readonly #recent = new LRUCache<string, Promise<PanelReading>>({ max: 200 });

  constructor(prometheus: PrometheusSource) {
    this.#prometheus = prometheus;
  }

  /**
   * @param now milliseconds since the epoch
   * @throws BadRequest for a panel that is not defined
   * @throws SourceUnavailable
   */
  read({ dashboard, panel: id, minutes, statement }: PanelRequest, now = Date.now()): Promise<PanelReading> {
    const panel = dashboards
      .find((candidate) => candidate.id === dashboard)
      ?.rows.flatMap(({ panels }) => panels)
      .filter(drawn)
      .find((candidate) => candidate.id === id);
    if (!panel) throw new BadRequest(`There is no panel ${id} on a dashboard ${dashboard}.`, 404);
    const step = stepOf(minutes * 60, MAX_POINTS);
    // On multiples of the step, so that a line does not tremble, and pages that ask at the same time share an answer.
    const to = Math.floor(now / 1000 / step) * step;
    const key = JSON.stringify([dashboard, id, minutes, to, statement]);
    const known = this.#recent.get(key);
    if (known) return known;
    const variables = {
      rangeSeconds: minutes * 60,
      ...(statement === undefined ? {} : { statement: literally(statement) }),
    };
    const reading = this.#read({
      panel,
      from: to - minutes * 60,
      to,
      step,
      fill: ({ promql }) => fillVariables(promql, variables),
    });
    this.#recent.set(key, reading);
    reading.catch(() => this.#recent.delete(key));
    return reading;
  }

  async #read(asked: Asked): Promise<PanelReading> {
    const empty: PanelReading = {
      from: asked.from,
      step: asked.step,
      series: [],
      rows: [],
      left: 0,
      reason: null,
    };
    try {
      const { kind } = asked.panel;
      const found = {
        ...empty,
        ...(kind === 'table'
          ? await this.#table(asked)
          : kind === 'lines'
            ? await this.#lines(asked)
            : await this.#values(asked)),
      };
      if (found.series.length + found.rows.length > 0) return found;
      return { ...found, reason: 'Nothing measured in this time: its series are missing or had no traffic.' };
    } catch (error) {
      if (!(error instanceof QueryRefused)) throw error;
      return { ...empty, reason: `Prometheus refused the query: ${error.message}` };
    }
  }

  async #lines({ panel, from, to, step, fill }: Asked): Promise<Pick<PanelReading, 'series' | 'left'>> {
    const length = Math.round((to - from) / step) + 1;
    const ranges = await Promise.all(
      panel.queries.map(async (query) =>
        (await this.#prometheus.range(fill(query), from, to, step)).map(({ labels, points }) => ({
          name: legendOf(query.legend, labels, panel.names),
          values: align(points, from, step, length),
          largest: points.reduce((most, [, value]) => Math.max(most, value), Number.NEGATIVE_INFINITY),
        })),
      ),
    );
    const all = ranges.flat().sort((a, b) => b.largest - a.largest || a.name.localeCompare(b.name, 'en'));
    return {
      series: all
        .slice(0, MAX_SERIES)
        .map(({ name, values }) => ({ name, values }))
        // A series keeps its colour while others overtake it.
        .sort((a, b) => a.name.localeCompare(b.name, 'en')),
      left: Math.max(0, all.length - MAX_SERIES),
    };
  }

  /** One value a series: the last. */
  async #values({ panel, fill }: Asked): Promise<Pick<PanelReading, 'series' | 'left'>> {
    const samples = await Promise.all(
      panel.queries.map(async (query) =>
        (await this.#prometheus.query(fill(query))).map(({ labels, value }) => ({
          name: legendOf(query.legend, labels, panel.names),
          values: [Number.isFinite(value) ? value : null],
        })),
      ),
    );
    const all = samples.flat();
    const most = panel.kind === 'stat' ? 1 : MAX_ROWS;
    return { series: all.slice(0, most), left: Math.max(0, all.length - most) };
  }

  async #table({ panel, fill }: Asked): Promise<Pick<PanelReading, 'rows' | 'left'>> {
    const keys = Object.keys(panel.labels ?? {});
    const rows = new Map<string, PanelReading['rows'][number]>();
    const columns = await Promise.all(panel.queries.map((query) => this.#prometheus.query(fill(query))));
    for (const [at, samples] of columns.entries())
      for (const { labels, value } of samples) {
        const shown = keys.map((key) => panel.names?.[labels[key] ?? ''] ?? labels[key] ?? '');
        const key = JSON.stringify(shown);
        const row = rows.get(key) ?? { labels: shown, values: panel.queries.map(() => null) };
        row.values[at] = Number.isFinite(value) ? value : null;
        rows.set(key, row);
      }
    const all = [...rows.values()];
    return { rows: all.slice(0, MAX_ROWS), left: Math.max(0, all.length - MAX_ROWS) };
  }
}
