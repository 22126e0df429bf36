import type { Config } from '../config/schema.ts';
import { catalogueFor, kpiOf } from '../kpis/catalogue.ts';
import { yaml } from '../lib/yaml.ts';
import { alertmanagerConfig } from './alertmanager.ts';
import { type AlertDefinition, guardedBy } from './definition.ts';
import { alertsFor } from './definitions.ts';

const HEADER = '# Made by sqltrail from sqltrail.yaml and alerts/definitions/: change those.\n';
const generated = (value: unknown) => HEADER + yaml(value);

/** Where the runbook of an alert is. */
const runbookOf = ({ urls }: Config, alert: string) =>
  (urls.runbooks ?? `${urls.console}/runbooks/{alert}`).replaceAll('{alert}', alert);

/** The rule file of Prometheus. */
export function rulesFor(config: Config): string {
  const kpis = catalogueFor(config);
  const rules = alertsFor(config).map(({ alert, kpi, severity, layer, expr, ...definition }) => ({
    alert,
    expr,
    for: definition.for,
    ...(definition.keepFiringFor ? { keep_firing_for: definition.keepFiringFor } : {}),
    labels: { severity, layer, kpi, cause: kpiOf(kpis, kpi).causes[0] },
    annotations: {
      summary: definition.summary,
      description: definition.description,
      runbook_url: runbookOf(config, alert),
    },
  }));
  return generated({ groups: [{ name: 'sqltrail', interval: config.interval, rules }] });
}

/** promtool's test file of one alert: it fires on the one input, and stays silent on the other. */
const promtoolTest = ({ alert, tests }: AlertDefinition, rules: string, sample: string) => ({
  rule_files: [rules],
  evaluation_interval: sample,
  tests: [
    // Only that it fires is held here; labels and texts are rendered from the rule itself.
    {
      name: `${alert} fires`,
      interval: sample,
      input_series: tests.fires,
      promql_expr_test: [
        {
          expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) > bool 0`,
          eval_time: tests.at,
          exp_samples: [{ labels: '{}', value: 1 }],
        },
      ],
    },
    {
      name: `${alert} stays silent`,
      interval: sample,
      input_series: tests.silent,
      alert_rule_test: [{ alertname: alert, eval_time: tests.at, exp_alerts: [] }],
      promql_expr_test: [
        {
          expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`,
          eval_time: tests.at,
          exp_samples: [],
        },
      ],
    },
  ],
});

/** promtool's tests of the rules, by alert. @param rules the rule file, seen from theirs */
export const testsFor = (config: Config, rules: string): Record<string, string> =>
  Object.fromEntries(
    alertsFor(config).map((definition) => [
      definition.alert,
      generated(promtoolTest(definition, rules, guardedBy(config).pace.sample)),
    ]),
  );

/** The files under alerts/, by path relative to it. */
export const buildAlertFiles = (config: Config): Record<string, string> => ({
  'rules/alerts.yaml': rulesFor(config),
  'alertmanager.yml': generated(alertmanagerConfig(config)),
  ...Object.fromEntries(
    Object.entries(testsFor(config, '../rules/alerts.yaml')).map(([alert, text]) => [
      `tests/${alert}.yaml`,
      text,
    ]),
  ),
});
