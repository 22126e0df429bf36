import type { IPrometheusRule } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { parse } from 'yaml';
import { rulesFor } from '../alerts/build.ts';
import { buildQueries, queriesFile } from '../collector/build.ts';
import { pipelines, tempoPipelines } from '../collector/fragment.ts';
import type { Config } from '../config/schema.ts';
import { ConfigurationError } from '../lib/errors.ts';
import { yaml } from '../lib/yaml.ts';
import {
  COLLECTOR,
  CONSOLE,
  type Container,
  configMap,
  deployment,
  type Manifest,
  PART_OF,
  podMonitor,
  SECRET,
  service,
  serviceMonitor,
  volume,
} from './kubernetesObjects.ts';

/** Where the operator puts its Prometheus and Alertmanager, unless `sqltrail.yaml` says something else. */
const PROMETHEUS = 'http://prometheus-operated.monitoring.svc:9090';
const ALERTMANAGER = 'http://alertmanager-operated.monitoring.svc:9093';

const exporterName = (index: number) => `sqltrail-exporter-${index + 1}`;

/** This machine's address is nobody's in a pod. */
const isLocal = (url: string) => /^(?:localhost|127\..*|\[::1\])$/.test(new URL(url).hostname);

/** The configuration with the addresses that the parts have in the cluster. */
const placed = (config: Config): Config => ({
  ...config,
  databases: config.databases.map((database, index) => ({
    ...database,
    exporter: `${exporterName(index)}:9187`,
  })),
  parts: { ...config.parts, collector: `${COLLECTOR}:8888`, console: `${CONSOLE}:8088` },
  urls: {
    ...config.urls,
    prometheus: isLocal(config.urls.prometheus) ? PROMETHEUS : config.urls.prometheus,
  },
});

async function collector({ urls, interval }: Config): Promise<Manifest[]> {
  const files = {
    'collector.yaml': await pipelines(),
    ...(urls.tempo ? { 'collector.tempo.yaml': await tempoPipelines() } : {}),
  };
  const container: Container = {
    image: 'otel/opentelemetry-collector-contrib:0.159.0',
    args: Object.keys(files).map((file) => `--config=/etc/sqltrail/${file}`),
    env: {
      GOMEMLIMIT: '232MiB',
      PROMETHEUS_URL: urls.prometheus,
      CONSOLE_URL: `http://${CONSOLE}:8088`,
      ...(urls.tempo ? { TEMPO_OTLP_URL: urls.tempo } : {}),
    },
    ports: { 'otlp-http': 4318, metrics: 8888 },
    health: { path: '/', port: 13133 },
    user: 10001,
    cpu: '100m',
    memory: '288Mi',
    mounts: {
      '/etc/sqltrail': { configMap: { name: COLLECTOR } },
      // What waits for Prometheus and the console.
      '/var/lib/otelcol': { emptyDir: { sizeLimit: '1Gi' } },
    },
  };
  return [
    configMap(COLLECTOR, files),
    deployment(COLLECTOR, container),
    service(COLLECTOR, container.ports),
    serviceMonitor(COLLECTOR, { port: 'metrics', interval, labels: { job: 'collector' } }),
  ];
}

function exporters(config: Config): Manifest[] {
  const queries = 'sqltrail-queries';
  return [
    configMap(queries, buildQueries(config)),
    ...config.databases.flatMap(({ name, url_env }, index) => {
      const container: Container = {
        image: 'prometheuscommunity/postgres-exporter:v0.19.1',
        args: [`--extend.query-path=/etc/sqltrail/${queriesFile(config, name)}`],
        env: { GOMEMLIMIT: '36MiB' },
        secrets: { DATA_SOURCE_NAME: url_env },
        ports: { metrics: 9187 },
        health: { path: '/', port: 9187 },
        user: 65534,
        cpu: '20m',
        memory: '48Mi',
        mounts: { '/etc/sqltrail': { configMap: { name: queries } } },
      };
      const monitored = {
        port: 'metrics',
        interval: config.interval,
        labels: { job: 'postgres', database: name },
      };
      return [
        deployment(exporterName(index), container),
        service(exporterName(index), container.ports),
        serviceMonitor(exporterName(index), monitored),
      ];
    }),
  ];
}

