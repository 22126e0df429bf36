import { configInForce } from '../config/inForce.ts';
import type { Config } from '../config/schema.ts';
import { capacity } from './pages/capacity.ts';
import { comparison } from './pages/comparison.ts';
import { connections } from './pages/connections.ts';
import { incident } from './pages/incident.ts';
import { overview } from './pages/overview.ts';
import { stakeholders } from './pages/stakeholders.ts';
import { statements } from './pages/statements.ts';
import type { Dashboard } from './panel.ts';
import { subjectOf } from './subject.ts';

/** Every dashboard of a configuration, in the order in which one opens them. */
export function dashboardsFor(config: Config): Dashboard[] {
  const subject = subjectOf(config);
  return [overview, incident, statements, connections, capacity, comparison, stakeholders].map((page) =>
    page(subject),
  );
}

/** The dashboards of this process's configuration. */
export const dashboards: Dashboard[] = dashboardsFor(configInForce);
