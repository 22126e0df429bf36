import { PanelBuilder as BarsPanel } from '@grafana/grafana-foundation-sdk/bargauge';
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  BarGaugeDisplayMode,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  TableSortByFieldStateBuilder,
  VizLegendOptionsBuilder,
  VizOrientation,
} from '@grafana/grafana-foundation-sdk/common';
import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  type DynamicConfigValue,
  FieldColorBuilder,
  FieldColorModeId,
  FieldColorSeriesByMode,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TablePanel } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as LinesPanel } from '@grafana/grafana-foundation-sdk/timeseries';
import type { Config } from '../config/schema.ts';
import type { Unit } from '../kpis/kpi.ts';
import { forCurrencies, objectiveText } from '../kpis/unitText.ts';
import { CHANGES_SQL } from './changes.ts';
import {
  type Dashboard,
  type Panel,
  PHASE_BEGINS,
  PHASE_STEP_SECONDS,
  type PromqlPanel,
  type SqlPanel,
} from './panel.ts';
import { dashboardsFor } from './panels.ts';
import { choice, inputs, POSTGRES, PROMETHEUS, withVariables } from './variables.ts';

/** Where the console answers; a hidden variable, so that `?var-console=` names another. */
const CONSOLE = '${console:raw}';

/** Grafana's names of the catalogue's units. */
const grafanaUnit: Record<Unit, string> = {
  s: 's',
  By: 'bytes',
  '1': 'percentunit',
  '{count}': 'short',
  '/s': 'cps',
  'By/s': 'Bps',
  d: 'd',
  ...forCurrencies(
    (currency) => `currency${currency}`,
    (currency) => `currency${currency}`,
  ),
};

/** Okabe and Ito, "Color Universal Design" (2008): told apart with any kind of colour vision. */
const MET = '#009E73';
const MISSED = '#D55E00';
const LINES = ['#0072B2', '#E69F00', '#56B4E9', '#CC79A7'] as const;

/** Each change as a mark: an index that came, a phase of the migration such as the cutover that is complete. */
const CHANGES_MARKS = `SELECT at AS "time", what AS "text" FROM (${CHANGES_SQL}) AS changed`;

const refId = (index: number) => String.fromCharCode(65 + index);
const fixed = (color: string) => ({ mode: FieldColorModeId.Fixed, fixedColor: color });

/** Blue-green while the objective is met, orange-red beyond it. */
const thresholds = (objective: PromqlPanel['objective']) =>
  new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(
    !objective
      ? [{ value: null, color: 'text' }]
      : objective.comparison === '<='
        ? // A step holds from its value on, and a value on the objective still meets it.
          [
            { value: null, color: MET },
            { value: objective.value === 0 ? Number.MIN_VALUE : objective.value * (1 + 1e-9), color: MISSED },
          ]
        : [
            { value: null, color: MISSED },
            { value: objective.value, color: MET },
          ],
  );

const target = ({ kind, queries, exemplars }: PromqlPanel, index: number): Builder<Dataquery> => {
  const { promql = '', legend = '' } = queries[index] ?? {};
  const query = new DataqueryBuilder().refId(refId(index)).datasource(PROMETHEUS).expr(promql);
  if (kind === 'lines') query.range().exemplar(exemplars ?? false);
  else query.instant();
  return kind === 'table' ? query.format(PromQueryFormat.Table) : query.legendFormat(legend);
};

const link = (title: string, url: string) =>
  new DashboardLinkBuilder(title).type(DashboardLinkType.Link).url(url).targetBlank(true);

const runbookLinks = ({ runbooks }: PromqlPanel) =>
  runbooks.map((alert) => link(`Runbook: ${alert}`, `${CONSOLE}/runbooks/${alert}`));

/** What the panels that draw a series have in common: what it is called, and where it leads. */
function nameSeries(
  builder: InstanceType<typeof LinesPanel | typeof BarsPanel | typeof StatPanel>,
  panel: PromqlPanel,
): void {
  for (const [value, name] of Object.entries(panel.names ?? {}))
    builder.overrideByName(value, [{ id: 'displayName', value: name }]);
  if (panel.queries.some(({ legend }) => legend.includes('{{db_query_summary}}')))
    builder.dataLinks([
      link(
        'Traces, plan and findings of ${__field.labels.db_query_summary}',
        `${CONSOLE}/#/statements/\${__field.labels.db_query_summary}`,
      ),
    ]);
}

