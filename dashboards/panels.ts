import { capacity } from './pages/capacity.ts';
import { comparison } from './pages/comparison.ts';
import { connections } from './pages/connections.ts';
import { incident } from './pages/incident.ts';
import { overview } from './pages/overview.ts';
import { stakeholders } from './pages/stakeholders.ts';
import { statements } from './pages/statements.ts';
import type { Dashboard } from './panel.ts';

/** Every dashboard, in the order in which one opens them. */
export const dashboards: Dashboard[] = [
  overview,
  incident,
  statements,
  connections,
  capacity,
  comparison,
  stakeholders,
];
