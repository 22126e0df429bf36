import { select } from '../../kpis/promql.ts';
import { type AlertDefinition, type Guarded, ofOneDatabase, steady } from '../definition.ts';

const newCriticalFinding = ({ observed, pace }: Guarded): AlertDefinition => {
  const series = (state: string) =>
    `sqltrail_finding{${ofOneDatabase(observed)},check="missing-index",severity="critical",object="public.things(owner)",state="${state}"}`;
  return {
    alert: 'NewCriticalFinding',
    kpi: 'critical-findings',
    severity: 'ticket',
    layer: 'symptom',
    expr: `max by (database, check, object) (${select('sqltrail_finding', observed.databases, 'severity="critical"', 'state="new"')}) > 0`,
    for: pace.wait(5),
    keepFiringFor: pace.wait(60),
    summary: '{{ $labels.database }} has a new critical finding: {{ $labels.check }} on {{ $labels.object }}',
    description:
      'The diagnosis found it for the first time, or again after it was resolved. The console has its evidence, statements and fix.',
    tests: {
      at: pace.wait(120),
      fires: [{ series: series('new'), values: '_x12 1x28' }],
      silent: [{ series: series('open'), values: steady(1, 40) }],
    },
  };
};

const planRegression = ({ observed, pace, kpi }: Guarded): AlertDefinition => {
  const series = `sqltrail_plan_slowdown_ratio{${ofOneDatabase(observed)},db_query_summary="SELECT things",fingerprint="0123456789abcdef"}`;
  return {
    alert: 'PlanRegression',
    kpi: 'plan-regression',
    severity: 'ticket',
    layer: 'cause',
    expr: `max by (database, db_query_summary, fingerprint) (${select('sqltrail_plan_slowdown_ratio', observed.databases)}) > ${kpi('plan-regression').objective.value}`,
    for: pace.wait(5),
    keepFiringFor: pace.wait(60),
    summary:
      '{{ $labels.db_query_summary }} takes {{ $value | humanize }} times as long on {{ $labels.database }} since its plan changed',
    description:
      'Against its own past under the former plan. An index is gone or invalid, statistics are stale, or the data grew past an estimate.',
    tests: {
      at: pace.wait(120),
      fires: [{ series, values: '1x12 4x28' }],
      // Another plan that is as fast, and then no other plan any more.
      silent: [{ series, values: '1.2x20 _x20' }],
    },
  };
};

export const findings = (guarded: Guarded) =>
  guarded.has('plan-regression') ? [newCriticalFinding(guarded), planRegression(guarded)] : [];