function stat(panel: PromqlPanel) {
  const builder = new StatPanel()
    .unit(grafanaUnit[panel.unit])
    .thresholds(thresholds(panel.objective))
    .noValue('no data')
    .graphMode(BigValueGraphMode.None)
    .colorMode(panel.objective ? BigValueColorMode.Background : BigValueColorMode.None)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .textMode(
      panel.showsName
        ? BigValueTextMode.Name
        : panel.objective
          ? BigValueTextMode.ValueAndName
          : BigValueTextMode.Value,
    );
  nameSeries(builder, panel);
  // The objective in words, so that the colour says nothing that cannot be read.
  if (panel.objective) builder.displayName(`objective: ${objectiveText(panel.objective, panel.unit)}`);
  return builder;
}

function lines(panel: PromqlPanel) {
  const builder = new LinesPanel()
    .unit(grafanaUnit[panel.unit])
    .min(0)
    .fillOpacity(8)
    .lineWidth(2)
    .thresholds(thresholds(panel.objective))
    // Lines of a query that has many are coloured by how high they got: blue, yellow, red.
    .colorScheme(
      new FieldColorBuilder().mode(FieldColorModeId.ContinuousBlYlRd).seriesBy(FieldColorSeriesByMode.Max),
    )
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Right)
        .showLegend(true)
        .calcs(['max', 'lastNotNull'])
        .sortBy('Max')
        .sortDesc(true)
        .width(240),
    );
  if (panel.objective)
    builder.thresholdsStyle(
      new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.DashedAndArea),
    );
  nameSeries(builder, panel);
  panel.queries.forEach(({ unit, legend }, index) => {
    const properties: DynamicConfigValue[] = [];
    if (unit && unit !== panel.unit) properties.push({ id: 'unit', value: grafanaUnit[unit] });
    if (!legend.includes('{{'))
      properties.push({ id: 'color', value: fixed(LINES[index % LINES.length] ?? '') });
    // Told apart without colour too.
    if (index > 0)
      properties.push({ id: 'custom.lineStyle', value: { fill: 'dash', dash: [6 + 4 * index, 6] } });
    if (properties.length > 0) builder.overrideByQuery(refId(index), properties);
  });
  return builder;
}

function bars(panel: PromqlPanel) {
  const builder = new BarsPanel()
    .unit(grafanaUnit[panel.unit])
    .min(0)
    .thresholds(thresholds(panel.objective))
    .orientation(VizOrientation.Horizontal)
    .displayMode(BarGaugeDisplayMode.Basic)
    .showUnfilled(true)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']));
  if (!panel.objective)
    builder.colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Fixed).fixedColor(LINES[0]));
  nameSeries(builder, panel);
  return builder;
}

/** Where the label that names a row leads. */
const rowLinks: Record<string, { title: string; url: string }> = {
  alertname: { title: 'Runbook', url: `${CONSOLE}/runbooks/\${__value.text}` },
  db_query_summary: {
    title: 'Traces, plan and findings',
    url: `${CONSOLE}/#/statements/\${__value.text}`,
  },
};

function table(panel: PromqlPanel) {
  const { labels = {}, queries } = panel;
  const names = Object.keys(labels);
  const [key = ''] = names;
  const values = queries.map((_query, index) => (queries.length === 1 ? 'Value' : `Value #${refId(index)}`));
  const columns = [...names, ...values];
  const builder = new TablePanel().unit(grafanaUnit[panel.unit]).noValue('–');
  if (queries.length > 1)
    builder.withTransformation({ id: 'joinByField', options: { byField: key, mode: 'outer' } });
  builder
    .withTransformation({ id: 'filterFieldsByName', options: { include: { names: columns } } })
    .withTransformation({
      id: 'organize',
      options: {
        indexByName: Object.fromEntries(columns.map((name, index) => [name, index])),
        renameByName: {
          ...labels,
          ...Object.fromEntries(values.map((name, index) => [name, queries[index]?.legend ?? name])),
        },
      },
    });
  for (const [name, title] of Object.entries(labels)) {
    const to = rowLinks[name];
    if (to) builder.overrideByName(title, [{ id: 'links', value: [{ ...to, targetBlank: true }] }]);
  }
  for (const { legend, unit } of queries)
    if (unit && unit !== panel.unit)
      builder.overrideByName(legend, [{ id: 'unit', value: grafanaUnit[unit] }]);
  const [first] = queries;
  if (queries.length > 1 && !names.includes('phase'))
    builder.sortBy([new TableSortByFieldStateBuilder().displayName(first.legend).desc(true)]);
  return builder;
}

