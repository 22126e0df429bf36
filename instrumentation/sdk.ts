import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DiagLogger, DiagLogLevel, diag } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { ExpressInstrumentation, ExpressLayerType } from '@opentelemetry/instrumentation-express';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { PgInstrumentation } from '@opentelemetry/instrumentation-pg';
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AggregationType } from '@opentelemetry/sdk-metrics';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { AlwaysOnSampler, BatchSpanProcessor } from '@opentelemetry/sdk-trace';
import type { TelemetryEnvironment } from './environment.ts';
import { PlanCapture } from './plans.ts';
import { PoolInstrumentation } from './pools.ts';
import { CountingExporter, ShopSpanProcessor } from './spans.ts';
import { describeStatement, loadParser } from './statement.ts';

/** Finished spans that may wait for export; about 2 KiB each. */
const MAX_WAITING_SPANS = 8_192;
const EXPORT_TIMEOUT_MS = 3_000;
const SHUTDOWN_DEADLINE_MS = 3_000;
const WARN_EVERY_MS = 60_000;

export interface Telemetry {
  /** Flushes what is left and stops, within 3 s, whatever the collector does. Never rejects. */
  shutdown(): Promise<void>;
}

/** Warnings of the SDK on stderr, the same text once a minute at most: a dead collector fails each few seconds. */
function warnLogger(write: (line: string) => void): DiagLogger {
  const lastAt = new Map<string, number>();
  const warn = (message: string) => {
    const text = message.slice(0, 300);
    const key = text.slice(0, 60);
    if ((lastAt.get(key) ?? -Infinity) > Date.now() - WARN_EVERY_MS) return;
    if (lastAt.size > 100) lastAt.clear();
    lastAt.set(key, Date.now());
    write(`telemetry: ${text}\n`);
  };
  const silent = () => {};
  return { error: warn, warn, info: silent, debug: silent, verbose: silent };
}

/** A port that cannot be had costs the metrics, not the application. */
function serveMetrics(
  exporter: PrometheusExporter,
  env: TelemetryEnvironment,
  warn: (text: string) => void,
): Server {
  const server = createServer((request, response) => {
    if (request.url?.split('?')[0] === '/metrics') exporter.getMetricsRequestHandler(request, response);
    else response.writeHead(404).end();
  });
  server.on('error', (error: NodeJS.ErrnoException) =>
    warn(
      `metrics are not served: cannot listen on ${env.metricsHost}:${env.metricsPort} (${error.code}); free it or set OTEL_EXPORTER_PROMETHEUS_PORT`,
    ),
  );
  server.listen(env.metricsPort, env.metricsHost);
  // Neither the listener nor Prometheus's kept-alive connection may keep the application from ending.
  server.unref();
  server.on('connection', (socket) => socket.unref());
  return server;
}

/** Starts traces and metrics. Call it before the application is loaded (register.ts does). */
export async function startTelemetry(env: TelemetryEnvironment): Promise<Telemetry> {
  const logger = warnLogger((line) => process.stderr.write(line));
  diag.setLogger(logger, DiagLogLevel.WARN);
  await loadParser();

  const prometheus = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
  });
  const plans = env.planDatabaseUrl
    ? new PlanCapture({ databaseUrl: env.planDatabaseUrl, slowMs: env.slowStatementMs })
    : undefined;
  const exporter = new CountingExporter(
    new OTLPTraceExporter({
      url: new URL('/v1/traces', env.otlpEndpoint).href,
      timeoutMillis: EXPORT_TIMEOUT_MS,
    }),
  );
  const spans = new ShopSpanProcessor(
    new BatchSpanProcessor({
      exporter,
      maxQueueSize: MAX_WAITING_SPANS * 2,
      maxExportBatchSize: 512,
      scheduledDelayMillis: 500,
      exportTimeoutMillis: EXPORT_TIMEOUT_MS * 2,
    }),
    exporter,
    MAX_WAITING_SPANS,
    plans,
  );
  const sdk = new NodeSDK({
    // The detectors would add the command line and the host's name to every export.
    autoDetectResources: false,
    resource: resourceFromAttributes({ 'service.name': env.serviceName }),
    metricReaders: [prometheus],
    // spanmetrics and PoolInstrumentation are the one source of what these would measure.
    views: ['@opentelemetry/instrumentation-pg', '@opentelemetry/instrumentation-http'].map((meterName) => ({
      meterName,
      instrumentName: '*',
      aggregation: { type: AggregationType.DROP } as const,
    })),
    // Metrics, timeouts and plans are made of spans: a caller's sampling flag must not decide whether they exist.
    ...(process.env['OTEL_TRACES_SAMPLER'] ? {} : { sampler: new AlwaysOnSampler() }),
    spanProcessors: [spans],
    instrumentations: [
      new HttpInstrumentation({
        ignoreIncomingRequestHook: ({ url }) => url === '/healthz' || url === '/metrics',
      }),
      // The layers' own spans cost more CPU than they tell; the route is set all the same.
      new ExpressInstrumentation({
        ignoreLayersType: [
          ExpressLayerType.MIDDLEWARE,
          ExpressLayerType.ROUTER,
          ExpressLayerType.REQUEST_HANDLER,
        ],
      }),
      new PgInstrumentation({
        ignoreConnectSpans: true,
        requireParentSpan: true,
        requestHook: (span, { query }) => {
          const statement = describeStatement(query.text);
          spans.describe(span, statement);
          plans?.executed(span, query.text, query.values, statement);
        },
      }),
      new PoolInstrumentation(),
      new RuntimeNodeInstrumentation(),
    ],
  });
  sdk.start();
  // The metrics API has no provider, and hands out instruments that do nothing, until the SDK has started.
  for (const part of [spans, exporter, plans]) part?.createInstruments();
  const server = serveMetrics(prometheus, env, (text) => logger.warn(text));

  let stopped: Promise<void> | undefined;
  return {
    shutdown() {
      stopped ??= (async () => {
        plans?.close();
        server.close();
        server.closeAllConnections();
        // Against a dead collector shutdown takes long and then rejects.
        await Promise.race([
          sdk.shutdown().catch((error: Error) => logger.warn(`last spans not sent: ${error.message}`)),
          sleep(SHUTDOWN_DEADLINE_MS, undefined, { ref: false }),
        ]);
      })();
      return stopped;
    },
  };
}
