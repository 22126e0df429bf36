import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type BinaryName, components, ensureBinaries, stackBinaries } from './binaries.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-binaries-'));
  for (const [name, value] of [
    ['SQLTRAIL_CACHE_DIR', path.join(dir, 'cache')],
    ['SQLTRAIL_BIN_DIR', ''],
    ['PATH', path.join(dir, 'path')],
    // No Go has this toolchain, so that none of the machine's passes for new enough.
    ['GOTOOLCHAIN', 'go99.0.0'],
    ['GOPROXY', 'off'],
  ] as const)
    vi.stubEnv(name, value);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

/** Stands for a release: none can be had here, and what counts is what it says of its version. */
async function release(folder: string, program: string, says: string): Promise<string> {
  const file = path.join(dir, folder, program);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `#!/bin/sh\necho '${says}'\n`);
  await chmod(file, 0o755);
  return file;
}

const newer = {
  prometheus: 'prometheus, version 3.15.2 (branch: HEAD, revision: 1)',
  alertmanager: 'alertmanager, version 0.32.0 (branch: HEAD, revision: 1)',
  postgres_exporter: 'postgres_exporter, version 0.19.1 (branch: HEAD, revision: 1)',
  otelcol: 'otelcol-contrib version 0.160.0',
};
const programs = { otelcol: 'otelcol-contrib' } as Partial<Record<BinaryName, string>>;

it('names the cache that cannot be written and the variable to set', async () => {
  vi.stubEnv('SQLTRAIL_CACHE_DIR', '/dev/null/cache');
  await expect(ensureBinaries(['prometheus'])).rejects.toThrow(
    /cache \/dev\/null\/cache \(ENOTDIR\).*SQLTRAIL_CACHE_DIR/,
  );
});

it('knows the release that each pinned module is', async () => {
  const pins: Record<string, [file: string, pin: RegExp]> = {
    prometheus: ['prometheus', /prometheus\/prometheus v0\.(\d)(\d\d)\.(\d+)\s/],
    promtool: ['prometheus', /prometheus\/prometheus v0\.(\d)(\d\d)\.(\d+)\s/],
    alertmanager: ['alertmanager', /prometheus\/alertmanager v(\d+)\.(\d+)\.(\d+)\s/],
    amtool: ['alertmanager', /prometheus\/alertmanager v(\d+)\.(\d+)\.(\d+)\s/],
    postgres_exporter: ['postgres_exporter', /community\/postgres_exporter v(\d+)\.(\d+)\.(\d+)\s/],
    otelcol: ['otelcol', /collector\/otelcol v(\d+)\.(\d+)\.(\d+)\s/],
  };
  for (const [name, { release: said }] of Object.entries(components)) {
    const [file, pin] = pins[name] ?? ['', /$^/];
    const text = await readFile(
      path.join(import.meta.dirname, '..', 'collector', 'build', file, 'go.mod'),
      'utf8',
    );
    expect(pin.exec(text)?.slice(1).map(Number).join('.'), name).toBe(said);
  }
});

describe('a program on PATH', () => {
  it('is used when it is the pinned release or newer', async () => {
    for (const name of stackBinaries) await release('path', programs[name] ?? name, newer[name]);
    const found = await ensureBinaries(stackBinaries);
    for (const name of stackBinaries)
      expect(found[name]).toBe(path.join(dir, 'path', programs[name] ?? name));
  });

  it.each([
    ['older', 'prometheus, version 2.42.0 (branch: HEAD)'],
    ['of no version', 'prometheus, version  (branch: , revision: unknown)\n  go version: go99.1.0'],
  ])('is not used when it is %s', async (_, says) => {
    await release('path', 'prometheus', says);
    await expect(ensureBinaries(['prometheus'])).rejects.toThrow(/no Go 1\.26 or newer: prometheus/);
  });

  it('is not used where SQLTRAIL_BIN_DIR has one, of any version', async () => {
    await release('path', 'otelcol-contrib', newer.otelcol);
    const given = await release('given', 'otelcol-contrib', 'otelcol-contrib version 0.100.0');
    vi.stubEnv('SQLTRAIL_BIN_DIR', path.dirname(given));
    expect(await ensureBinaries(['otelcol'])).toEqual({ otelcol: given });
  });
});

it('says what to do on a machine without Go: where releases are, and how they are found', async () => {
  const fault = await ensureBinaries(stackBinaries).catch((error: Error) => error.message);
  expect(fault).toMatch(/SQLTRAIL_BIN_DIR/);
  for (const name of stackBinaries) {
    const { release: version, releases } = components[name];
    expect(fault).toContain(`${programs[name] ?? name} ${version} or newer: ${releases}`);
  }
});
