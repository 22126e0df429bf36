import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as operator from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import * as apps from 'kubernetes-models/apps/v1';
import * as core from 'kubernetes-models/v1';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { parseConfig } from '../config/load.ts';
import { LIBRARY, leastConfig, libraryConfig } from '../test/support/configs.ts';
import { kubernetesFiles, secretCommand } from './exportKubernetes.ts';

/** As far as it is read here. */
interface Container {
  name: string;
  image: string;
  env: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }[];
  ports: { name: string; containerPort: number }[];
  resources: { limits: { memory: string } };
  volumeMounts: { name: string; mountPath: string }[];
}
interface Volume {
  name: string;
  configMap?: { name: string };
  persistentVolumeClaim?: { claimName: string };
}
interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels: Record<string, string> };
  data?: Record<string, string>;
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own, which the schemas hold
  spec?: any;
}

/** The schemas of the API and of the operator's custom resources, from their own Go sources. */
const schemas = {
  v1: core,
  'apps/v1': apps,
  'monitoring.coreos.com/v1': operator,
} as unknown as Record<string, Record<string, new (given: unknown) => { validate(): void }>>;
function validate(manifest: Manifest): void {
  const Model = schemas[manifest.apiVersion]?.[manifest.kind];
  if (!Model) throw new Error(`${manifest.apiVersion} has no ${manifest.kind}`);
  new Model(manifest).validate();
}

async function manifestsOf(config: typeof leastConfig): Promise<Manifest[]> {
  const files = await kubernetesFiles(config);
  return Object.values(files).flatMap((text) =>
    parseAllDocuments(text, { version: '1.1' }).map((document) => document.toJS() as Manifest),
  );
}

const containersOf = async (config: typeof leastConfig) =>
  (await manifestsOf(config)).flatMap(
    ({ kind, spec }) => (kind === 'Deployment' ? spec.template.spec.containers : []) as Container[],
  );

const tempo = { ...leastConfig, urls: { ...leastConfig.urls, tempo: 'http://tempo:4318' } };

describe.each([
  ['two services and two databases', libraryConfig],
  ['the least', leastConfig],
  ['one with Tempo', tempo],
])('the manifests for %s', (_, config) => {
  it('are what the API and the operator take', async () => {
    for (const manifest of await manifestsOf(config)) {
      validate(manifest);
      expect(() => validate({ ...manifest, metadata: { ...manifest.metadata, name: 5 } } as never)).toThrow();
      // kubectl keeps what it applied in an annotation, and no object takes more in those.
      expect(JSON.stringify(JSON.stringify(manifest)).length).toBeLessThan(262_144);
      expect(manifest.metadata.name).toMatch(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/);
      for (const label of Object.values(manifest.metadata.labels))
        expect(label).toMatch(/^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/);
    }
  });

  it('name only what is among them, and scrape every part', async () => {
    const manifests = await manifestsOf(config);
    const names = (kind: string) =>
      manifests.filter((manifest) => manifest.kind === kind).map(({ metadata }) => metadata.name);
    const deployments = manifests.filter(({ kind }) => kind === 'Deployment');
    expect(deployments.map(({ metadata }) => metadata.name).sort()).toEqual(
      [
        'sqltrail-collector',
        'sqltrail-console',
        ...config.databases.map((__, index) => `sqltrail-exporter-${index + 1}`),
      ].sort(),
    );
    expect(names('Service').sort()).toEqual(names('Deployment').sort());
    expect(names('ServiceMonitor').sort()).toEqual(names('Deployment').sort());
    for (const { metadata, spec } of deployments) {
      const { labels } = spec.template.metadata;
      const [container] = spec.template.spec.containers as [Container];
      const own = (kind: string) =>
        manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === metadata.name);
      expect(labels).toMatchObject(spec.selector.matchLabels);
      expect(labels).toMatchObject(own('Service')?.spec.selector);
      const ports = container.ports.map(({ name }) => name);
      for (const { targetPort } of own('Service')?.spec.ports ?? []) expect(ports).toContain(targetPort);
      const monitor = own('ServiceMonitor')?.spec;
      expect(own('Service')?.metadata.labels).toMatchObject(monitor.selector.matchLabels);
      for (const { port } of monitor.endpoints) expect(ports).toContain(port);
      const volumes = spec.template.spec.volumes as Volume[];
      expect(container.volumeMounts.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name));
      for (const { configMap, persistentVolumeClaim } of volumes) {
        if (configMap) expect(names('ConfigMap')).toContain(configMap.name);
        if (persistentVolumeClaim)
          expect(names('PersistentVolumeClaim')).toContain(persistentVolumeClaim.claimName);
      }
      for (const { valueFrom } of container.env)
        if (valueFrom)
          expect(secretCommand(config)).toContain(`--from-literal=${valueFrom.secretKeyRef.key}=`);
    }
  });

  it('scrape each database and service under the names that rules and dashboards select', async () => {
    const monitors = (await manifestsOf(config)).filter(({ kind }) => /Monitor$/.test(kind));
    const scraped = monitors.map(({ spec }) => {
      const [{ relabelings }] = spec.endpoints ?? spec.podMetricsEndpoints;
      return Object.fromEntries(
        relabelings.map(({ targetLabel, replacement }: Record<string, string>) => [targetLabel, replacement]),
      );
    });
    for (const { name } of config.databases)
      expect(scraped).toContainEqual({ job: 'postgres', database: name });
    for (const { name } of config.services.filter(({ metrics }) => metrics.length > 0))
      expect(scraped).toContainEqual({ job: name });
    for (const job of ['collector', 'console']) expect(scraped).toContainEqual({ job });
  });

  it('let the console read a configuration that is valid itself, and hold no address of a database', async () => {
    const files = await kubernetesFiles(config);
    const console_ = (await manifestsOf(config)).find(({ data }) => data?.['sqltrail.yaml']);
    expect(parseConfig(console_?.data?.['sqltrail.yaml'] ?? '', 'sqltrail.yaml').databases).toHaveLength(
      config.databases.length,
    );
    for (const [file, text] of Object.entries(files)) {
      expect(text, file).not.toMatch(/\bshop\b/);
      expect(text, file).not.toContain('postgres://');
    }
  });
});

