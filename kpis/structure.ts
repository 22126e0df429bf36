import type { Kpi } from './kpi.ts';
import type { Observed } from './observed.ts';
import { select } from './promql.ts';

export const structure = (observed: Observed): Kpi[] => [
  {
    id: 'unindexed-references',
    name: 'References without an index',
    group: 'structure',
    unit: '{count}',
    promql: () => `max(${select('sqltrail_structure_unindexed_references', observed.databases)})`,
    series: [
      { promql: select('sqltrail_structure_unindexed_references', observed.databases), legend: 'columns' },
    ],
    objective: {
      comparison: '<=',
      value: 0,
      rationale: 'Each lookup along such a reference scans the whole table.',
    },
    justification: 'Found in the catalogue, with no traffic at all: the cause before its symptom.',
    meaning: 'The database has no index where it looks things up.',
    causes: ['missing-index'],
    collection: {
      source: 'postgres_exporter',
      how: 'columns *_id that lead no valid index',
      withoutHistory: 'available at once',
    },
  },
  {
    id: 'missing-foreign-keys',
    name: 'References without a foreign key',
    group: 'structure',
    unit: '{count}',
    promql: () => `max(${select('sqltrail_structure_missing_foreign_keys', observed.databases)})`,
    series: [
      { promql: select('sqltrail_structure_missing_foreign_keys', observed.databases), legend: 'columns' },
    ],
    objective: {
      comparison: '<=',
      value: 0,
      rationale: 'A reference that is not enforced is violated sooner or later.',
    },
    justification:
      'Tells how much of the model lives in code only; each migration has to check these by hand.',
    meaning: 'Nothing keeps rows and what they refer to from drifting apart.',
    causes: ['poor-normalisation', 'redundant-data'],
    collection: {
      source: 'postgres_exporter',
      how: 'columns *_id outside any foreign or primary key',
      withoutHistory: 'available at once',
    },
  },
];
