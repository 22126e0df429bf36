import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../config/load.ts';
import { leastConfig, libraryConfig } from '../test/support/configs.ts';
import { composeFiles } from './exportCompose.ts';

const ROOT = path.join(import.meta.dirname, '..');

interface Service {
  image: string;
  environment?: Record<string, string>;
  networks?: string[];
  network_mode?: string;
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
  ports?: string[];
  command?: string[];
  read_only: boolean;
  restart: string;
  healthcheck?: unknown;
}

const read = async (config: typeof leastConfig) => {
  const files = await composeFiles(config);
  const compose = parse(files['compose.yaml'] ?? '') as {
    services: Record<string, Service>;
    volumes: Record<string, unknown>;
    networks: Record<string, { internal?: boolean } | null>;
  };
  return { files, compose };
};

describe.each([
  ['two databases', libraryConfig],
  ['the least', leastConfig],
])('docker compose for %s', (_name, config) => {
  it('has the parts, an exporter for each database, and nothing of the shop', async () => {
    const { compose, files } = await read(config);
    expect(Object.keys(compose.services).sort()).toEqual(
      [
        'alertmanager',
        'console',
        'init',
        'otelcol',
        'prometheus',
        ...config.databases.map((__, index) => `exporter-${index + 1}`),
      ].sort(),
    );
    for (const [file, text] of Object.entries(files)) expect(text, file).not.toMatch(/\bshop\b/);
  });

  it('means the same to a reader of YAML 1.1', async () => {
    const { files, compose } = await read(config);
    expect(parse(files['compose.yaml'] ?? '', { version: '1.1' })).toEqual(compose);
  });

  it('mounts, waits for and joins only what exists', async () => {
    const { compose, files } = await read(config);
    for (const [name, service] of Object.entries(compose.services)) {
      expect(service.read_only, name).toBe(true);
      expect(service.image, name).toMatch(/:(local|v?\d)/);
      if (name !== 'init') expect(service.healthcheck, name).toBeDefined();
      for (const other of Object.keys(service.depends_on ?? {}))
        expect(Object.keys(compose.services), `${name}: ${other}`).toContain(other);
      for (const network of service.networks ?? [])
        expect(Object.keys(compose.networks), `${name}: ${network}`).toContain(network);
      for (const port of service.ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:/);
      for (const volume of service.volumes ?? []) {
        const checkout = /^\$\{SQLTRAIL_HOME:\?[^}]+\}\/([^:]+):/.exec(volume)?.[1];
        const beside = /^\.\/([^:]+):[^:]+:ro$/.exec(volume)?.[1];
        if (checkout) expect(existsSync(path.join(ROOT, checkout)), volume).toBe(true);
        else if (beside)
          expect(
            Object.keys(files).some((file) => file === beside || file.startsWith(`${beside}/`)),
            volume,
          ).toBe(true);
        else expect(Object.keys(compose.volumes), volume).toContain(volume.split(':')[0]);
      }
    }
  });

  it('lets those out that have to reach services and databases, and holds no address of a database', async () => {
    const { compose, files } = await read(config);
    const reaching = Object.entries(compose.services).flatMap(([name, { networks = [] }]) =>
      networks.includes('observed') ? [name] : [],
    );
    expect(reaching.sort()).toEqual(
      [
        'alertmanager',
        'console',
        'prometheus',
        ...config.databases.map((__, index) => `exporter-${index + 1}`),
      ].sort(),
    );
    for (const [index, { url_env }] of config.databases.entries()) {
      const variable = expect.stringMatching(new RegExp(`^\\$\\{${url_env}:\\?`));
      expect(compose.services['console']?.environment?.[url_env]).toEqual(variable);
      expect(compose.services[`exporter-${index + 1}`]?.environment?.['DATA_SOURCE_NAME']).toEqual(variable);
    }
    expect(Object.values(files).join()).not.toMatch(/postgres(ql)?:\/\//);
  });

  it('scrapes the containers, by a configuration that is valid itself', async () => {
    const { files } = await read(config);
    const own = parseConfig(files['compose/sqltrail.yaml'] ?? '', 'sqltrail.yaml');
    expect(own.databases.map(({ name }) => name)).toEqual(config.databases.map(({ name }) => name));
    const targets = JSON.parse(files['compose/collector/targets/postgres.json'] ?? '[]');
    expect(targets).toEqual(
      config.databases.map(({ name }, index) => ({
        targets: [`exporter-${index + 1}:9187`],
        labels: { database: name },
      })),
    );
  });

  it('is accepted by docker compose', async (context) => {
    const probe = spawnSync('docker', ['compose', 'version'], { encoding: 'utf8' });
    if (probe.error || probe.status !== 0) return context.skip('no docker compose here');
    const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-compose-'));
    try {
      const { files } = await read(config);
      for (const [file, text] of Object.entries(files)) {
        await mkdir(path.dirname(path.join(dir, file)), { recursive: true });
        await writeFile(path.join(dir, file), text);
      }
      const { stderr, status } = spawnSync('docker', ['compose', '-f', 'compose.yaml', 'config', '--quiet'], {
        cwd: dir,
        encoding: 'utf8',
        env: {
          PATH: process.env['PATH'] ?? '',
          SQLTRAIL_HOME: ROOT,
          ...Object.fromEntries(config.databases.map(({ url_env }) => [url_env, 'x'])),
        },
      });
      expect([stderr, status]).toEqual(['', 0]);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