it('the images and their memory are those of docker-compose.yml', async () => {
  const compose = parse(await readFile(path.join(import.meta.dirname, '..', 'docker-compose.yml'), 'utf8'), {
    merge: true,
  }) as { services: Record<string, { image: string; mem_limit: string }> };
  const { otelcol, console: page, ...others } = compose.services;
  const exporter = others['postgres-exporter'];
  const containers = await containersOf(leastConfig);
  const is = (name: string) => containers.find((container) => container.name === name);
  for (const [container, part] of [
    [is('sqltrail-collector'), otelcol],
    [is('sqltrail-exporter-1'), exporter],
  ] as const) {
    expect(container?.image).toBe(part?.image);
    expect(container?.resources.limits.memory).toBe(part?.mem_limit.replace('m', 'Mi'));
  }
  expect(is('sqltrail-console')?.image).toBe(page?.image);
});

it('a service whose name no label can have is refused by its name', async () => {
  const config = parseConfig(LIBRARY.replace('lending.api', 'lending.'), 'library.yaml');
  await expect(kubernetesFiles(config)).rejects.toThrow(/^lending\. cannot be a label of Kubernetes/);
});

it('metrics go to the operator’s Prometheus, unless another one is named', async () => {
  const to = async (config: typeof leastConfig) => {
    const collector = (await containersOf(config)).find(({ name }) => name === 'sqltrail-collector');
    return collector?.env.find(({ name }) => name === 'PROMETHEUS_URL')?.value;
  };
  expect(await to(leastConfig)).toBe('http://prometheus-operated.monitoring.svc:9090');
  const urls = { ...leastConfig.urls, prometheus: 'http://mimir.metrics.svc:8080' };
  expect(await to({ ...leastConfig, urls })).toBe('http://mimir.metrics.svc:8080');
});

it('what the page says to set is what the operator and the API take', async () => {
  const text = await readFile(path.join(import.meta.dirname, '..', 'docs', 'kubernetes.md'), 'utf8');
  const [values, pod] = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block = '']) =>
    parse(block),
  );
  const { prometheusSpec } = values.prometheus;
  const spec = Object.fromEntries(
    // Those of the chart itself.
    Object.entries(prometheusSpec).filter(([key]) => !key.endsWith('NilUsesHelmValues')),
  );
  expect(Object.keys(spec)).toEqual(['enableRemoteWriteReceiver', 'enableFeatures', 'tsdb']);
  const prometheus = { apiVersion: 'monitoring.coreos.com/v1', kind: 'Prometheus' };
  const metadata = { name: 'some', labels: {} };
  validate({ ...prometheus, metadata, spec });
  const { template } = pod.spec;
  template.spec.containers[0].image = 'some';
  const selector = { matchLabels: template.metadata.labels };
  validate({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { selector, template } });
  const monitor = (await manifestsOf(libraryConfig)).find(({ kind }) => kind === 'PodMonitor');
  expect(template.spec.containers[0].ports[0].name).toBe(monitor?.spec.podMetricsEndpoints[0].port);
  expect(Object.keys(template.metadata.labels)).toEqual(Object.keys(monitor?.spec.selector.matchLabels));
  for (const { image, resources } of await containersOf(leastConfig))
    expect(text, image).toContain(resources.limits.memory.replace('Mi', ' MiB'));
});
