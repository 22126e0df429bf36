import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  type SpanLimits,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';

/** What telemetry is started with. */
export interface Settings {
  /** `OTEL_SDK_DISABLED`: nothing is started and nothing is patched. */
  disabled: boolean;
  /** `service.name`; `unknown_service:node` without one. */
  serviceName: string | undefined;
  traces: 'otlp' | 'none';
  /** Where spans go; the exporter's own default (http://localhost:4318/v1/traces) when undefined. */
  tracesUrl: string | undefined;
  metrics: readonly ('prometheus' | 'otlp')[];
  metricsUrl: string | undefined;
  /** What one request to the collector may take, milliseconds. */
  otlpTimeoutMs: number;
  /** Milliseconds between exports of metrics over OTLP, and what one may take. */
  metricIntervalMs: number;
  metricTimeoutMs: number;
  /** Where Prometheus scrapes `/metrics`. */
  prometheusHost: string;
  prometheusPort: number;
  sampler: Sampler;
  propagators: readonly ('tracecontext' | 'baggage')[];
  spanLimits: SpanLimits;
  /** Finished spans that may wait for export; about 2 KiB each. */
  maxWaitingSpans: number;
  maxBatchSpans: number;
  exportEveryMs: number;
  exportTimeoutMs: number;
  /** Whether plans of slow statements are captured. */
  plans: boolean;
  /** A statement at least this long has its plan captured, milliseconds. */
  slowStatementMs: number;
  /** Whether a statement outside of any span, as of a background job, gets a span of its own. */
  rootSpans: boolean;
  /** Paths of incoming requests that get no span, such as health checks. */
  ignoredPaths: readonly string[];
}

/** What is told about a setting that cannot be taken: the variable's name, its fault, an example; never its value. */
export type Warn = (text: string) => void;

const OTLP_PROTOCOL = 'http/protobuf';

/** Reads variables; one that cannot be taken counts as unset, as the specification has it, and is told. */
class Reader {
  readonly #env: NodeJS.ProcessEnv;
  readonly #warn: Warn;

  constructor(env: NodeJS.ProcessEnv, warn: Warn) {
    this.#env = env;
    this.#warn = warn;
  }

  /** An empty variable counts as unset. */
  text(name: string): string | undefined {
    return this.#env[name]?.trim() || undefined;
  }

  refuse(name: string, fault: string): void {
    this.#warn(`${name} ${fault}`);
  }

  number(name: string, min: number, max: number, otherwise: number): number;
  number(name: string, min: number, max: number, otherwise?: number): number | undefined;
  number(name: string, min: number, max: number, otherwise?: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return otherwise;
    const value = Number(text);
    const fault = Number.isNaN(value)
      ? 'is not a number'
      : value < min
        ? `is below ${min}`
        : value > max
          ? `is above ${max}`
          : undefined;
    if (!fault) return value;
    this.refuse(name, `${fault}; for example ${name}=${otherwise ?? max}`);
    return otherwise;
  }

  flag(name: string, otherwise: boolean): boolean {
    const text = this.text(name)?.toLowerCase();
    if (text === undefined) return otherwise;
    if (text === 'true' || text === 'false') return text === 'true';
    this.refuse(name, `is neither true nor false; for example ${name}=${!otherwise}`);
    return otherwise;
  }

  url(name: string): string | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
    this.refuse(name, `is not an http(s) URL; for example ${name}=http://127.0.0.1:4318`);
    return undefined;
  }

  /** A list of names, each of which must be known; `none` is the empty list. */
  list<Name extends string>(
    name: string,
    known: readonly Name[],
    reasons: Record<string, string> = {},
  ): Name[] | undefined {
    const names = this.text(name)
      ?.split(',')
      .map((item) => item.trim())
      .filter(Boolean);
    if (!names) return undefined;
    if (names.includes('none')) return [];
    const found = known.filter((item) => names.includes(item));
    const unknown = names.filter((item) => !known.includes(item as Name));
    for (const item of unknown)
      this.refuse(
        name,
        `${reasons[item] ? `names ${item}, which ${reasons[item]}` : 'has a name that is not known'}; for example ${name}=${known[0]}`,
      );
    return found.length > 0 ? found : undefined;
  }
}

/** An endpoint of one signal is taken as it is; the common one gets the signal's path behind its own. */
function otlpUrl(reader: Reader, signal: 'TRACES' | 'METRICS'): string | undefined {
  for (const name of [`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`, 'OTEL_EXPORTER_OTLP_PROTOCOL']) {
    const protocol = reader.text(name);
    if (protocol && protocol !== OTLP_PROTOCOL)
      reader.refuse(
        name,
        `names a protocol that is not spoken here, so ${OTLP_PROTOCOL} is; the collector's port for it is 4318`,
      );
    if (protocol) break;
  }
  const own = reader.url(`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`);
  if (own) return own;
  const base = reader.url('OTEL_EXPORTER_OTLP_ENDPOINT');
  return base && `${base.replace(/\/$/, '')}/v1/${signal.toLowerCase()}`;
}

