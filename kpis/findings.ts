import type { Kpi } from './kpi.ts';
import type { Observed } from './observed.ts';
import { select } from './promql.ts';

const SEVERE = 'severity="critical"';

/** What the diagnosis that runs on a schedule says of each database. */
export const findings = (observed: Observed): Kpi[] => [
  {
    id: 'critical-findings',
    name: 'Critical findings',
    group: 'structure',
    unit: '{count}',
    promql: () => `sum(${select('sqltrail_findings', observed.databases, SEVERE, 'state=~"new|open"')})`,
    series: [
      {
        promql: `sum by (database, state) (${select('sqltrail_findings', observed.databases, SEVERE)})`,
        legend: '{{database}} {{state}}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 0,
      rationale: 'A critical finding explains time that is lost now, or endangers data.',
    },
    justification:
      'Causes, not symptoms: a cause that is found before the peak never becomes an alert at night.',
    meaning: 'The database has something that costs or endangers, and nobody has fixed it yet.',
    causes: ['missing-index', 'inefficient-query', 'poor-normalisation', 'cold-data'],
    collection: {
      source: 'console',
      how: 'the diagnosis on its schedule, read-only and within its budget',
      withoutHistory: 'available after the first run',
    },
  },
  {
    id: 'plan-regression',
    name: 'Slowdown since a statement’s plan changed',
    group: 'queries',
    unit: '1',
    promql: () => `max(${select('sqltrail_plan_slowdown_ratio', observed.databases)})`,
    series: [
      {
        promql: `topk(8, max by (database, db_query_summary) (${select('sqltrail_plan_slowdown_ratio', observed.databases)}))`,
        legend: '{{database}} {{db_query_summary}}',
      },
    ],
    objective: {
      comparison: '<=',
      value: 2,
      rationale: 'As for the slowdown of statements, less than a doubling may be chance.',
    },
    justification:
      'Tells a changed plan from load and from grown data, which look the same in a statement’s duration.',
    meaning: 'The database has begun to look something up in a slower way.',
    causes: ['missing-index', 'maintenance-behind', 'inefficient-query'],
    collection: {
      source: 'console',
      how: 'generic plans of the most expensive statements, and their mean times in pg_stat_statements between two runs',
      withoutHistory: 'starts with the second plan of a statement',
    },
  },
];