/** The SDK has no module for this data source; these are the fields that its editor writes. */
function askPostgres(rawSql: string): Builder<Dataquery> {
  const query = {
    refId: 'A',
    datasource: POSTGRES,
    rawSql,
    format: 'table',
    rawQuery: true,
    editorMode: 'code',
  };
  return { build: () => query as unknown as Dataquery };
}

function sql(panel: SqlPanel) {
  const builder = new TablePanel().unit(grafanaUnit[panel.unit]).noValue('–');
  for (const [column, unit] of Object.entries(panel.units ?? {}))
    builder.overrideByName(column, [{ id: 'unit', value: grafanaUnit[unit] }]);
  return builder.datasource(POSTGRES).withTarget(askPostgres(panel.sql));
}

const kinds = { stat, lines, bars, table } as const;

function draw(panel: Panel) {
  let builder: InstanceType<typeof StatPanel | typeof LinesPanel | typeof BarsPanel | typeof TablePanel>;
  if (panel.kind === 'sql') builder = sql(panel);
  else {
    builder = kinds[panel.kind](panel).datasource(PROMETHEUS).links(runbookLinks(panel));
    for (const index of panel.queries.keys()) builder.withTarget(target(panel, index));
  }
  return builder.title(panel.title).description(panel.description).span(panel.width).height(panel.height);
}

const marks = (name: string, color: string, expr: string) =>
  new AnnotationQueryBuilder()
    .name(name)
    .datasource(PROMETHEUS)
    .enable(true)
    .iconColor(color)
    .expr(expr)
    .step(`${PHASE_STEP_SECONDS}s`);

function dashboard(
  config: Config,
  { id, title, description, minutes, choosesStatement, rows }: Dashboard,
  forImport: boolean,
) {
  const builder = withVariables(new DashboardBuilder(title), config, forImport)
    .uid(`sqltrail-${id}`)
    .description(description)
    .tags(['sqltrail'])
    .timezone('browser')
    .refresh(config.interval)
    .time({ from: `now-${minutes}m`, to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .readonly()
    .link(
      new DashboardLinkBuilder('sqltrail')
        .type(DashboardLinkType.Dashboards)
        .tags(['sqltrail'])
        .asDropdown(true)
        .keepTime(true)
        .includeVars(true),
    )
    .link(link('Console', CONSOLE))
    .annotation(
      marks('Alerts', MISSED, 'ALERTS{alertstate="firing",kpi!=""}')
        .titleFormat('{{alertname}}')
        .textFormat('{{severity}} {{db_query_summary}}')
        .tagKeys('alertname,severity,layer'),
    )
    .annotation(
      new AnnotationQueryBuilder()
        .name('Changes')
        .datasource(POSTGRES)
        .enable(true)
        .iconColor(LINES[3])
        .target(askPostgres(CHANGES_MARKS)),
    );
  // Each change of phase is a mark, which tells before from after.
  if (config.phases)
    builder.annotation(
      marks('Phases', LINES[0], PHASE_BEGINS).titleFormat('{{phase}}').textFormat('Phase {{phase}} begins'),
    );
  if (choosesStatement)
    builder.withVariable(
      choice(
        'statement',
        'Statement',
        'label_values(db_client_operation_calls_total{service_name=~"$service"}, db_query_summary)',
        '.+',
      ),
    );
  let next = 1;
  for (const { question, panels } of rows) {
    builder.withRow(new RowBuilder(question).id(next++));
    for (const panel of panels) builder.withPanel(draw(panel).id(next++));
  }
  return builder;
}

/**
 * The dashboards by file name, as Grafana reads them (dashboard JSON v1).
 *
 * @param forImport asks for the data sources, which provisioned ones name
 */
export const buildDashboards = (config: Config, { forImport = false } = {}): Record<string, unknown> =>
  Object.fromEntries(
    dashboardsFor(config).map((one) => {
      const built = dashboard(config, one, forImport).build();
      return [`${one.id}.json`, forImport ? { __inputs: inputs, ...built } : built];
    }),
  );

export const dashboardText = (content: unknown) => `${JSON.stringify(content, null, 2)}\n`;
