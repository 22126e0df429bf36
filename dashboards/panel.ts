import type { Kpi, Objective, Unit } from '../kpis/kpi.ts';
import { objectiveText } from '../kpis/unitText.ts';

/**
 * What is drawn, without how: Grafana's JSON (build.ts), the console and the pictures are all made from these, so a
 * panel shows the same query under the same words everywhere.
 */
export type Panel = PromqlPanel | SqlPanel;

export interface PanelQuery {
  /** PromQL with the variables of {@link fillVariables}. */
  promql: string;
  /** Legend template (`{{label}}`) of a line or bar; title of a table's column. */
  legend: string;
  /** Where it is not the panel's. */
  unit?: Unit;
  /** Id of the KPI in a column, where it is one. */
  kpi?: string;
}

interface Described {
  /** kebab-case, unique in its dashboard. */
  id: string;
  title: string;
  /** Markdown: what it shows and what to make of it. */
  description: string;
  unit: Unit;
  /** Of 24 columns. */
  width: number;
  /** In rows of 30 px, as Grafana counts. */
  height: number;
}

/**
 * - `stat`: the last value of one instant query.
 * - `lines`: each query over the time range.
 * - `bars`: one instant query, a bar for each series.
 * - `table`: instant queries, a column each; rows are joined on `labels`.
 */
export interface PromqlPanel extends Described {
  kind: 'stat' | 'lines' | 'bars' | 'table';
  queries: [PanelQuery, ...PanelQuery[]];
  /** Id of the KPI that is drawn, where it is one. */
  kpi?: string;
  /** Draws the threshold, in `unit`. */
  objective?: Pick<Objective, 'comparison' | 'value'>;
  /** Dots on the lines that lead to traces. */
  exemplars?: boolean;
  /** Alerts that guard what is shown; the console serves each one's runbook at `/runbooks/<alert>`. */
  runbooks: string[];
  /** Label columns of a table and their titles, in order. */
  labels?: Record<string, string>;
  /** Words for label values, where those of the metric would not do. */
  names?: Record<string, string>;
  /** A stat whose series name is the answer, not its value. */
  showsName?: boolean;
}

/** A table that Postgres answers, read by sqltrail_monitor. Column names are titles. */
export interface SqlPanel extends Described {
  kind: 'sql';
  sql: string;
  /** Of columns that are not in `unit`. */
  units?: Record<string, Unit>;
}

export interface PanelRow {
  /** The question that the row answers; its title. */
  question: string;
  panels: Panel[];
}

export interface Dashboard {
  /** Grafana's uid without `sqltrail-`; also the name of the file. */
  id: string;
  title: string;
  description: string;
  audience: 'sre' | 'engineer' | 'stakeholder';
  /** The time range it opens with, ending now. Minutes. */
  minutes: number;
  /** Offers a choice of statements, as the variable `$statement`. */
  choosesStatement?: boolean;
  rows: PanelRow[];
}

export interface Variables {
  /** Regular expression on `db.query.summary`; all without it. The others likewise, each on what it is called. */
  statement?: string;
  service?: string;
  database?: string;
  pool?: string;
  /** Length of the time range, seconds. */
  rangeSeconds: number;
}

/** A query as Prometheus takes it; Grafana fills the same variables in itself. */
export const fillVariables = (promql: string, { rangeSeconds, ...chosen }: Variables): string => {
  // As it stands between quotes; JSON's escapes are among those of PromQL.
  const quoted = (regex: string) => JSON.stringify(regex).slice(1, -1);
  const { statement = '.+', service = '.*', database = '.*', pool = '.*' } = chosen;
  const values: Record<string, string> = {
    $statement: quoted(statement),
    $service: quoted(service),
    $database: quoted(database),
    $pool: quoted(pool),
    $__range: `${Math.max(60, Math.round(rangeSeconds))}s`,
  };
  // In one go, and by a function: what is put in is not looked through again, and `$'` in it means nothing.
  return promql.replaceAll(
    /\$(?:statement|service|database|pool|__range)\b/g,
    (name) => values[name] ?? name,
  );
};

