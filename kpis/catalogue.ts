import { configInForce, WITHOUT_FILE } from '../config/inForce.ts';
import { whereIs } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { ConfigurationError } from '../lib/errors.ts';
import { business } from './business.ts';
import { capacity } from './capacity.ts';
import { connections } from './connections.ts';
import type { Kpi, Objective } from './kpi.ts';
import { type Observed, observedAnyway, observedBy } from './observed.ts';
import { queries } from './queries.ts';
import { structure } from './structure.ts';
import { throughput } from './throughput.ts';
import { userExperience } from './userExperience.ts';

/** KPIs that need something beside spans and a database, and whether the configuration has it. */
const needs: Record<string, (config: Config) => boolean> = {
  'pool-saturation': scraped,
  'pool-wait-p95': scraped,
  'pool-acquire-timeouts': scraped,
  'statement-timeouts': scraped,
  'spans-lost': scraped,
  'days-to-critical-size': hasAges,
  'cold-data-share': hasAges,
};

function scraped({ services }: Config): boolean {
  return services.some(({ metrics }) => metrics.length > 0);
}

function hasAges({ databases }: Config): boolean {
  return databases.some(({ tables }) => tables.length > 0);
}

/**
 * The KPIs of a configuration, in the order in which one asks: are customers hurt, where, why, how long has it been
 * coming. Those that need what it does not have are left out.
 *
 * @param observed how they select what is observed; everything that the configuration names by default
 * @throws ConfigurationError for an objective of a KPI that is not there
 */
export function catalogueFor(config: Config, observed: Observed = observedBy(config)): Kpi[] {
  const kpis = [userExperience, throughput, queries, connections, capacity, structure, business]
    .flatMap((group) => group(observed))
    .filter(({ id }) => needs[id]?.(config) ?? true)
    .map((kpi): Kpi => {
      const value = config.objectives[kpi.id];
      return value === undefined
        ? kpi
        : { ...kpi, objective: { ...kpi.objective, value, rationale: 'Set in sqltrail.yaml.' } };
    });
  for (const id of Object.keys(config.objectives))
    if (!kpis.some((kpi) => kpi.id === id))
      throw new ConfigurationError(
        `${whereIs(config, ['objectives', id])}: this configuration has no KPI ${id}. It has: ${kpis.map((kpi) => kpi.id).join(', ')}`,
      );
  return kpis;
}

/** What is observed, by the configuration of this process. */
export const observed =
  configInForce === WITHOUT_FILE ? observedAnyway(configInForce) : observedBy(configInForce);

/** The KPIs of this process's configuration. */
export const catalogue: Kpi[] = catalogueFor(configInForce, observed);

/** @throws Error when there is no such KPI */
export function kpiOf(kpis: readonly Kpi[], id: string): Kpi {
  const kpi = kpis.find((candidate) => candidate.id === id);
  if (!kpi) throw new Error(`no KPI is called ${id}`);
  return kpi;
}

/**
 * The KPI of this process's configuration.
 *
 * @throws Error when there is no such KPI
 */
export const kpiById = (id: string): Kpi => kpiOf(catalogue, id);

/** Whether a value meets the KPI's objective. */
export const meetsObjective = (
  { objective }: { objective: Pick<Objective, 'comparison' | 'value'> },
  value: number,
): boolean => (objective.comparison === '<=' ? value <= objective.value : value >= objective.value);
