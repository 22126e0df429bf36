import type { Server } from 'node:http';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { type IMetricReader, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { serveMetrics } from './metricsServer.ts';
import type { Settings, Warn } from './settings.ts';

/** The metrics' way out of the process: scraped by Prometheus, sent over OTLP, both, or neither. */
export class MetricsPipeline {
  /** For the SDK, which starts and ends them. */
  readonly readers: IMetricReader[];
  readonly #settings: Settings;
  readonly #warn: Warn;
  readonly #prometheus: PrometheusExporter | undefined;
  #server: Server | undefined;

  constructor(settings: Settings, warn: Warn) {
    this.#settings = settings;
    this.#warn = warn;
    if (settings.metrics.includes('prometheus'))
      this.#prometheus = new PrometheusExporter({
        preventServerStart: true,
        withoutScopeInfo: true,
        withoutTargetInfo: true,
      });
    const otlp = settings.metrics.includes('otlp')
      ? new PeriodicExportingMetricReader({
          exporter: new OTLPMetricExporter(settings.metricsUrl ? { url: settings.metricsUrl } : {}),
          exportIntervalMillis: settings.metricIntervalMs,
          exportTimeoutMillis: settings.metricTimeoutMs,
        })
      : undefined;
    this.readers = [this.#prometheus, otlp].filter((reader) => reader !== undefined);
  }

  /** Opens the port for Prometheus, if there is one. */
  serve(): void {
    if (!this.#prometheus) return;
    const { prometheusHost: host, prometheusPort: port } = this.#settings;
    this.#server = serveMetrics({ exporter: this.#prometheus, host, port, warn: this.#warn });
  }

  /** Closes the port. */
  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }
}