function page(config: Config): Manifest[] {
  const { hostname } = new URL(config.urls.console);
  const container: Container = {
    // Built from a clone, and then put where the cluster finds it: docs/kubernetes.md.
    image: 'sqltrail/app:local',
    // The image runs whatever it is given, with secrets from files in its environment.
    args: ['node', '--max-old-space-size=192', '--liftoff-only', 'console/server.ts'],
    env: {
      SQLTRAIL_CONFIG: '/etc/sqltrail/sqltrail.yaml',
      CONSOLE_HOST: '0.0.0.0',
      CONSOLE_PORT: '8088',
      CONSOLE_ALLOWED_HOSTS: hostname,
      CONSOLE_DIR: '/var/lib/sqltrail',
      CONSOLE_TRACES_MAX_MB: '96',
      PROMETHEUS_URL: config.urls.prometheus,
      ALERTMANAGER_URL: ALERTMANAGER,
    },
    secrets: {
      SQLTRAIL_TOKEN: 'SQLTRAIL_TOKEN',
      ...Object.fromEntries(config.databases.map(({ url_env }) => [url_env, url_env])),
    },
    ports: { http: 8088 },
    health: { path: '/healthz', port: 8088 },
    user: 1000,
    cpu: '100m',
    memory: '320Mi',
    mounts: {
      '/etc/sqltrail': { configMap: { name: CONSOLE } },
      '/var/lib/sqltrail': { persistentVolumeClaim: { claimName: CONSOLE } },
      '/tmp': { emptyDir: { sizeLimit: '16Mi' } },
    },
  };
  return [
    configMap(CONSOLE, { 'sqltrail.yaml': yaml(config, '1.1') }),
    volume(CONSOLE, '1Gi'),
    deployment(CONSOLE, container),
    service(CONSOLE, container.ports),
    serviceMonitor(CONSOLE, { port: 'http', interval: config.interval, labels: { job: 'console' } }),
  ];
}

/** A service's pods are found by the label that carries its name; a label takes less than `sqltrail.yaml` does. */
function services({ services: given, customers, interval }: Config): Manifest[] {
  const scraped = [...given, ...(customers ? [{ name: customers.job, metrics: customers.metrics }] : [])];
  return scraped
    .filter(({ metrics }) => metrics.length > 0)
    .map(({ name }, index) => {
      if (!/^[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/.test(name))
        throw new ConfigurationError(
          `${name} cannot be a label of Kubernetes: give the service a name of at most 63 characters that ends with a letter or digit.`,
        );
      return podMonitor(`sqltrail-service-${index + 1}`, {
        pods: { 'app.kubernetes.io/name': name },
        port: 'metrics',
        interval,
        labels: { job: name },
      });
    });
}

const rules = (config: Config) =>
  ({
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'sqltrail', labels: PART_OF },
    spec: parse(rulesFor(config)),
  }) satisfies IPrometheusRule;

async function dashboards(config: Config): Promise<Manifest[]> {
  // Grafana's SDK is heavy, and installed where somebody wants dashboards.
  const { buildDashboards, dashboardText } = await import('../dashboards/build.ts');
  return Object.entries(buildDashboards(config)).map(([file, content]) =>
    configMap(
      `sqltrail-dashboard-${file.replace(/\.json$/, '')}`,
      { [file]: dashboardText(content) },
      {
        grafana_dashboard: '1',
      },
    ),
  );
}

/**
 * What `kubectl apply` takes in a cluster with the Prometheus operator and Grafana's sidecar for dashboards.
 *
 * @throws ConfigurationError for a service's name that no label can have
 */
export async function kubernetesFiles(config: Config): Promise<Record<string, string>> {
  const there = placed(config);
  const files: Record<string, Manifest[]> = {
    collector: await collector(there),
    exporters: exporters(there),
    console: page(there),
    services: services(there),
    rules: [rules(there)],
    dashboards: await dashboards(there),
  };
  return Object.fromEntries(
    Object.entries(files)
      .filter(([, manifests]) => manifests.length > 0)
      .map(([name, manifests]) => [
        `kubernetes/${name}.yaml`,
        `# Made by sqltrail from sqltrail.yaml: change that.\n${manifests.map((each) => yaml(each, '1.1')).join('---\n')}`,
      ]),
  );
}

/** The command that makes the secret with the addresses of the databases and the console's token. */
export const secretCommand = ({ databases }: Config): string =>
  [
    `kubectl create secret generic ${SECRET} --namespace observability`,
    '--from-literal=SQLTRAIL_TOKEN="$(openssl rand -hex 24)"',
    ...databases.map(({ url_env }) => `--from-literal=${url_env}="$${url_env}"`),
  ].join(' ');
