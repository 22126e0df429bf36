import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');

interface Service {
  image: string;
  build?: { context: string; dockerfile: string };
  entrypoint?: string[];
  command?: string[];
  user?: string;
  group_add?: string[];
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  restart?: string;
  mem_limit?: string;
  network_mode?: string;
  networks?: string[];
  ports?: string[];
  volumes?: string[];
  environment?: Record<string, string>;
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
}

const text = read('docker-compose.yml');
const compose = parse(text, { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
  networks: Record<string, { internal?: boolean }>;
};
const services = Object.entries(compose.services);
const isOneShot = (service: Service) => service.restart === 'no';

/** Bytes of a Compose size such as `704m` or `1g`. */
function bytes(size: string): number {
  const [, number, unit] = /^(\d+)([kmg])$/.exec(size) ?? [];
  if (!number || !unit) throw new Error(`${size} is not a size like 704m`);
  return Number(number) * 1024 ** ('kmg'.indexOf(unit) + 1);
}

/** Secret name to group, as docker/init.sh makes them. */
const groups = new Map(
  [...read('docker/init.sh').matchAll(/^([a-z-]+) +(70\d\d)$/gm)].map((match) => [match[1], match[2]]),
);

/** Names of the secrets that a service's environment and the given files point at. */
function secretsOf(service: Service): Set<string> {
  const named = Object.values(service.environment ?? {}).flatMap((value) => [
    ...String(value).matchAll(/\/run\/sqltrail\/([a-z-]+)/g),
  ]);
  return new Set(named.map((match) => match[1] as string));
}

/** The given files, the modules that they import, and what is found beside them, from the checkout. */
function reachedFrom(entries: readonly string[]): Set<string> {
  const seen = new Set(entries);
  for (const file of seen) {
    if (!/\.(ts|mjs)$/.test(file)) continue;
    for (const [, target] of read(file).matchAll(
      /(?:from|import\(|import|new URL\(|import\.meta\.dirname,)\s*'(\.{1,2}\/[^']+)'/g,
    )) {
      const found = path.join(path.dirname(file), target as string);
      if (!found.startsWith('node_modules/')) seen.add(found);
    }
  }
  return seen;
}

describe('docker-compose.yml', () => {
  it('has the parts of the contract', () => {
    expect(services.map(([name]) => name).sort()).toEqual(
      [
        'alertmanager',
        'console',
        'data',
        'grafana',
        'init',
        'load',
        'otelcol',
        'postgres',
        'postgres-exporter',
        'prometheus',
        'shop',
        'story',
        'tempo',
      ].sort(),
    );
  });

  it('limits memory to 3 GiB in all, one-shot containers and the story included', () => {
    const sum = services.reduce((total, [, { mem_limit }]) => total + bytes(mem_limit ?? 'none'), 0);
    expect(sum).toBeLessThanOrEqual(3 * 1024 ** 3);
  });

  const programs = services.flatMap(([name, { entrypoint = [], command = [] }]) => {
    const line = [...entrypoint, ...command];
    return line.includes('node') ? [{ name, line }] : [];
  });

  it.each(programs)(
    '$name: keeps the optimising compiler from Postgres’s parser, if it has that',
    ({ line }) => {
      const entries = line.map((word) => path.normalize(word)).filter((word) => /\.(ts|mjs)$/.test(word));
      const parses = [...reachedFrom(entries)].some(
        (file) => /\.(ts|mjs)$/.test(file) && /from 'libpg-query'/.test(read(file)),
      );
      // Without it the parser's WebAssembly takes 600 MB for a moment (bench/parserMemory.ts), more than any limit here.
      expect(line.includes('--liftoff-only')).toBe(parses);
    },
  );

  it.each(services)('%s: image pinned to a release', (_, { image, build }) => {
    if (build) {
      expect(existsSync(path.join(root, build.context, build.dockerfile))).toBe(true);
      expect(image).toBe('sqltrail/app:local');
    } else expect(image).toMatch(/^[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)?$/);
  });

  it.each(services)('%s: no rights to gain, nothing to write to, not root', (name, service) => {
    expect(service.read_only).toBe(true);
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    // init hands volumes and secrets to their owners, which takes root and CHOWN; it has no network.
    if (name === 'init') expect(service.network_mode).toBe('none');
    else expect(service.user).toMatch(/^[1-9]\d*:\d+$/);
  });

  it.each(services)('%s: published on 127.0.0.1 only', (_, { ports = [], networks = [] }) => {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\$\{SQLTRAIL_PORT_[A-Z]+:-\d+\}:\d+$/);
    // Whoever publishes nothing stays on the internal network.
    expect(networks.includes('loopback')).toBe(ports.length > 0);
    expect(compose.networks.backend?.internal).toBe(true);
  });

  it('publishes the ports of docs/architecture.md', () => {
    const published = services.flatMap(([, { ports = [] }]) =>
      ports.map((port) => port.match(/:-(\d+)/)?.[1]),
    );
    const contract = read('docs/architecture.md').match(/## Ports[\s\S]*?\n## /)?.[0] ?? '';
    for (const port of published) expect(contract).toContain(` ${port} `);
    expect(published).toEqual(expect.arrayContaining(['3000', '3001', '8088', '9090', '9093']));
  });

  it.each(services)('%s: says when it is healthy, and waits only for what exists', (_, service) => {
    if (!isOneShot(service)) expect(service.healthcheck?.test[0]).toBe('CMD');
    for (const [dependency, { condition }] of Object.entries(service.depends_on ?? {})) {
      const other = compose.services[dependency];
      expect(other, `${dependency} is a service`).toBeDefined();
      expect(condition).toBe(
        other && isOneShot(other) ? 'service_completed_successfully' : 'service_healthy',
      );
    }
  });

  it.each(services)('%s: files of the repository read-only, volumes declared', (_, { volumes = [] }) => {
    for (const volume of volumes) {
      const [source = '', target, mode] = volume.split(':');
      expect(target).toMatch(/^\//);
      if (source.startsWith('.')) {
        expect(existsSync(path.join(root, source)), `${source} exists`).toBe(true);
        expect(mode).toBe('ro');
      } else expect(compose.volumes).toHaveProperty(source);
    }
  });

  it('holds no password', () => {
    for (const [name, { environment = {} }] of services)
      for (const [variable, value] of Object.entries(environment)) {
        if (/PASS|TOKEN|SECRET/.test(variable)) {
          expect(variable, `${name} ${variable}`).toMatch(/_FILE$/);
          expect(value).toMatch(/^\/run\/sqltrail\//);
        }
        expect(value, `${name} ${variable}`).not.toMatch(/:\/\/[^/@]*:[^/@]+@/);
      }
    for (const file of ['docker/Dockerfile', 'docker/entrypoint.sh'])
      expect(read(file)).not.toMatch(/(PASSWORD|TOKEN)=[A-Za-z0-9]/);
  });

  it.each(services.filter(([, service]) => secretsOf(service).size > 0))(
    '%s: is in the group of each secret it reads',
    (_, service) => {
      const wanted = [...secretsOf(service)].map((secret) => groups.get(secret));
      expect(service.group_add).toEqual(expect.arrayContaining(wanted));
      expect(service.volumes).toContain('secrets:/run/sqltrail:ro');
    },
  );

  it('runs the versions that the native mode builds', () => {
    const version = (image: string) =>
      services.find(([, service]) => service.image.startsWith(image))?.[1].image;
    const module = (file: string, name: string) =>
      read(file)
        .match(new RegExp(`${name} v(\\d+)\\.(\\d+)\\.(\\d+)`))
        ?.slice(1, 4) ?? [];
    // Prometheus 3.15.0 is module v0.315.0.
    const [, minor = '', patch] = module(
      'collector/build/prometheus/go.mod',
      'github.com/prometheus/prometheus',
    );
    expect(version('prom/prometheus')).toBe(
      `prom/prometheus:v${minor[0]}.${Number(minor.slice(1))}.${patch}`,
    );
    const alertmanager = module('collector/build/alertmanager/go.mod', 'github.com/prometheus/alertmanager');
    expect(version('prom/alertmanager')).toBe(`prom/alertmanager:v${alertmanager.join('.')}`);
    const exporter = module(
      'collector/build/postgres_exporter/go.mod',
      'github.com/prometheus-community/postgres_exporter',
    );
    expect(version('prometheuscommunity/')).toBe(
      `prometheuscommunity/postgres-exporter:v${exporter.join('.')}`,
    );
    const collector = parse(read('collector/build/otelcol/manifest.yaml')) as { dist: { version: string } };
    expect(version('otel/')).toBe(`otel/opentelemetry-collector-contrib:${collector.dist.version}`);
  });

  it('is accepted by docker compose', (context) => {
    const probe = spawnSync('docker', ['compose', 'version'], { encoding: 'utf8' });
    if (probe.error) return context.skip(`no docker command here (${probe.error.message})`);
    if (probe.status !== 0)
      return context.skip(`docker has no compose plugin: ${probe.stderr.trim().split('\n')[0]}`);
    const config = spawnSync('docker', ['compose', '--profile', 'story', 'config', '--quiet'], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(config.stderr).toBe('');
    expect(config.status).toBe(0);
  });
});

describe('docker/Dockerfile', () => {
  it('copies every file that its programs import', () => {
    const rules = read('.dockerignore').split('\n');
    const allowed = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
    const entries = [
      'cli/main.ts',
      'console/server.ts',
      'instrumentation/index.ts',
      'sample-shop/data/main.ts',
      'sample-shop/load/main.ts',
      'sample-shop/server.ts',
    ];
    const seen = reachedFrom(entries);
    for (const file of seen)
      expect(
        allowed.some((entry) => file === entry || file.startsWith(`${entry}/`)),
        `${file} is let in by .dockerignore`,
      ).toBe(true);
    expect(seen.size).toBeGreaterThan(100);
  });

  it('starts from a pinned Node that package.json accepts, and does not run as root', () => {
    const file = read('docker/Dockerfile');
    const bases = [...file.matchAll(/^FROM (\S+)/gm)].map((match) => match[1]);
    expect(new Set(bases)).toEqual(new Set(['node:24.21.0-trixie-slim']));
    expect(file).toMatch(/^USER node$/m);
  });
});

describe('docker/*.sh', () => {
  it.each(['docker/init.sh', 'docker/entrypoint.sh'])('%s is a valid POSIX script', (file) => {
    const check = spawnSync('sh', ['-n', path.join(root, file)], { encoding: 'utf8' });
    expect(check.stderr).toBe('');
  });

  const entrypoint = (env: Record<string, string>) =>
    spawnSync(
      'sh',
      [path.join(root, 'docker/entrypoint.sh'), 'sh', '-c', 'echo "$SQLTRAIL_TOKEN:$SQLTRAIL_TOKEN_FILE"'],
      {
        env: { PATH: process.env.PATH, ...env } as NodeJS.ProcessEnv,
        encoding: 'utf8',
      },
    );

  it('entrypoint.sh turns NAME_FILE into NAME', () => {
    const license = path.join(root, '.npmrc');
    expect(entrypoint({ SQLTRAIL_TOKEN_FILE: license }).stdout).toBe(`${read('.npmrc').trimEnd()}:\n`);
  });

  it('entrypoint.sh names the secret that it cannot read and the next step', () => {
    const result = entrypoint({ SQLTRAIL_TOKEN_FILE: '/nowhere/token' });
    expect(result.status).toBe(2);
    expect(result.stderr).toContain('SQLTRAIL_TOKEN: /nowhere/token cannot be read');
  });
});
