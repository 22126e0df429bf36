import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TablePanel } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeseriesPanel } from '@grafana/grafana-foundation-sdk/timeseries';
import { catalogue } from '../kpis/catalogue.ts';
import type { Kpi, KpiGroup, Objective, Series, Unit } from '../kpis/kpi.ts';
import { SHOP } from '../kpis/promql.ts';

const PROMETHEUS = { type: 'prometheus', uid: 'prometheus' };

/** Grafana's names of the catalogue's units. */
const grafanaUnit: Record<Unit, string> = {
  s: 's',
  By: 'bytes',
  '1': 'percentunit',
  '{count}': 'short',
  '/s': 'cps',
  'By/s': 'Bps',
  d: 'd',
  EUR: 'currencyEUR',
  'EUR/h': 'currencyEUR',
};

const groupTitles: Record<KpiGroup, string> = {
  'user-experience': 'What customers live through',
  throughput: 'Throughput',
  queries: 'Statements',
  connections: 'Connections',
  capacity: 'Capacity and growth',
  structure: 'Structure of the data',
  business: 'Business',
};

const query = (promql: string, index = 0) =>
  new DataqueryBuilder()
    .refId(String.fromCharCode(65 + index))
    .datasource(PROMETHEUS)
    .expr(promql);

/** Green while the objective is met, red beyond it. */
const thresholds = ({ comparison, value }: Objective) =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(
    comparison === '<='
      ? // A step holds from its value on, and a value on the objective still meets it.
        [
          { value: null, color: 'green' },
          { value: value === 0 ? Number.MIN_VALUE : value * (1 + 1e-9), color: 'red' },
        ]
      : [
          { value: null, color: 'red' },
          { value, color: 'green' },
        ],
  );

const describe = (kpi: Kpi) =>
  `${kpi.meaning}\n\n${kpi.justification}\n\nObjective: ${kpi.objective.comparison} ${kpi.objective.value} ${kpi.unit === '1' ? '(share)' : kpi.unit}. ${kpi.objective.rationale}`;

const kpiStat = (kpi: Kpi) =>
  new StatPanel()
    .title(kpi.name)
    .description(describe(kpi))
    .datasource(PROMETHEUS)
    .unit(grafanaUnit[kpi.unit])
    .thresholds(thresholds(kpi.objective))
    .noValue('no traffic')
    .span(4)
    .height(4)
    .withTarget(query(kpi.promql).legendFormat(kpi.name));

interface Lines {
  title: string;
  description: string;
  unit: Unit;
  series: Series[];
  exemplars?: boolean;
}

const lines = ({ title, description, unit, series, exemplars = false }: Lines) => {
  const panel = new TimeseriesPanel()
    .title(title)
    .description(description)
    .datasource(PROMETHEUS)
    .unit(grafanaUnit[series[0]?.unit ?? unit])
    .min(0)
    .fillOpacity(8)
    .span(12)
    .height(8);
  series.forEach((line, index) => {
    const target = query(line.promql, index).legendFormat(line.legend);
    panel.withTarget(exemplars ? target.exemplar(true) : target);
    if (line.unit !== series[0]?.unit)
      panel.overrideByQuery(String.fromCharCode(65 + index), [
        { id: 'unit', value: grafanaUnit[line.unit ?? unit] },
      ]);
  });
  return panel;
};

const kpiLines = (kpi: Kpi) =>
  lines({
    title: kpi.name,
    description: describe(kpi),
    unit: kpi.unit,
    series: kpi.series,
    exemplars: kpi.collection.source === 'spanmetrics',
  });

const alertsTable = () =>
  new TablePanel()
    .title('Alerts that fire')
    .description(
      'From the rules in Prometheus, symptoms included. The runbook of each lies in docs/runbooks/, under its name.',
    )
    .datasource(PROMETHEUS)
    .unit('short')
    .span(24)
    .height(7)
    .noValue('none')
    .withTarget(
      query(
        'sort_desc(max by (alertname, severity, layer, kpi, cause, db_query_summary, http_route) (ALERTS{alertstate="firing"}))',
      )
        .instant()
        .format(PromQueryFormat.Table),
    );

