import {
  type DashboardBuilder,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  TextBoxVariableBuilder,
  VariableHide,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { Config } from '../config/schema.ts';
import { observedBy, oneOf } from '../kpis/observed.ts';
import { select } from '../kpis/promql.ts';

/** Data sources are variables, so that one dashboard serves several of each. */
export const PROMETHEUS = { type: 'prometheus', uid: '${prometheus}' };
export const POSTGRES = { type: 'grafana-postgresql-datasource', uid: '${postgres}' };

/** A variable whose choices are the values of a label; all of them at first. */
export const choice = (name: string, label: string, query: string, all: string) =>
  new QueryVariableBuilder(name)
    .label(label)
    .datasource(PROMETHEUS)
    .query({ query, refId: name })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    .allValue(all)
    .current({ selected: true, text: 'All', value: '$__all' });

const dataSource = (name: string, label: string, { type, uid, text }: DataSourceChoice) =>
  new DatasourceVariableBuilder(name).label(label).type(type).current({ selected: true, text, value: uid });

interface DataSourceChoice {
  type: string;
  uid: string;
  text: string;
}

/** What an import calls them. */
const INPUTS = { prometheus: 'DS_PROMETHEUS', postgres: 'DS_POSTGRES' };

/** Which data sources the variables begin with: those that are provisioned, or what an import asks for. */
const beginning = (forImport: boolean) => ({
  prometheus: {
    type: PROMETHEUS.type,
    uid: forImport ? `\${${INPUTS.prometheus}}` : 'prometheus',
    text: forImport ? `\${${INPUTS.prometheus}}` : 'Prometheus',
  },
  postgres: {
    type: POSTGRES.type,
    uid: forImport ? `\${${INPUTS.postgres}}` : 'postgres',
    text: forImport ? `\${${INPUTS.postgres}}` : 'Postgres',
  },
});

/** What Grafana asks for when somebody imports a dashboard. */
export const inputs = [
  {
    name: INPUTS.prometheus,
    label: 'Prometheus',
    description: 'Has the metrics of services and databases.',
    type: 'datasource',
    pluginId: PROMETHEUS.type,
    pluginName: 'Prometheus',
  },
  {
    name: INPUTS.postgres,
    label: 'Postgres',
    description: 'The database itself, by a role that may only read.',
    type: 'datasource',
    pluginId: POSTGRES.type,
    pluginName: 'PostgreSQL',
  },
];

export function withVariables(
  builder: DashboardBuilder,
  config: Config,
  forImport: boolean,
): DashboardBuilder {
  const { spans, processes } = observedBy(config);
  const begin = beginning(forImport);
  const services = oneOf(config.services.map(({ name }) => name));
  const { console: address } = config.urls;
  return builder
    .withVariable(dataSource('prometheus', 'Metrics', begin.prometheus))
    .withVariable(dataSource('postgres', 'Postgres', begin.postgres))
    .withVariable(
      choice(
        'service',
        'Service',
        `label_values(${select('http_server_request_calls_total', spans)}, service_name)`,
        services,
      ),
    )
    .withVariable(
      choice('database', 'Database', 'label_values(sqltrail_database_size_bytes, database)', '.*'),
    )
    .withVariable(
      choice(
        'pool',
        'Pool',
        `label_values(${select('db_client_connection_max', processes)}, db_client_connection_pool_name)`,
        '.*',
      ),
    )
    .withVariable(
      new TextBoxVariableBuilder('console')
        .label('Console')
        .description('Address of the console; links lead there.')
        .hide(VariableHide.HideVariable)
        .defaultValue(address)
        .current({ selected: true, text: address, value: address }),
    );
}
