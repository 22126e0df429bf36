import { AlwaysOnSampler, ParentBasedSampler, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { propertyRuns } from '../test/support/property.ts';
import { readSettings } from './settings.ts';

function read(env: Record<string, string>) {
  const warnings: string[] = [];
  return { settings: readSettings(env, (text) => warnings.push(text)), warnings };
}

describe('the environment', () => {
  it('makes settings that work when it is empty, or its variables are', () => {
    const { settings, warnings } = read({ OTEL_SERVICE_NAME: '', OTEL_TRACES_EXPORTER: ' ' });
    expect(warnings).toEqual([]);
    expect(settings).toMatchObject({
      disabled: false,
      serviceName: undefined,
      traces: 'otlp',
      tracesUrl: undefined,
      metrics: ['prometheus'],
      prometheusPort: 9464,
      slowStatementMs: 250,
    });
    expect(settings.sampler).toBeInstanceOf(AlwaysOnSampler);
  });

  it.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, 'http://c:4318/v1/traces'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c/otlp/' }, 'https://c/otlp/v1/traces'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://c/otlp' }, 'https://c/otlp/v1/traces'],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c/here' }, 'http://c/here'],
    [
      { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c/here', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://d' },
      'http://c/here',
    ],
  ])('%j: spans go to %s', (env, url) => {
    expect(read(env as never)).toMatchObject({ settings: { tracesUrl: url }, warnings: [] });
  });

  it.each([
    ['none', []],
    ['otlp', ['otlp']],
    ['prometheus', ['prometheus']],
    ['otlp,prometheus', ['prometheus', 'otlp']],
  ])('OTEL_METRICS_EXPORTER=%s', (value, metrics) => {
    expect(read({ OTEL_METRICS_EXPORTER: value })).toMatchObject({ settings: { metrics }, warnings: [] });
  });

  it('takes the samplers of the specification', () => {
    const sampler = (name: string) =>
      read({ OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: '0.1' }).settings.sampler;
    expect(sampler('traceidratio')).toBeInstanceOf(TraceIdRatioBasedSampler);
    expect(sampler('parentbased_traceidratio')).toBeInstanceOf(ParentBasedSampler);
  });

  it.each([
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'secret@collector'],
    ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'grpc://secret'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http/json'],
    ['OTEL_EXPORTER_PROMETHEUS_PORT', 'secret'],
    ['OTEL_EXPORTER_PROMETHEUS_PORT', '65536'],
    ['OTEL_TRACES_EXPORTER', 'zipkin'],
    ['OTEL_METRICS_EXPORTER', 'secret'],
    ['OTEL_TRACES_SAMPLER', 'secret'],
    ['OTEL_PROPAGATORS', 'b3'],
    ['OTEL_SDK_DISABLED', 'secret'],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '-1'],
    ['OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', 'secret'],
    ['OTEL_METRIC_EXPORT_INTERVAL', '0'],
    ['OTEL_CONFIG_FILE', '/secret.yaml'],
    ['SQLTRAIL_PLAN_SLOW_MS', 'secret'],
    ['SQLTRAIL_PLANS', 'secret'],
  ])('%s=%s is refused by name, never by value', (name, value) => {
    const { settings, warnings } = read({ [name]: value });
    expect(warnings.length).toBeGreaterThan(0);
    for (const warning of warnings) {
      expect(warning).toMatch(new RegExp(`^${name} `));
      expect(warning).not.toContain('secret');
    }
    expect({ ...settings, sampler: undefined }).toEqual({ ...read({}).settings, sampler: undefined });
  });

  it('never throws and never repeats a value', () => {
    const names = [
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_TRACES_EXPORTER',
      'OTEL_METRICS_EXPORTER',
      'OTEL_TRACES_SAMPLER',
      'OTEL_TRACES_SAMPLER_ARG',
      'OTEL_BSP_SCHEDULE_DELAY',
      'SQLTRAIL_PLAN_SLOW_MS',
    ];
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.string(), (name, value) => {
        const { warnings } = read({ [name]: `zq${value}zq` });
        for (const warning of warnings) expect(warning).not.toContain('zq');
      }),
      { numRuns: propertyRuns(100) },
    );
  });
});
