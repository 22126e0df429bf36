import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readRecording } from '../../report/recording.ts';
import { Camera } from './browser.ts';
import { WIDTH } from './draw.ts';
import { takeDashboards } from './take.ts';

let directory: string;
let camera: Camera;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'sqltrail-pictures-'));
  camera = await Camera.open(directory);
});
afterAll(async () => {
  await camera?.close();
  await rm(directory, { recursive: true, force: true });
});

it('a recording alone gives pictures of the dashboards in each phase, 1280 px wide', async () => {
  const recording = await readRecording(
    path.join(import.meta.dirname, '../../report/fixtures/recording.json'),
  );
  // Port 1: no Prometheus.
  expect(await takeDashboards(camera, recording, 'http://127.0.0.1:1')).toBe(false);
  const files = await readdir(directory);
  // What has none of the recording's KPIs gives no picture.
  for (const id of ['overview', 'incident', 'comparison', 'stakeholders'])
    expect(files).toContain(`00-whole-run-${id}.png`);
  for (const [at, { name }] of recording.phases.entries())
    expect(files).toContain(`0${at + 1}-${name}-stakeholders.png`);
  for (const file of files) {
    const png = await readFile(path.join(directory, file));
    expect(png.readUInt32BE(16), file).toBe(WIDTH);
    // A blank page of that size takes a few kilobytes.
    expect(png.length, file).toBeGreaterThan(10_000);
  }
});
