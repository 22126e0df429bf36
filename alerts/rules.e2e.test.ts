import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { ensureBinaries } from '../stack/binaries.ts';

const here = import.meta.dirname;
let promtool: string;
beforeAll(async () => {
  ({ promtool } = await ensureBinaries(['promtool']));
});

it('every alert fires on what it is for and stays silent otherwise', async () => {
  const files = (await readdir(path.join(here, 'tests'))).map((file) => path.join(here, 'tests', file));
  const { stderr } = await promisify(execFile)(promtool, ['test', 'rules', ...files]);
  expect(stderr).not.toContain('FAILED');
});

it('the Prometheus configuration is valid', async () => {
  const config = path.join(here, '..', 'collector', 'prometheus.yml');
  await promisify(execFile)(promtool, ['check', 'config', '--syntax-only', config]);
});
