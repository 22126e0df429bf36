import path from 'node:path';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { RuntimeNodeInstrumentation } from '@opentelemetry/instrumentation-runtime-node';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { NoopSpanProcessor } from '@opentelemetry/sdk-trace';
import { OperationInstrumentation } from './graphql.ts';
import { MetricsPipeline } from './metricsPipeline.ts';
import { isScrape } from './metricsServer.ts';
import { PlanCapture } from './plans.ts';
import { PoolInstrumentation } from './pools.ts';
import { QueryInstrumentation } from './queries.ts';
import { RedactingSpanProcessor } from './redactingSpanProcessor.ts';
import { addMountedRoute, RouteInstrumentation } from './routes.ts';
import { readSettings, type Settings } from './settings.ts';
import { SpanQueue } from './spanQueue.ts';
import { loadParser } from './statement.ts';
import { warnLogger } from './warnLogger.ts';

const SHUTDOWN_DEADLINE_MS = 3_000;

export interface Telemetry {
  /** Resolves when statements are parsed; until then their text is only masked. */
  ready: Promise<void>;
  /** Flushes what is left and stops, within 3 s, whatever the collector does. Never rejects. */
  shutdown(): Promise<void>;
}

/** Without an exporter timeouts are counted all the same; they are made of spans. */
function spanProcessorOf(settings: Settings, plans: PlanCapture | undefined) {
  if (settings.traces === 'none') return { processor: new RedactingSpanProcessor(new NoopSpanProcessor()) };
  const queue = new SpanQueue({
    exporter: new OTLPTraceExporter({
      ...(settings.tracesUrl ? { url: settings.tracesUrl } : {}),
      timeoutMillis: settings.otlpTimeoutMs,
    }),
    maxWaiting: settings.maxWaitingSpans,
    slowMs: settings.slowStatementMs,
    maxBatch: settings.maxBatchSpans,
    everyMs: settings.exportEveryMs,
    timeoutMs: settings.exportTimeoutMs,
  });
  return { queue, processor: new RedactingSpanProcessor(queue, { plans }) };
}

/** The standard name of a service without one, an identity of this process, and what the environment says. */
function resourceOf(settings: Settings) {
  const { serviceName } = settings;
  // The other detectors would add the command line and the host's name to every export.
  return (
    defaultResource()
      // By the SDK's own default with the path of the executable.
      .merge(resourceFromAttributes({ 'service.name': `unknown_service:${path.basename(process.argv0)}` }))
      .merge(detectResources({ detectors: [serviceInstanceIdDetector, envDetector] }))
      .merge(resourceFromAttributes(serviceName ? { 'service.name': serviceName } : {}))
  );
}

/** Durations are made of spans: without a meter, what it would measure costs nothing. */
class UnmeteredHttpInstrumentation extends HttpInstrumentation {
  override setMeterProvider(): void {}
}

const disabled: Telemetry = { ready: Promise.resolve(), shutdown: () => Promise.resolve() };
let started: Telemetry | undefined;

/**
 * Starts traces and metrics, once a process: a second call returns the first one's telemetry. To be called before the
 * modules that it observes are loaded. Under ESM they are observed only if the module hooks are there as well, which
 * `node --import @sqltrail/instrumentation` sees to.
 *
 * @param settings take the place of what the environment says
 * @throws Error when the SDK cannot be started
 */
export function start(settings: Partial<Settings> = {}): Telemetry {
  started ??= startOnce(settings);
  return started;
}

function startOnce(given: Partial<Settings>): Telemetry {
  const logger = warnLogger((line) => process.stderr.write(line));
  const settings = { ...readSettings(process.env, (text) => logger.warn(text)), ...given };
  if (settings.disabled) return disabled;

  const plans =
    settings.plans && settings.traces !== 'none'
      ? new PlanCapture({ slowMs: settings.slowStatementMs })
      : undefined;
  const { queue, processor } = spanProcessorOf(settings, plans);
  // Only now: the exporter repeats a URL that it cannot parse, password and all, and the settings have told its name.
  diag.setLogger(logger, DiagLogLevel.WARN);

  const metricsPipeline = new MetricsPipeline(settings, (text) => logger.warn(text));
  const sdk = new NodeSDK({
    // The other detectors would add the command line and the host's name to every export.
    autoDetectResources: false,
    resource: resourceOf(settings),
    textMapPropagator: new CompositePropagator({
      propagators: settings.propagators.map((name) =>
        name === 'baggage' ? new W3CBaggagePropagator() : new W3CTraceContextPropagator(),
      ),
    }),
    metricReaders: metricsPipeline.readers,
    // Without any, the SDK would send logs.
    logRecordProcessors: [],
    sampler: settings.sampler,
    spanLimits: settings.spanLimits,
    spanProcessors: [processor],
    instrumentations: [
      new UnmeteredHttpInstrumentation({
        ignoreIncomingRequestHook: (request) =>
          isScrape(request) || settings.ignoredPaths.includes(request.url?.split('?')[0] ?? ''),
        applyCustomAttributesOnSpan: (span, request) => addMountedRoute(span, request),
      }),
      new RouteInstrumentation(),
      new OperationInstrumentation(),
      new QueryInstrumentation({ plans, rootSpans: settings.rootSpans }),
      new PoolInstrumentation(),
      new RuntimeNodeInstrumentation(),
    ],
  });
  sdk.start();
  queue?.createInstruments();
  metricsPipeline.serve();

  let stopped: Promise<void> | undefined;
  const stop = async () => {
    plans?.close();
    metricsPipeline.close();
    await Promise.race([
      // Against a dead collector shutdown takes long and then rejects.
      sdk.shutdown().catch((error: Error) => logger.warn(`last spans not sent: ${error.message}`)),
      new Promise((resolve) => setTimeout(resolve, SHUTDOWN_DEADLINE_MS).unref()),
    ]);
  };
  return {
    ready: loadParser().catch((error: Error) => logger.warn(`statements are not parsed: ${error.message}`)),
    shutdown() {
      stopped ??= stop();
      return stopped;
    },
  };
}
