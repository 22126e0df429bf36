import { alertsFor } from '../alerts/definitions.ts';
import type { Config } from '../config/schema.ts';
import { catalogueFor } from '../kpis/catalogue.ts';
import type { KpiGroup } from '../kpis/kpi.ts';
import { chosenOf, type Observed } from '../kpis/observed.ts';
import type { Dashboard, DrawnKpi, Panel } from './panel.ts';

/** What the dashboards are about: a configuration, as far as the variables of a dashboard choose from it. */
export interface Subject {
  config: Config;
  observed: Observed;
  /** Those of the groups. */
  kpisOf(...groups: KpiGroup[]): DrawnKpi[];
  /** Those of the ids that this configuration has. */
  kpis(...ids: string[]): DrawnKpi[];
  /** Those of the names that this configuration has. */
  runbooks(...alerts: string[]): string[];
}

export function subjectOf(config: Config): Subject {
  const observed = chosenOf(config);
  const alerts = alertsFor(config);
  const all = catalogueFor(config, observed).map(
    (kpi): DrawnKpi => ({
      ...kpi,
      alerts: alerts.filter((alert) => alert.kpi === kpi.id).map(({ alert }) => alert),
    }),
  );
  return {
    config,
    observed,
    kpisOf: (...groups) => all.filter(({ group }) => groups.includes(group)),
    kpis: (...ids) => ids.flatMap((id) => all.filter((kpi) => kpi.id === id)),
    runbooks: (...names) => names.filter((name) => alerts.some(({ alert }) => alert === name)),
  };
}

/** A row, if there is anything in it. */
export const row = (question: string, panels: Panel[]): Dashboard['rows'] =>
  panels.length > 0 ? [{ question, panels }] : [];
