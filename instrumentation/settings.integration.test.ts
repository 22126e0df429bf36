import { describe, expect, inject, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { startCollector } from '../test/support/otlpCollector.ts';
import { startNode, telemetryArguments } from '../test/support/process.ts';

/** An application that runs one statement, and says whether its metrics can be scraped. */
const APPLICATION = `
  import pg from 'pg';
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
  await pool.query('SELECT 1');
  const scraped = await fetch('http://127.0.0.1:' + process.env.OTEL_EXPORTER_PROMETHEUS_PORT + '/metrics').then((r) => r.ok, () => false);
  console.log('scraped: ' + scraped);
  await pool.end();`;

async function run(env: (collector: string) => Record<string, string>) {
  const collector = await startCollector();
  const application = startNode([...telemetryArguments, '--input-type=module', '-e', APPLICATION], {
    DATABASE_URL: inject('postgresUrl'),
    OTEL_EXPORTER_PROMETHEUS_PORT: String(await freePort()),
    ...env(collector.url),
  });
  expect(await application.exited, application.output()).toBe(0);
  collector.close();
  return { ...collector, output: application.output() };
}

describe('the standard variables', () => {
  it('say where telemetry goes, with what headers, and what the service is', async () => {
    const { spans, requests, output } = await run((url) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/tenant/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20zq,x-tenant=shop',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=not-this-one',
      OTEL_SERVICE_NAME: 'orders',
      OTEL_METRICS_EXPORTER: 'otlp',
    }));
    expect(new Set(requests.map(({ url }) => url))).toEqual(
      new Set(['/tenant/v1/traces', '/tenant/v1/metrics']),
    );
    for (const { headers } of requests)
      expect(headers).toMatchObject({ authorization: 'Bearer zq', 'x-tenant': 'shop' });
    expect(spans.map(({ name }) => name)).toEqual(['SELECT']);
    expect(spans[0]?.resource).toMatchObject({
      'service.name': 'orders',
      'deployment.environment.name': 'test',
      'service.instance.id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(Object.keys(spans[0]?.resource ?? {}).filter((name) => /^(process|host|os)\./.test(name))).toEqual(
      [],
    );
    expect(output).toBe('scraped: false\n');
  });

  it('take an endpoint of one signal as it is', async () => {
    const { requests } = await run((url) => ({
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/elsewhere`,
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
    }));
    expect(requests.map(({ url }) => url)).toEqual(['/elsewhere']);
  });

  it('name the service as the specification has it when nobody does', async () => {
    const { spans, output } = await run((url) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url }));
    expect(spans[0]?.resource['service.name']).toBe('unknown_service:node');
    expect(output).toBe('scraped: true\n');
  });

  it.each<[Record<string, string>, string]>([
    [{ OTEL_SDK_DISABLED: 'true' }, 'scraped: false\n'],
    [{ OTEL_TRACES_EXPORTER: 'none' }, 'scraped: true\n'],
    [{ OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' }, 'scraped: false\n'],
    [{ OTEL_TRACES_SAMPLER: 'always_off' }, 'scraped: true\n'],
  ])('%j: nothing is sent', async (env, expected) => {
    const { requests, output } = await run((url) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: url, ...env }));
    expect(requests).toEqual([]);
    expect(output).toBe(expected);
  });
});
