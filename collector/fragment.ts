import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import type { Config } from '../config/schema.ts';
import { yaml } from '../lib/yaml.ts';

/** Components by name, as far as they are changed here. */
interface Collector {
  processors: Record<string, unknown>;
  connectors: Record<string, object>;
  exporters: Record<string, object>;
}

/** Ours stand beside what is there already, so none of them has a name that others are likely to have. */
const REMOTE_WRITE = 'prometheus_remote_write/sqltrail';
const SAMPLING = 'tail_sampling/sqltrail';
const BATCH = 'batch/sqltrail';
const CONSOLE = 'otlp_http/sqltrail_console';
const TEMPO = 'otlp_http/sqltrail_tempo';

const queued = (endpoint: string, more: object = {}) => ({
  endpoint,
  ...more,
  retry_on_failure: { enabled: true, initial_interval: '1s', max_interval: '10s', max_elapsed_time: '10m' },
  sending_queue: { enabled: true, queue_size: 1000 },
});

const read = (file: string) => readFile(path.join(import.meta.dirname, '..', 'collector', file), 'utf8');

/** The pipelines of our own collector, as text. */
export const pipelines = (): Promise<string> => read('collector.yaml');
/** What sends traces to Tempo too, beside {@link pipelines}. */
export const tempoPipelines = (): Promise<string> => read('collector.tempo.yaml');

/**
 * Configuration for a collector that is there already, as a second `--config`: metrics of all spans, made before
 * sampling and without values, and sampled traces for those who want them. It reads the collector's own `otlp`
 * receiver.
 */
export async function collectorFragment(config: Config): Promise<string> {
  const own = parse(await pipelines()) as Collector;
  const { processors, connectors, exporters } = own;
  const { urls, parts, interval } = config;
  const traces = {
    ...(parts.console ? { [CONSOLE]: queued(`http://${parts.console}`, { encoding: 'json' }) } : {}),
    ...(urls.tempo ? { [TEMPO]: queued(urls.tempo) } : {}),
  };
  const sampled = Object.keys(traces);
  const toMetrics = (which: string) => ({
    receivers: ['otlp'],
    processors: ['transform/redact', `filter/${which}`, 'transform/exemplars'],
    exporters: [`span_metrics/${which}`],
  });
  const fragment = {
    processors: {
      'transform/redact': processors['transform/redact'],
      'filter/server': processors['filter/server'],
      'filter/queries': processors['filter/queries'],
      'transform/exemplars': processors['transform/exemplars'],
      ...(sampled.length > 0
        ? { [SAMPLING]: processors['tail_sampling'], [BATCH]: processors['batch'] }
        : {}),
    },
    connectors: Object.fromEntries(
      ['span_metrics/server', 'span_metrics/queries'].map((name) => [
        name,
        { ...connectors[name], metrics_flush_interval: interval },
      ]),
    ),
    exporters: {
      [REMOTE_WRITE]: {
        ...exporters['prometheus_remote_write'],
        endpoint: `${urls.prometheus}/api/v1/write`,
      },
      ...traces,
    },
    service: {
      pipelines: {
        'traces/sqltrail_server': toMetrics('server'),
        'traces/sqltrail_queries': toMetrics('queries'),
        ...(sampled.length > 0
          ? {
              'traces/sqltrail_sampled': {
                receivers: ['otlp'],
                processors: ['transform/redact', SAMPLING, BATCH],
                exporters: sampled,
              },
            }
          : {}),
        'metrics/sqltrail': {
          receivers: ['span_metrics/server', 'span_metrics/queries'],
          exporters: [REMOTE_WRITE],
        },
      },
    },
  };
  return `# Made by sqltrail. Start the collector with this beside your own: --config=yours.yaml --config=this.yaml
# It needs a receiver called otlp, the components span_metrics, transform, filter, tail_sampling and
# prometheus_remote_write (otelcol-contrib has them), and a Prometheus with --web.enable-remote-write-receiver and
# --enable-feature=exemplar-storage.
${yaml(fragment)}`;
}
