import { buildAlertFiles, rulesFor, testsFor } from '../alerts/build.ts';
import { buildQueries } from '../collector/build.ts';
import { collectorFragment } from '../collector/fragment.ts';
import { scrapeConfig } from '../collector/prometheus.ts';
import type { Config } from '../config/schema.ts';
import { composeFiles } from './exportCompose.ts';
import { kubernetesFiles, secretCommand } from './exportKubernetes.ts';

/** Files by their path below the directory that is exported to. */
type Files = Record<string, string>;

interface Kind {
  what: string;
  files(config: Config): Files | Promise<Files>;
  /** What to do with them. @param directory where they are */
  next(directory: string, config: Config): string;
}

const RULES = 'rules.yaml';

const PROVIDER = `# Copy to Grafana's provisioning/dashboards/, and dashboards/provisioned/ to the path below.
apiVersion: 1
providers:
  - name: sqltrail
    folder: sqltrail
    type: file
    allowUiUpdates: false
    options:
      path: /var/lib/grafana/dashboards/sqltrail
`;

async function dashboardFiles(config: Config): Promise<Files> {
  // Grafana's SDK is heavy, and installed where somebody wants dashboards.
  const { buildDashboards, dashboardText } = await import('../dashboards/build.ts');
  const under = (folder: string, dashboards: Record<string, unknown>) =>
    Object.entries(dashboards).map(([file, content]) => [`${folder}/${file}`, dashboardText(content)]);
  return {
    ...Object.fromEntries([
      ...under('dashboards/import', buildDashboards(config, { forImport: true })),
      ...under('dashboards/provisioned', buildDashboards(config)),
    ]),
    'dashboards/provider.yaml': PROVIDER,
  };
}

const environment = (config: Config) =>
  config.databases.map(({ name, url_env }) => `DATA_SOURCE_NAME="$${url_env}" for ${name}`).join(', ');

/** What `sqltrail export` writes, for a Prometheus, Grafana, Alertmanager and collector that people run already. */
export const kinds: Record<string, Kind> = {
  rules: {
    what: 'alerting rules of Prometheus',
    files: (config) => ({ [RULES]: rulesFor(config) }),
    next: (directory) =>
      `Check them with: promtool check rules ${directory}/${RULES}. Add the file to rule_files of Prometheus and reload it.`,
  },
  tests: {
    what: 'tests of the rules, for promtool',
    files: (config) => ({
      [RULES]: rulesFor(config),
      ...Object.fromEntries(
        Object.entries(testsFor(config, `../${RULES}`)).map(([alert, text]) => [`tests/${alert}.yaml`, text]),
      ),
    }),
    next: (directory) => `Run them with: promtool test rules ${directory}/tests/*.yaml`,
  },
  alertmanager: {
    what: 'receivers, routes and inhibition of Alertmanager',
    files: (config) => ({ 'alertmanager.yml': buildAlertFiles(config)['alertmanager.yml'] ?? '' }),
    next: (directory) =>
      `Check it with: amtool check-config ${directory}/alertmanager.yml. Copy its inhibit_rules, and the receivers that you lack, to your own.`,
  },
  dashboards: {
    what: 'dashboards of Grafana, to import and to provision',
    files: dashboardFiles,
    next: (directory) =>
      `In Grafana: Dashboards, New, Import, and choose ${directory}/dashboards/import/overview.json, then the others; or provision them as ${directory}/dashboards/provider.yaml says.`,
  },
  collector: {
    what: 'pipelines of the OpenTelemetry Collector that make metrics of spans',
    files: async (config) => ({ 'collector.yaml': await collectorFragment(config) }),
    next: (directory) =>
      `Check it with: otelcol-contrib validate --config=yours.yaml --config=${directory}/collector.yaml. Start the collector with both.`,
  },
  queries: {
    what: 'queries of postgres_exporter, a file for each database',
    files: buildQueries,
    next: (directory, config) =>
      `Start a postgres_exporter for each database with --extend.query-path=${directory}/${Object.keys(buildQueries(config))[0]}${config.databases.length > 1 ? ' and so on' : ''} and ${environment(config)}.`,
  },
  compose: {
    what: 'a compose file for Docker, with all parts and their configuration (from a clone)',
    files: composeFiles,
    next: (directory, config) =>
      `From the checkout of sqltrail: SQLTRAIL_HOME=$PWD docker compose -f ${directory}/compose.yaml up -d --build, with the addresses of the databases in ${config.databases.map(({ url_env }) => url_env).join(', ')} (a database on this machine is at host.docker.internal; one without TLS takes ?sslmode=disable). Services send spans to http://127.0.0.1:4318; the console is on http://127.0.0.1:8088. Metrics targets in sqltrail.yaml have to be reachable from there.`,
  },
  kubernetes: {
    what: 'manifests for a cluster with the Prometheus operator: collector, exporters, console, rules, dashboards',
    files: kubernetesFiles,
    next: (directory, config) =>
      `Make the secret: ${secretCommand(config)}. Then: kubectl apply --namespace observability -f ${directory}/kubernetes. docs/kubernetes.md says what has to be there.`,
  },
  scrape: {
    what: 'scrape jobs of Prometheus',
    files: (config) => ({ 'scrape.yaml': scrapeConfig(config) }),
    next: (directory) =>
      `Add ${directory}/scrape.yaml to scrape_config_files of Prometheus and reload it. The names of the jobs are in the rules and dashboards: keep them.`,
  },
};
