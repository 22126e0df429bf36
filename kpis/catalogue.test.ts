import { describe, expect, it } from 'vitest';
import { alerts } from '../alerts/definitions.ts';
import { isPromql } from '../test/support/promqlParser.ts';
import { catalogue, kpiById, meetsObjective } from './catalogue.ts';

describe('the catalogue', () => {
  it('has at least 15 KPIs over all seven groups, each with an id of its own', () => {
    expect(catalogue.length).toBeGreaterThanOrEqual(15);
    expect(new Set(catalogue.map(({ id }) => id)).size).toBe(catalogue.length);
    expect(new Set(catalogue.map(({ group }) => group)).size).toBe(7);
  });

  it.each(catalogue.map((kpi) => [kpi.id, kpi] as const))('%s is argued and can be computed', (_id, kpi) => {
    for (const text of [
      kpi.justification,
      kpi.meaning,
      kpi.objective.rationale,
      kpi.collection.how,
      kpi.collection.withoutHistory,
    ])
      expect(text.length).toBeGreaterThan(10);
    expect(kpi.causes.length).toBeGreaterThan(0);
    for (const promql of [kpi.promql(), ...kpi.series.map((series) => series.promql)])
      expect(isPromql(promql), promql).toBe(true);
  });

  it('knows a wrong expression', () => {
    expect(isPromql('sum(rate(x[1m])')).toBe(false);
  });

  it('judges by the direction of the objective', () => {
    expect(meetsObjective(kpiById('cache-hit-ratio'), 0.5)).toBe(false);
    expect(meetsObjective(kpiById('request-failure-ratio'), 0.5)).toBe(false);
    expect(meetsObjective(kpiById('request-failure-ratio'), 0)).toBe(true);
    expect(() => kpiById('none')).toThrow('none');
  });

  it.each(alerts.map((alert) => [alert.alert, alert] as const))(
    '%s guards a KPI with a parseable rule',
    (_name, alert) => {
      expect(kpiById(alert.kpi).id).toBe(alert.kpi);
      expect(isPromql(alert.expr), alert.expr).toBe(true);
    },
  );
});
