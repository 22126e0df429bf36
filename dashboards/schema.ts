import type { Options as BarsOptions } from '@grafana/grafana-foundation-sdk/bargauge';
import type {
  Dashboard,
  FieldConfig,
  FieldConfigSource,
  Panel,
  RowPanel,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { Dataquery } from '@grafana/grafana-foundation-sdk/prometheus';
import type { Options as StatOptions } from '@grafana/grafana-foundation-sdk/stat';
import type {
  FieldConfig as TableFieldConfig,
  Options as TableOptions,
} from '@grafana/grafana-foundation-sdk/table';
import type {
  FieldConfig as LinesFieldConfig,
  Options as LinesOptions,
} from '@grafana/grafana-foundation-sdk/timeseries';

/**
 * The SDK's types, which are made from Grafana's own schemas, as they look in JSON: enumerations are their values, and
 * the members that exist for the compiler only are gone.
 */
type Json<T> = T extends string
  ? `${T}`
  : T extends readonly (infer U)[]
    ? Json<U>[]
    : T extends object
      ? { [K in keyof T as K extends '_implementsDataqueryVariant' ? never : K]: Json<T[K]> }
      : T;

/** What the editor of Grafana's Postgres data source writes; the SDK has no module for it. */
interface PostgresQuery {
  refId: string;
  datasource: { type: 'grafana-postgresql-datasource'; uid: string };
  rawSql: string;
  format: 'table' | 'time_series';
  rawQuery: true;
  editorMode: 'code';
}

type PrometheusQuery = Json<Dataquery> & { datasource: { type: 'prometheus'; uid: string } };

/** The schema leaves `options` and `custom` open, because they are the plugin's; here each plugin's are held too. */
type PanelOf<Type extends string, Options, Custom> = Omit<
  Json<Panel>,
  'type' | 'options' | 'fieldConfig' | 'targets'
> & {
  type: Type;
  title: string;
  description: string;
  options: Json<Options>;
  fieldConfig: Omit<Json<FieldConfigSource>, 'defaults'> & {
    defaults: Omit<Json<FieldConfig>, 'custom' | 'unit'> & { unit: string; custom?: Json<Custom> };
  };
  targets: (PrometheusQuery | PostgresQuery)[];
};

/** A dashboard of ours as JSON; a field that is not in the schema, or not of its type, does not compile. */
export type DashboardJson = Omit<Json<Dashboard>, 'panels'> & {
  panels: (
    | Json<RowPanel>
    | PanelOf<'stat', StatOptions, never>
    | PanelOf<'timeseries', LinesOptions, LinesFieldConfig>
    | PanelOf<'bargauge', BarsOptions, never>
    | PanelOf<'table', TableOptions, TableFieldConfig>
  )[];
};
