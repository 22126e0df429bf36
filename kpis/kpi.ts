import type { Currency } from '../config/schema.ts';

/** What a KPI tells about; also the order of the dashboards' rows. */
export type KpiGroup =
  | 'user-experience'
  | 'throughput'
  | 'queries'
  | 'connections'
  | 'capacity'
  | 'structure'
  | 'business';

/** Prometheus base units, and currencies. `1` is a ratio (0..1). */
export type Unit = 's' | 'By' | '1' | '{count}' | '/s' | 'By/s' | 'd' | Currency | `${Currency}/h`;

/** What is actually wrong when the KPI misses its objective; the ids that `diagnosis/` explains. */
export const causes = [
  'missing-index',
  'inefficient-query',
  'poor-normalisation',
  'redundant-data',
  'cold-data',
  'pool-size',
  'missing-timeout',
  'lock-contention',
  'maintenance-behind',
  'telemetry-blind',
  'access',
] as const;
export type Cause = (typeof causes)[number];

export interface Objective {
  /** The KPI is well while `value(promql) <comparison> value`. */
  comparison: '<=' | '>=';
  /** In the KPI's unit. */
  value: number;
  /** Why this number; names its source where it has one. */
  rationale: string;
}

export interface Collection {
  /** The one source of the KPI's metrics. */
  source: 'spanmetrics' | 'service' | 'customers' | 'postgres_exporter' | 'console' | 'collector';
  /** The view, span or instrument that is read. */
  how: string;
  /** How the same figure is had on a system with no logs and no history. */
  withoutHistory: string;
}

/** A panel's way to draw the KPI over time: one query a line, with its legend template. */
export interface Series {
  promql: string;
  legend: string;
  /** Where it is not the KPI's. */
  unit?: Unit;
}

/**
 * One key performance indicator: dashboards, alerts, console, report and docs are made from it.
 * `promql` gives an instant query of one number, in `unit`.
 */
export interface Kpi {
  /** kebab-case, stable. */
  id: string;
  name: string;
  group: KpiGroup;
  unit: Unit;
  /** @param range of its rates, such as `[15s] offset 30s`; the configured window without it */
  promql(range?: string): string;
  /** The KPI broken down (by statement, route, table); what panels draw. */
  series: Series[];
  objective: Objective;
  /** Why this KPI and not another: what one would miss without it. */
  justification: string;
  /** Plain words for a stakeholder: what it means when it is bad. */
  meaning: string;
  causes: Cause[];
  collection: Collection;
}
