import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { ensureBinaries } from '../../stack/binaries.ts';
import { collectorValues } from './collector.ts';

const run = promisify(execFile);
let otelcol: string;
let dir: string;

beforeAll(async () => {
  otelcol = (await ensureBinaries(['otelcol'])).otelcol;
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-values-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** `otelcol validate`: every component, setting and statement, without starting anything. */
async function validate(config: unknown): Promise<void> {
  const file = path.join(dir, 'config.yaml');
  await writeFile(file, stringify(config));
  const env = { ...process.env, MY_POD_IP: '127.0.0.1', OTEL_K8S_POD_NAME: 'gateway-0' };
  await run(otelcol, ['validate', '--config', file], { env });
}
const configOf = async (name: string) => parse((await collectorValues()).get(name) ?? '').alternateConfig;

describe('the real collector takes the configuration of', () => {
  it('the gateway', async () => {
    const config = await configOf('collector-gateway.values.yaml');
    await validate(config);
    config.exporters.prometheus_remote_write.externallabels = {};
    await expect(validate(config)).rejects.toThrow('externallabels');
  });

  it('the agent, but for the load_balancing exporter, which this build does not have', async () => {
    const config = await configOf('collector-agent.values.yaml');
    config.exporters = { otlp_http: { endpoint: 'http://127.0.0.1:4318' } };
    config.service.pipelines.traces.exporters = ['otlp_http'];
    await validate(config);
  });
});