type Panel = ReturnType<typeof lines> | ReturnType<typeof kpiStat> | ReturnType<typeof alertsTable>;
interface Row {
  title: string;
  panels: Panel[];
}

function dashboard(
  uid: string,
  title: string,
  description: string,
  rows: Row[],
  withStatement = false,
): DashboardBuilder {
  const builder = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['sqltrail'])
    .timezone('browser')
    .refresh('5s')
    .time({ from: 'now-15m', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .readonly()
    .link(
      new DashboardLinkBuilder('sqltrail')
        .type(DashboardLinkType.Dashboards)
        .tags(['sqltrail'])
        .asDropdown(true)
        .keepTime(true),
    )
    // Each change of phase is a mark, which tells before from after.
    .annotation(
      new AnnotationQueryBuilder()
        .name('Phases')
        .datasource(PROMETHEUS)
        .enable(true)
        .iconColor('blue')
        .expr('sqltrail_phase_info == 1 unless sqltrail_phase_info offset 10s == 1')
        .step('5s')
        .titleFormat('{{phase}}')
        .textFormat('Phase {{phase}}'),
    )
    .annotation(
      new AnnotationQueryBuilder()
        .name('Alerts')
        .datasource(PROMETHEUS)
        .enable(true)
        .iconColor('red')
        .expr('ALERTS{alertstate="firing"}')
        .step('5s')
        .titleFormat('{{alertname}}')
        .textFormat('{{severity}} {{cause}}')
        .tagKeys('alertname,severity,layer'),
    );
  if (withStatement)
    builder.withVariable(
      new QueryVariableBuilder('statement')
        .label('Statement')
        .datasource(PROMETHEUS)
        .query({
          query: 'label_values(db_client_operation_calls_total, db_query_summary)',
          refId: 'statement',
        })
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .multi(true)
        .includeAll(true)
        .allValue('.+')
        .current({ selected: true, text: 'All', value: '$__all' }),
    );
  let id = 1;
  for (const row of rows) {
    builder.withRow(new RowBuilder(row.title).id(id));
    id += 1;
    for (const panel of row.panels) {
      builder.withPanel(panel.id(id));
      id += 1;
    }
  }
  return builder;
}

const of = (...groups: KpiGroup[]) => catalogue.filter(({ group }) => groups.includes(group));
const groupRows = (panel: (kpi: Kpi) => Panel, groups: KpiGroup[]): Row[] =>
  groups.map((group) => ({ title: groupTitles[group], panels: of(group).map(panel) }));

const CHOSEN = `${SHOP},db_query_summary=~"$statement"`;
const statementRow: Row = {
  title: 'The chosen statements: a dot is an exemplar and opens its trace',
  panels: [
    lines({
      title: 'Time, p95, by route',
      description: 'Each dot is one execution; its trace has the SQL and, for a slow one, the plan.',
      unit: 's',
      exemplars: true,
      series: [
        {
          promql: `histogram_quantile(0.95, sum by (le, db_query_summary, http_route) (rate(db_client_operation_duration_seconds_bucket{${CHOSEN}}[1m])))`,
          legend: '{{db_query_summary}} {{http_route}}',
        },
      ],
    }),
    lines({
      title: 'Executions',
      description: 'How often each statement runs; a statement a row shows as a rate far above the requests.',
      unit: '/s',
      series: [
        {
          promql: `sum by (db_query_summary) (rate(db_client_operation_calls_total{${CHOSEN}}[1m]))`,
          legend: '{{db_query_summary}}',
        },
      ],
    }),
    lines({
      title: 'Executions that failed',
      description: 'By error.type: SQLSTATE 57014 is a statement timeout.',
      unit: '/s',
      series: [
        {
          promql: `sum by (db_query_summary, error_type) (rate(db_client_operation_calls_total{${CHOSEN},error_type!=""}[1m]))`,
          legend: '{{db_query_summary}} {{error_type}}',
        },
      ],
    }),
    lines({
      title: 'Time in the server, by queryid',
      description: 'Seconds a second in execution, from pg_stat_statements: the server’s own account.',
      unit: '1',
      series: [
        { promql: 'topk(10, rate(sqltrail_statement_exec_seconds[1m]))', legend: 'queryid {{queryid}}' },
      ],
    }),
  ],
};

/** The dashboards by file name, as Grafana reads them (dashboard JSON v1). */
export const buildDashboards = (): Record<string, unknown> => ({
  'overview.json': dashboard(
    'sqltrail-overview',
    'sqltrail: overview',
    'Is the shop well? Every KPI against its objective: green meets it, red does not.',
    groupRows(kpiStat, [
      'business',
      'user-experience',
      'throughput',
      'queries',
      'connections',
      'capacity',
      'structure',
    ]),
  ).build(),
  'incident.json': dashboard(
    'sqltrail-incident',
    'sqltrail: incident',
    'From the alert to what is wrong: customers, statements, connections, on one time axis.',
    [
      { title: 'Alerts', panels: [alertsTable()] },
      ...groupRows(kpiLines, ['user-experience', 'queries', 'connections', 'throughput', 'business']),
    ],
  ).build(),
  'queries.json': dashboard(
    'sqltrail-queries',
    'sqltrail: statements',
    'One statement in detail, down to the trace of one execution.',
    [statementRow, ...groupRows(kpiLines, ['queries'])],
    true,
  ).build(),
  'connections.json': dashboard(
    'sqltrail-connections',
    'sqltrail: connections',
    'Pools, sessions and locks.',
    [
      { title: 'Now', panels: of('connections').map(kpiStat) },
      ...groupRows(kpiLines, ['connections']),
      {
        title: 'Sessions',
        panels: [
          lines({
            title: 'What sessions wait for',
            description: 'Client backends by wait_event_type; Lock is waiting for another transaction.',
            unit: '{count}',
            series: [
              {
                promql: 'sum by (wait_event_type) (sqltrail_session_count)',
                legend: '{{wait_event_type}}',
              },
            ],
          }),
          lines({
            title: 'Oldest open transaction',
            description: 'It holds its locks and keeps vacuum from removing dead rows.',
            unit: 's',
            series: [{ promql: 'sqltrail_activity_longest_transaction_seconds', legend: 'age' }],
          }),
        ],
      },
    ],
  ).build(),
  'capacity.json': dashboard(
    'sqltrail-capacity',
    'sqltrail: capacity and growth',
    'How large, how fast it grows, how much of it is needed.',
    [
      { title: 'Now', panels: of('capacity', 'structure').map(kpiStat) },
      ...groupRows(kpiLines, ['capacity', 'structure']),
      {
        title: 'Tables',
        panels: [
          lines({
            title: 'Size of tables',
            description: 'With TOAST, without indexes.',
            unit: 'By',
            series: [{ promql: 'sqltrail_table_heap_bytes', legend: '{{relname}}' }],
          }),
          lines({
            title: 'Size of their indexes',
            description: 'All indexes of a table together.',
            unit: 'By',
            series: [{ promql: 'sqltrail_table_index_bytes', legend: '{{relname}}' }],
          }),
        ],
      },
    ],
  ).build(),
});

if (import.meta.main) {
  const directory = path.join(import.meta.dirname, 'json');
  await mkdir(directory, { recursive: true });
  for (const [file, content] of Object.entries(buildDashboards()))
    await writeFile(path.join(directory, file), `${JSON.stringify(content, null, 2)}\n`);
}