/**
 * Metrics, timeouts and plans are made of spans, so without a sampler every span is kept: a caller's sampling flag
 * must not decide whether they exist.
 */
function readSampler(reader: Reader): Sampler {
  const ratio = () => reader.number('OTEL_TRACES_SAMPLER_ARG', 0, 1, 1);
  const samplers: Record<string, () => Sampler> = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio()),
    parentbased_always_on: () => new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    parentbased_always_off: () => new ParentBasedSampler({ root: new AlwaysOffSampler() }),
    parentbased_traceidratio: () => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio()) }),
  };
  const name = reader.text('OTEL_TRACES_SAMPLER');
  const sampler = name && samplers[name];
  if (name && !sampler)
    reader.refuse(
      'OTEL_TRACES_SAMPLER',
      'has a name that is not known; for example OTEL_TRACES_SAMPLER=always_on',
    );
  return sampler ? sampler() : new AlwaysOnSampler();
}

function readSpanLimits(reader: Reader): SpanLimits {
  const most = 1_000_000;
  const limit = (...names: string[]) =>
    names.map((name) => reader.number(name, 0, most)).find((value) => value !== undefined);
  return Object.fromEntries(
    Object.entries({
      attributeCountLimit: limit('OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', 'OTEL_ATTRIBUTE_COUNT_LIMIT'),
      attributeValueLengthLimit: limit(
        'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT',
        'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT',
      ),
      eventCountLimit: limit('OTEL_SPAN_EVENT_COUNT_LIMIT'),
      linkCountLimit: limit('OTEL_SPAN_LINK_COUNT_LIMIT'),
      attributePerEventCountLimit: limit('OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT'),
      attributePerLinkCountLimit: limit('OTEL_LINK_ATTRIBUTE_COUNT_LIMIT'),
    }).filter(([, value]) => value !== undefined),
  );
}

const DAY_MS = 86_400_000;

/**
 * The settings that an environment makes: the standard variables of OpenTelemetry, and those that start with
 * `SQLTRAIL_` (README.md has the table).
 *
 * @param warn is told each variable that cannot be taken, and counts as unset
 */
export function readSettings(env: NodeJS.ProcessEnv, warn: Warn): Settings {
  const reader = new Reader(env, warn);
  for (const name of ['OTEL_CONFIG_FILE', 'OTEL_EXPERIMENTAL_CONFIG_FILE'])
    if (reader.text(name)) reader.refuse(name, 'is not read; set the variables of OpenTelemetry instead');
  const metricIntervalMs = reader.number('OTEL_METRIC_EXPORT_INTERVAL', 1, DAY_MS, 60_000);
  return {
    disabled: reader.flag('OTEL_SDK_DISABLED', false),
    serviceName: reader.text('OTEL_SERVICE_NAME'),
    traces: reader.list('OTEL_TRACES_EXPORTER', ['otlp'])?.length === 0 ? 'none' : 'otlp',
    tracesUrl: otlpUrl(reader, 'TRACES'),
    metrics: reader.list('OTEL_METRICS_EXPORTER', ['prometheus', 'otlp']) ?? ['prometheus'],
    metricsUrl: otlpUrl(reader, 'METRICS'),
    otlpTimeoutMs:
      reader.number('OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', 1, DAY_MS) ??
      reader.number('OTEL_EXPORTER_OTLP_TIMEOUT', 1, DAY_MS, 3_000),
    metricIntervalMs,
    metricTimeoutMs: Math.min(
      metricIntervalMs,
      reader.number('OTEL_METRIC_EXPORT_TIMEOUT', 1, DAY_MS, 30_000),
    ),
    prometheusHost: reader.text('OTEL_EXPORTER_PROMETHEUS_HOST') ?? '127.0.0.1',
    prometheusPort: reader.number('OTEL_EXPORTER_PROMETHEUS_PORT', 0, 65_535, 9464),
    sampler: readSampler(reader),
    propagators: reader.list('OTEL_PROPAGATORS', ['tracecontext', 'baggage'], {
      b3: 'is not part of this package',
      b3multi: 'is not part of this package',
    }) ?? ['tracecontext', 'baggage'],
    spanLimits: readSpanLimits(reader),
    maxWaitingSpans: reader.number('OTEL_BSP_MAX_QUEUE_SIZE', 1, 1_000_000, 8_192),
    maxBatchSpans: reader.number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 1, 100_000, 512),
    exportEveryMs: reader.number('OTEL_BSP_SCHEDULE_DELAY', 1, DAY_MS, 500),
    exportTimeoutMs: reader.number('OTEL_BSP_EXPORT_TIMEOUT', 1, DAY_MS, 6_000),
    plans: reader.flag('SQLTRAIL_PLANS', true),
    slowStatementMs: reader.number('SQLTRAIL_PLAN_SLOW_MS', 1, 600_000, 250),
    rootSpans: reader.flag('SQLTRAIL_ROOT_SPANS', true),
    ignoredPaths: reader.text('SQLTRAIL_IGNORED_PATHS')?.split(',') ?? ['/healthz'],
  };
}
