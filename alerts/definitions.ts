import { configInForce } from '../config/inForce.ts';
import type { Config } from '../config/schema.ts';
import { type AlertDefinition, guardedBy } from './definition.ts';
import { database } from './definitions/database.ts';
import { findings } from './definitions/findings.ts';
import { pools } from './definitions/pools.ts';
import { requests } from './definitions/requests.ts';
import { statements } from './definitions/statements.ts';
import { telemetry } from './definitions/telemetry.ts';

export type { AlertDefinition } from './definition.ts';

/** The alerts of a configuration; those that guard a KPI which it does not have are left out. */
export function alertsFor(config: Config): AlertDefinition[] {
  const guarded = guardedBy(config);
  return [statements, pools, requests, database, findings, telemetry]
    .flatMap((group) => group(guarded))
    .filter(({ kpi }) => guarded.has(kpi));
}

/** The alerts of this process's configuration. */
export const alerts: AlertDefinition[] = alertsFor(configInForce);
