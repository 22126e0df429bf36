import type { Config } from '../config/schema.ts';
import { leftOut } from '../kpis/catalogue.ts';

/** Where the instrumentation serves metrics unless it is told otherwise. */
const METRICS_PORT = '9464';
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** What a service has to be told so that Prometheus finds its metrics at `host:port`; empty for the defaults. */
function metricsVariables(target: string): string {
  const [, host = '', port = METRICS_PORT] = /^(.*?)(?::(\d+))?$/.exec(target) ?? [];
  return [
    ...(LOOPBACK.test(host) ? [] : ['OTEL_EXPORTER_PROMETHEUS_HOST=0.0.0.0 ']),
    ...(port === METRICS_PORT ? [] : [`OTEL_EXPORTER_PROMETHEUS_PORT=${port} `]),
  ].join('');
}

/** How services are started so that they are observed: a heading and a line each. */
export const startLines = (
  services: readonly { name: string; metrics: readonly string[] }[],
  collector: string,
): string[] => [
  'Start each service with:',
  ...services.map(
    ({ name, metrics: [target] }) =>
      `  OTEL_SERVICE_NAME=${name} OTEL_EXPORTER_OTLP_ENDPOINT=${collector} ${target === undefined ? '' : metricsVariables(target)}node --import @sqltrail/instrumentation app.js`,
  ),
];

/** The KPIs that a configuration has not what they need for, under a heading; none where it has all. */
export function leftOutLines(config: Config): string[] {
  const lacking = leftOut(config);
  return lacking.length === 0 ? [] : ['Left out:', ...lacking.map(({ id, lack }) => `  ${id}: ${lack}`)];
}
