import { configInForce, WITHOUT_FILE } from '../config/inForce.ts';
import { whereIs } from '../config/load.ts';
import { answersRequests, type Config } from '../config/schema.ts';
import { ConfigurationError } from '../lib/errors.ts';
import { business } from './business.ts';
import { capacity } from './capacity.ts';
import { connections } from './connections.ts';
import { findings } from './findings.ts';
import type { Kpi, Objective } from './kpi.ts';
import { type Observed, observedAnyway, observedBy } from './observed.ts';
import { queries } from './queries.ts';
import { structure } from './structure.ts';
import { throughput } from './throughput.ts';
import { userExperience } from './userExperience.ts';

interface Need {
  met(config: Config): boolean;
  /** What is missing otherwise. */
  lack: string;
}

const SCRAPED: Need = {
  met: ({ services }) => services.some(({ metrics }) => metrics.length > 0),
  lack: 'no service has metrics (services[].metrics)',
};
const REQUESTED: Need = {
  met: answersRequests,
  lack: 'no service answers requests (services[].requests)',
};
const DATED: Need = {
  met: ({ databases }) => databases.some(({ tables }) => tables.length > 0),
  lack: 'no table has an age (databases[].tables)',
};
const CUSTOMERS: Need = {
  met: ({ customers }) => customers !== undefined,
  lack: 'nothing measures customers outside the services (customers)',
};
/** Also where customers measure what they were answered. */
const ANSWERED: Need = {
  ...REQUESTED,
  met: (config) => REQUESTED.met(config) || CUSTOMERS.met(config),
};
const BUSINESS: Need = {
  met: ({ business: of }) => of !== undefined,
  lack: 'there is no business transaction (business)',
};

const DIAGNOSED: Need = {
  met: ({ diagnosis }) => diagnosis !== undefined,
  lack: 'no diagnosis runs on a schedule (diagnosis)',
};

/** KPIs that need something beside spans and a database. */
const needs: Record<string, Need> = {
  'customer-latency-p95': CUSTOMERS,
  'request-latency-p95': REQUESTED,
  'request-failure-ratio': REQUESTED,
  'satisfied-requests': ANSWERED,
  goodput: ANSWERED,
  'queries-per-request': REQUESTED,
  'rows-read-per-request': REQUESTED,
  'database-time-share': REQUESTED,
  'pool-saturation': SCRAPED,
  'pool-wait-p95': SCRAPED,
  'pool-acquire-timeouts': SCRAPED,
  'statement-timeouts': SCRAPED,
  'spans-lost': SCRAPED,
  'days-to-critical-size': DATED,
  'cold-data-share': DATED,
  'critical-findings': DIAGNOSED,
  'plan-regression': DIAGNOSED,
  'checkout-failure-ratio': BUSINESS,
  'lost-basket-value': {
    met: ({ business: of }) => of?.value !== undefined,
    lack: 'the business transaction has no value (business.value)',
  },
  'placed-orders': {
    met: ({ business: of }) => of?.placed !== undefined,
    lack: 'the services do not count the transaction themselves (business.placed)',
  },
};

/** KPIs that a configuration does not have, each with what it would need. */
export const leftOut = (config: Config): { id: string; lack: string }[] =>
  Object.entries(needs).flatMap(([id, { met, lack }]) => (met(config) ? [] : [{ id, lack }]));

/**
 * The KPIs of a configuration, in the order in which one asks: are customers hurt, where, why, how long has it been
 * coming. Those that need what it does not have are left out.
 *
 * @param observed how they select what is observed; everything that the configuration names by default
 * @throws ConfigurationError for an objective of a KPI that is not there
 */
export function catalogueFor(config: Config, observed: Observed = observedBy(config)): Kpi[] {
  const kpis = [userExperience, throughput, queries, connections, capacity, structure, findings, business]
    .flatMap((group) => group(observed))
    .filter(({ id }) => needs[id]?.met(config) ?? true)
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
