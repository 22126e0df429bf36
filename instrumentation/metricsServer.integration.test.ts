import { describe, expect, inject, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { waitFor } from '../lib/waitFor.ts';
import { startCollector } from '../test/support/otlpCollector.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { startNode, telemetryArguments } from '../test/support/process.ts';

async function start(application: string) {
  const collector = await startCollector();
  const port = await freePort();
  const started = startNode([...telemetryArguments, application], {
    DATABASE_URL: inject('postgresUrl'),
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_PROMETHEUS_PORT: String(port),
  });
  await waitFor('the application', () => started.output().includes('ready'), { deadlineMs: PATIENCE_MS });
  return { collector, started, metrics: `http://127.0.0.1:${port}` };
}

describe('the metrics of a cluster', () => {
  it('are all at its primary’s port, each worker’s with its label, and nobody wants another port', async () => {
    const { collector, started, metrics } = await start('test/support/observed/cluster.ts');
    const text = await (await fetch(`${metrics}/metrics`)).text();
    const used = text.split('\n').filter((line) => /^db_client_connection_count\{.*"used"/.test(line));
    expect(used).toHaveLength(2);
    for (const worker of ['1', '2'])
      expect(used.find((line) => line.includes(`worker="${worker}"`))).toMatch(/ 1$/);
    // As Prometheus wants it: what is said of a metric once, and its samples together.
    const types = text.split('\n').filter((line) => line.startsWith('# TYPE'));
    expect(new Set(types).size).toBe(types.length);
    expect(await started.stop()).toBe(0);
    expect(started.output()).toBe('ready\n');
    collector.close();
  });

  it('are no work of the service, whatever is asked for', async () => {
    const { collector, started, metrics } = await start('test/support/observed/cluster.ts');
    for (const path of ['/metrics', '/metrics?x=1', '/', '/favicon.ico', '/metrics/'])
      await fetch(metrics + path);
    expect((await fetch(`${metrics}/other`)).status).toBe(404);
    await started.stop();
    expect(collector.spans.filter(({ attributes }) => attributes['http.request.method'])).toEqual([]);
    collector.close();
  });
});