/** Begin of each phase, with the label `phase`; evaluated every {@link PHASE_STEP_SECONDS}. */
export const PHASE_BEGINS = 'sqltrail_phase_info == 1 unless sqltrail_phase_info offset 10s == 1';
export const PHASE_STEP_SECONDS = 5;

/** A KPI's mean in each phase of the time range; `phase` is the only label. NaN and infinity are left out. */
export const byPhase = (promql: string) =>
  `avg_over_time((max by (phase) (sqltrail_phase_info{phase!="idle"}) * on () group_left () ((${promql}) < +Inf))[$__range:15s])`;

/** The same query, so many minutes earlier. */
export const earlier = (promql: string, minutes: number) =>
  `avg_over_time((${promql})[10s:5s] offset ${minutes}m)`;

/** A KPI and the alerts that guard it. */
export type DrawnKpi = Kpi & { alerts?: string[] };

export const describeKpi = ({ meaning, justification, objective, unit }: Kpi) =>
  `${meaning}\n\n${justification}\n\nObjective: ${objectiveText(objective, unit)}. ${objective.rationale}`;

/** A KPI now, against its objective. */
export const kpiStat = (kpi: DrawnKpi): PromqlPanel => ({
  id: `${kpi.id}-now`,
  kpi: kpi.id,
  kind: 'stat',
  title: kpi.name,
  description: describeKpi(kpi),
  unit: kpi.unit,
  queries: [{ promql: kpi.promql(), legend: kpi.name }],
  objective: kpi.objective,
  runbooks: kpi.alerts ?? [],
  width: 6,
  height: 4,
});

/** A KPI broken down, over time. The objective is drawn only where the lines are in the KPI's unit. */
export const kpiLines = (kpi: DrawnKpi): PromqlPanel => {
  const [first, ...rest] = kpi.series;
  if (!first) throw new Error(`KPI ${kpi.id} has no series to draw`);
  return {
    id: kpi.id,
    kpi: kpi.id,
    kind: 'lines',
    title: kpi.name,
    description: describeKpi(kpi),
    unit: first.unit ?? kpi.unit,
    queries: [first, ...rest],
    ...(kpi.series.every(({ unit }) => unit === undefined) ? { objective: kpi.objective } : {}),
    ...(kpi.collection.source === 'spanmetrics' ? { exemplars: true } : {}),
    runbooks: kpi.alerts ?? [],
    width: 12,
    height: 8,
  };
};

/** A KPI's mean in each phase. */
export const kpiByPhase = (kpi: DrawnKpi): PromqlPanel => ({
  id: `${kpi.id}-by-phase`,
  kpi: kpi.id,
  kind: 'bars',
  title: kpi.name,
  description: `Mean in each phase of the time range. A rate looks back a minute, so a phase's first minute still holds some of the one before.\n\n${describeKpi(kpi)}`,
  unit: kpi.unit,
  queries: [{ promql: byPhase(kpi.promql()), legend: '{{phase}}' }],
  objective: kpi.objective,
  runbooks: kpi.alerts ?? [],
  width: 12,
  height: 8,
});

/** `{{label}}` of a legend from the labels of a series. */
export function legendOf(
  template: string,
  labels: Record<string, string>,
  names: Record<string, string> = {},
): string {
  const name = template
    .replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => names[labels[label] ?? ''] ?? labels[label] ?? '')
    .trim();
  return name || 'all';
}

const SCRAPE_SECONDS = 5;

/** Seconds between the points of a line over a time, so that there are no more than `maxPoints`, and none between scrapes. */
export const stepOf = (seconds: number, maxPoints: number): number =>
  Math.max(1, Math.ceil(seconds / maxPoints / SCRAPE_SECONDS)) * SCRAPE_SECONDS;
