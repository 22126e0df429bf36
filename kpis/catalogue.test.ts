import { describe, expect, it } from 'vitest';
import { alertsFor } from '../alerts/definitions.ts';
import { parseConfig } from '../config/load.ts';
import { LEAST, leastConfig, libraryConfig, shopConfig, workersConfig } from '../test/support/configs.ts';
import { isPromql } from '../test/support/promqlParser.ts';
import { catalogueFor, kpiById, kpiOf, leftOut, meetsObjective } from './catalogue.ts';

const catalogue = catalogueFor(shopConfig);
const configs = { shop: shopConfig, library: libraryConfig, least: leastConfig, workers: workersConfig };
const all = Object.entries(configs).flatMap(([name, config]) =>
  catalogueFor(config).map((kpi) => [`${name}: ${kpi.id}`, kpi] as const),
);
const alerts = Object.entries(configs).flatMap(([name, config]) =>
  alertsFor(config).map((alert) => [`${name}: ${alert.alert}`, alert, config] as const),
);

describe('the catalogue', () => {
  it('has at least 15 KPIs over all seven groups, each with an id of its own', () => {
    expect(catalogue.length).toBeGreaterThanOrEqual(15);
    expect(new Set(catalogue.map(({ id }) => id)).size).toBe(catalogue.length);
    expect(new Set(catalogue.map(({ group }) => group)).size).toBe(7);
  });

  it.each(all)('%s is argued and can be computed', (_id, kpi) => {
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

  it.each(alerts)('%s guards a KPI with a parseable rule', (_name, alert, config) => {
    expect(kpiOf(catalogueFor(config), alert.kpi).id).toBe(alert.kpi);
    expect(isPromql(alert.expr), alert.expr).toBe(true);
  });
});

describe('what a configuration does not have', () => {
  it.each(Object.entries(configs))('is named: %s', (_name, config) => {
    const named = (of: typeof config) => [...catalogueFor(of), ...leftOut(of)].map(({ id }) => id).sort();
    expect(named(config)).toEqual(named(shopConfig));
  });

  it('is left out, with its alerts', () => {
    const missing = (config: typeof shopConfig) => leftOut(config).map(({ id }) => id);
    expect(missing(shopConfig)).toEqual(['critical-findings', 'plan-regression']);
    expect(missing(libraryConfig)).toEqual(['customer-latency-p95', 'placed-orders']);
    expect(missing(leastConfig)).toEqual([
      'customer-latency-p95',
      'pool-saturation',
      'pool-wait-p95',
      'pool-acquire-timeouts',
      'statement-timeouts',
      'spans-lost',
      'days-to-critical-size',
      'cold-data-share',
      'critical-findings',
      'plan-regression',
      'checkout-failure-ratio',
      'lost-basket-value',
      'placed-orders',
    ]);
    expect(alertsFor(leastConfig).map(({ alert }) => alert)).not.toContain('PoolExhausted');
  });

  it('is nothing of requests where no service answers any', () => {
    const missing = leftOut(workersConfig).map(({ id }) => id);
    expect(missing).toEqual(
      expect.arrayContaining([
        'request-latency-p95',
        'request-failure-ratio',
        'queries-per-request',
        'goodput',
      ]),
    );
    for (const { id, promql, series } of catalogueFor(workersConfig))
      for (const expression of [promql(), ...series.map((each) => each.promql)])
        expect(expression, id).not.toContain('http_server');
    for (const { alert, expr } of alertsFor(workersConfig)) expect(expr, alert).not.toContain('http_server');
    const probed = parseConfig(
      'version: 1\nservices: [{ name: worker, requests: false }]\ndatabases: [{ name: queue }]\ncustomers: { duration: page_seconds, requests: pages_total, job: probe }\n',
      'probed.yaml',
    );
    expect(catalogueFor(probed).map(({ id }) => id)).toContain('goodput');
  });

  it('is counted by spans where it can be', () => {
    expect(kpiOf(catalogueFor(libraryConfig), 'lost-basket-value').promql()).toContain(
      '3.5 * (sum(rate(http_server_request_calls_total{service_name=~"lending\\\\.api|catalogue-web",http_route="/loans/:id",http_request_method="PUT"',
    );
  });

  it('is no objective', () => {
    const faulty = parseConfig(`${LEAST}objectives:\n  goodput: 0.9\n  nonsense: 1\n`, 'faulty.yaml');
    expect(() => catalogueFor(faulty)).toThrow(/^faulty.yaml:6: this configuration has no KPI nonsense/);
  });
});
