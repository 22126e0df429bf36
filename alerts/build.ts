import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { kpiById } from '../kpis/catalogue.ts';
import { type AlertDefinition, alerts } from './definitions.ts';

const HEADER = '# Made by `node alerts/build.ts` from alerts/definitions.ts; a test holds it to that.\n';
const yaml = (value: unknown) => HEADER + stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });

const rule = ({ alert, kpi, severity, layer, expr, ...definition }: AlertDefinition) => ({
  alert,
  expr,
  for: definition.for,
  ...(definition.keepFiringFor ? { keep_firing_for: definition.keepFiringFor } : {}),
  labels: { severity, layer, kpi, cause: kpiById(kpi).causes[0] },
  annotations: {
    summary: definition.summary,
    description: definition.description,
    runbook_url: `docs/runbooks/${alert}.md`,
  },
});

/** promtool's test file of one alert: it fires on the one input, and stays silent on the other. */
const promtoolTest = ({ alert, tests }: AlertDefinition) => ({
  rule_files: ['../rules/alerts.yaml'],
  evaluation_interval: '5s',
  tests: [
    // Only that it fires is held here; labels and texts are rendered from the rule itself.
    {
      name: `${alert} fires`,
      interval: '5s',
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
      interval: '5s',
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

/** The files under alerts/, by path relative to it. */
export function buildAlertFiles(): Record<string, string> {
  return {
    'rules/alerts.yaml': yaml({ groups: [{ name: 'sqltrail', interval: '5s', rules: alerts.map(rule) }] }),
    ...Object.fromEntries(
      alerts.map((definition) => [`tests/${definition.alert}.yaml`, yaml(promtoolTest(definition))]),
    ),
  };
}

if (import.meta.main)
  for (const [file, content] of Object.entries(buildAlertFiles())) {
    const target = path.join(import.meta.dirname, file);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, content);
  }
