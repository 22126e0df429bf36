import { business } from './business.ts';
import { capacity } from './capacity.ts';
import { connections } from './connections.ts';
import type { Kpi, Objective } from './kpi.ts';
import { queries } from './queries.ts';
import { structure } from './structure.ts';
import { throughput } from './throughput.ts';
import { userExperience } from './userExperience.ts';

/** All KPIs, in the order in which one asks: are customers hurt, where, why, how long has it been coming. */
export const catalogue: Kpi[] = [
  ...userExperience,
  ...throughput,
  ...queries,
  ...connections,
  ...capacity,
  ...structure,
  ...business,
];

/** @throws Error when there is no such KPI */
export function kpiById(id: string): Kpi {
  const kpi = catalogue.find((candidate) => candidate.id === id);
  if (!kpi) throw new Error(`no KPI is called ${id}`);
  return kpi;
}

/** Whether a value meets the KPI's objective. */
export const meetsObjective = (
  { objective }: { objective: Pick<Objective, 'comparison' | 'value'> },
  value: number,
): boolean => (objective.comparison === '<=' ? value <= objective.value : value >= objective.value);
