import { local, type PartSpec } from './parts.ts';
import type { Ports } from './ports.ts';
import type { RunDirectory } from './runDirectory.ts';

/** What the parts that are the same for the demo and for any service need. */
export interface Place {
  dir: RunDirectory;
  ports: Ports;
}

const config = (dir: RunDirectory, ...segments: string[]) => dir.file('config', ...segments);

export const prometheusSpec = ({ dir, ports }: Place, command: string): PartSpec => ({
  name: 'prometheus',
  command,
  args: [
    `--config.file=${config(dir, 'collector', 'prometheus.yml')}`,
    `--storage.tsdb.path=${dir.file('data', 'prometheus')}`,
    '--storage.tsdb.retention.time=15d',
    '--storage.tsdb.retention.size=2GB',
    `--web.listen-address=127.0.0.1:${ports.prometheus}`,
    '--web.enable-remote-write-receiver',
    '--enable-feature=exemplar-storage',
    '--log.level=warn',
  ],
  env: { GOMEMLIMIT: '256MiB' },
  health: `${local(ports.prometheus)}/-/ready`,
  stopDeadlineMs: 10_000,
});

export const alertmanagerSpec = ({ dir, ports }: Place, command: string): PartSpec => ({
  name: 'alertmanager',
  command,
  args: [
    `--config.file=${config(dir, 'alerts', 'alertmanager.yml')}`,
    `--storage.path=${dir.file('data', 'alertmanager')}`,
    '--cluster.listen-address=',
    `--web.listen-address=127.0.0.1:${ports.alertmanager}`,
    '--log.level=warn',
  ],
  env: { GOMEMLIMIT: '48MiB' },
  health: `${local(ports.alertmanager)}/-/ready`,
  stopDeadlineMs: 5_000,
});

/** @param to where it sends metrics and traces */
export const collectorSpec = (
  { dir, ports }: Place,
  command: string,
  to: { prometheus: string; console: string },
): PartSpec => ({
  name: 'otelcol',
  command,
  args: [`--config=${config(dir, 'collector', 'collector.yaml')}`],
  env: {
    GOMEMLIMIT: '200MiB',
    OTELCOL_OTLP_ENDPOINT: `127.0.0.1:${ports.collector}`,
    OTELCOL_HEALTH_ENDPOINT: `127.0.0.1:${ports.collector_health}`,
    OTELCOL_METRICS_HOST: '127.0.0.1',
    OTELCOL_METRICS_PORT: String(ports.collector_metrics),
    OTELCOL_STORAGE: dir.file('data', 'otelcol'),
    PROMETHEUS_URL: to.prometheus,
    CONSOLE_URL: to.console,
  },
  health: `${local(ports.collector_health)}/`,
  stopDeadlineMs: 8_000,
});

/** @param exporter.source its database, by the variables of postgres_exporter */
export const exporterSpec = (
  { dir }: Place,
  command: string,
  {
    name,
    port,
    queries,
    source,
  }: { name: string; port: number; queries: string; source: Record<string, string> },
): PartSpec => ({
  name,
  command,
  args: [
    `--web.listen-address=127.0.0.1:${port}`,
    `--extend.query-path=${config(dir, 'collector', queries)}`,
    '--log.level=warn',
  ],
  env: { GOMEMLIMIT: '48MiB', ...source },
  health: `${local(port)}/`,
  stopDeadlineMs: 5_000,
});
