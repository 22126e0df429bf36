import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { waitFor } from '../lib/waitFor.ts';
import { ensureBinaries } from '../stack/binaries.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { serve } from '../test/support/serve.ts';
import { prometheusLacks } from './existingPrometheus.ts';

let dir: string;
let prometheus: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-prometheus-'));
  ({ prometheus } = await ensureBinaries(['prometheus']));
  await writeFile(path.join(dir, 'prometheus.yml'), '{}');
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function lacksOf(...options: string[]): Promise<string[]> {
  const port = await freePort();
  const child = spawn(prometheus, [
    `--config.file=${path.join(dir, 'prometheus.yml')}`,
    `--storage.tsdb.path=${path.join(dir, `data-${port}`)}`,
    `--web.listen-address=127.0.0.1:${port}`,
    ...options,
  ]);
  try {
    await waitFor('it to be ready', async () => (await fetch(`http://127.0.0.1:${port}/-/ready`)).ok, {
      deadlineMs: PATIENCE_MS,
    });
    return await prometheusLacks(`http://127.0.0.1:${port}`);
  } finally {
    child.kill();
    await once(child, 'exit');
  }
}

it('names the flags that a Prometheus was started without', async () => {
  const lacks = await lacksOf();
  expect(lacks).toEqual([
    expect.stringContaining('--web.enable-remote-write-receiver'),
    expect.stringContaining('--enable-feature=exemplar-storage'),
  ]);
  expect(await lacksOf('--web.enable-remote-write-receiver', '--enable-feature=exemplar-storage')).toEqual(
    [],
  );
});

// No old one can be built here: this stands for it.
it('names the version of an old one, and what is none or is not there', async () => {
  const answers: Record<string, unknown> = {
    '/api/v1/status/buildinfo': { status: 'success', data: { version: '2.37.0' } },
  };
  const old = await serve((request, response) => {
    const body = answers[request.url ?? ''];
    response.writeHead(body ? 200 : 404).end(JSON.stringify(body ?? {}));
  });
  expect(await prometheusLacks(old.url)).toEqual([expect.stringMatching(/is version 2\.37\.0; .* 2\.43/)]);
  delete answers['/api/v1/status/buildinfo'];
  expect(await prometheusLacks(old.url)).toEqual([
    expect.stringContaining('does not answer like Prometheus'),
  ]);
  await old.close();
  expect(await prometheusLacks(old.url)).toEqual([expect.stringContaining('nothing answers at')]);
});
