import { readFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { collectorValues } from './kubernetes/collector.ts';
import {
  type Assumptions,
  DECISION_WAIT_SECONDS,
  readAssumptions,
  readMeasured,
  SIZING_PAGE,
  sizing,
  sizingPage,
} from './sizing.ts';

const root = path.join(import.meta.dirname, '..');
const text = (...segments: string[]) => readFile(path.join(root, ...segments), 'utf8');
const values = async (name: string) => parse(await text('deploy', 'kubernetes', `${name}.values.yaml`));
const measured = await readMeasured();
const assumed = await readAssumptions();
const sizeOf = (id: string, of: Assumptions = assumed) =>
  sizing(measured, of).find((size) => size.id === id)?.value ?? Number.NaN;
/** Bytes of a Kubernetes quantity such as `6Gi`. */
const bytes = (quantity: string) => {
  const [, number, unit = ''] = /^(\d+)([MG])i$/.exec(quantity) ?? [];
  return Number(number) * (unit === 'G' ? 2 ** 30 : 2 ** 20);
};

describe('the values of the collectors', () => {
  it('are made from collector/collector.yaml (npm run docs)', async () => {
    for (const [name, made] of await collectorValues())
      expect(await text('deploy', 'kubernetes', name), name).toBe(made);
  });

  it('redact before anything leaves the node, and send a trace to one gateway', async () => {
    const { alternateConfig: agent } = await values('collector-agent');
    const { alternateConfig: gateway, ...of } = await values('collector-gateway');
    const collector = parse(await text('collector', 'collector.yaml'));
    expect(agent.processors['transform/redact']).toEqual(collector.processors['transform/redact']);
    expect(agent.service.pipelines.traces.processors).toContain('transform/redact');
    expect(agent.exporters.load_balancing.routing_key).toBe('traceID');
    // A name without an address of its own resolves to every gateway.
    expect(of.service.clusterIP).toBe('None');
    expect(agent.exporters.load_balancing.resolver.dns.hostname).toMatch(
      new RegExp(`^${of.fullnameOverride}\\.`),
    );
    expect(gateway.processors.tail_sampling).toEqual(collector.processors.tail_sampling);
    expect(gateway.exporters.prometheus_remote_write.external_labels.collector).toBe(
      '${env:OTEL_K8S_POD_NAME}',
    );
  });

  it('name only what they define', async () => {
    for (const name of ['collector-agent', 'collector-gateway']) {
      const { alternateConfig: config } = await values(name);
      const defined = ['receivers', 'processors', 'exporters', 'connectors', 'extensions'].flatMap((kind) =>
        Object.keys(config[kind] ?? {}),
      );
      const used = Object.values(config.service.pipelines).flatMap((pipeline) =>
        Object.values(pipeline as Record<string, string[]>).flat(),
      );
      expect([...new Set([...used, ...config.service.extensions])].sort()).toEqual(defined.sort());
    }
  });
});

describe('the sizing', () => {
  it('is what the page says (npm run docs)', async () => {
    expect(await readFile(SIZING_PAGE, 'utf8')).toBe(sizingPage(measured, assumed));
  });

  it('is met by the values', async () => {
    const gateway = await values('collector-gateway');
    const mimir = await values('mimir');
    const tempo = await values('tempo');
    const collector = parse(await text('collector', 'collector.yaml'));
    expect(collector.processors.tail_sampling.decision_wait).toBe(`${DECISION_WAIT_SECONDS}s`);
    expect(gateway.replicaCount).toBe(assumed.gateways);
    expect(bytes(gateway.resources.requests.memory)).toBeGreaterThan(sizeOf('gateway-memory'));
    expect(mimir.ingester.replicas).toBe(assumed.replication);
    expect(bytes(mimir.ingester.resources.requests.memory)).toBeGreaterThan(sizeOf('ingester-memory'));
    const { limits } = mimir.mimir.structuredConfig;
    expect(limits.compactor_blocks_retention_period).toBe(`${assumed.metricsRetentionDays}d`);
    expect(limits.max_global_series_per_user).toBeGreaterThan(sizeOf('series'));
    expect(tempo.backendScheduler.config.provider.compaction.compaction.block_retention).toBe(
      `${assumed.tracesRetentionDays * 24}h`,
    );
    const partitions = tempo.ingest.kafka.auto_create_topic_default_partitions;
    expect([tempo.blockBuilder.replicas, tempo.liveStore.replicas]).toEqual([partitions, partitions]);
  });

  it('grows with the load, and storage with the retention', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 2, max: 20 }), (rate, factor) => {
        const small = { ...assumed, peakRequestsPerSecond: rate };
        const large = { ...small, peakRequestsPerSecond: rate * factor };
        for (const id of ['spans', 'agent-bytes', 'held-spans', 'gateway-memory', 'trace-storage'])
          expect(sizeOf(id, large) / sizeOf(id, small)).toBeCloseTo(factor, 6);
        const longer = { ...small, tracesRetentionDays: assumed.tracesRetentionDays * factor };
        expect(sizeOf('trace-storage', longer) / sizeOf('trace-storage', small)).toBeCloseTo(factor, 6);
      }),
    );
  });
});
