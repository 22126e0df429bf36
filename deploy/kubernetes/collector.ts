import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parse, stringify } from 'yaml';

/**
 * Values of the chart open-telemetry/opentelemetry-collector, made from collector/collector.yaml, so that what is
 * redacted, counted and kept on Kubernetes is what is on one machine: node deploy/kubernetes/collector.ts
 *
 * Agents on each node take the spans, redact them there and send each trace to one gateway, always the same for a
 * trace: a tail sampling that saw half of a trace would decide by that half.
 */

type Config = Record<string, Record<string, Record<string, unknown>>>;
interface Collector extends Config {
  service: {
    extensions: string[];
    telemetry: unknown;
    pipelines: Record<string, Record<string, string[]>>;
  } & Record<string, never>;
}

const GATEWAYS = 3;
const GATEWAY = 'sqltrail-gateway';
const NAMESPACE = 'observability';
/** Where queued data waits for an unavailable store. */
const STORAGE = '/var/lib/otelcol';
/** The version of the collector that collector/build pins. */
const VERSION = '0.159.0';

const limits = (cpu: string, memory: string) => ({
  requests: { cpu, memory },
  // No limit of CPU: a throttled collector drops spans just when they matter.
  limits: { memory },
});

const common = {
  image: { repository: 'otel/opentelemetry-collector-contrib', tag: VERSION },
  command: { name: 'otelcol-contrib' },
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  },
};
const noPorts = { 'jaeger-compact': off(), 'jaeger-thrift': off(), 'jaeger-grpc': off(), zipkin: off() };
function off() {
  return { enabled: false };
}

const telemetry = {
  logs: { level: 'warn' },
  metrics: {
    level: 'basic',
    readers: [{ pull: { exporter: { prometheus: { host: '${env:MY_POD_IP}', port: 8888 } } } }],
  },
};
const health = { health_check: { endpoint: '${env:MY_POD_IP}:13133' } };
// By share: the chart gives the container's limit, and GOMEMLIMIT from it.
const memoryLimiter = { check_interval: '1s', limit_percentage: 80, spike_limit_percentage: 20 };

function agent({ processors }: Collector) {
  return {
    mode: 'daemonset',
    fullnameOverride: 'sqltrail-agent',
    namespaceOverride: NAMESPACE,
    ...common,
    podSecurityContext: { runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: 'RuntimeDefault' } },
    // Pods reach the agent of their own node by its address (status.hostIP) and these ports.
    ports: { ...noPorts, metrics: { enabled: true } },
    resources: limits('100m', '256Mi'),
    tolerations: [{ operator: 'Exists', effect: 'NoSchedule' }],
    alternateConfig: {
      extensions: health,
      receivers: {
        otlp: {
          protocols: {
            grpc: { endpoint: '${env:MY_POD_IP}:4317' },
            http: { endpoint: '${env:MY_POD_IP}:4318' },
          },
        },
      },
      processors: {
        memory_limiter: memoryLimiter,
        'transform/redact': processors?.['transform/redact'],
        batch: processors?.['batch'],
      },
      exporters: {
        load_balancing: {
          routing_key: 'traceID',
          protocol: { otlp: { timeout: '5s', tls: { insecure: true } } },
          resolver: {
            dns: {
              hostname: `${GATEWAY}.${NAMESPACE}.svc.cluster.local`,
              port: '4317',
              interval: '5s',
            },
          },
        },
      },
      service: {
        extensions: ['health_check'],
        telemetry,
        pipelines: {
          traces: {
            receivers: ['otlp'],
            processors: ['memory_limiter', 'transform/redact', 'batch'],
            exporters: ['load_balancing'],
          },
        },
      },
    },
  };
}

function gateway(given: Collector, tempo: Config) {
  const { processors, connectors, exporters, service } = structuredClone(given);
  const metricsOut = exporters?.['prometheus_remote_write'] as Record<string, unknown>;
  const tracesOut = structuredClone(tempo['exporters']?.['otlp_http/tempo']) as Record<string, unknown>;
  const { pipelines } = service;
  return {
    // Stateful, so that each has a name and a disk of its own. Without an address of its own the service's name gives
    // those of all gateways, among which the agents choose.
    mode: 'statefulset',
    fullnameOverride: GATEWAY,
    namespaceOverride: NAMESPACE,
    service: { clusterIP: 'None' },
    replicaCount: GATEWAYS,
    ...common,
    podSecurityContext: {
      runAsNonRoot: true,
      runAsUser: 10001,
      fsGroup: 10001,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ports: { ...noPorts, 'otlp-http': off(), metrics: { enabled: true } },
    resources: limits('500m', '1Gi'),
    podDisruptionBudget: { enabled: true, maxUnavailable: 1 },
    statefulset: {
      volumeClaimTemplates: [
        {
          metadata: { name: 'queue' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '5Gi' } } },
        },
      ],
    },
    extraVolumeMounts: [{ name: 'queue', mountPath: STORAGE }],
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: { 'app.kubernetes.io/instance': GATEWAY } },
      },
    ],
    alternateConfig: {
      extensions: { ...health, file_storage: { directory: STORAGE, create_directory: true } },
      receivers: {
        otlp: { protocols: { grpc: { endpoint: '${env:MY_POD_IP}:4317', max_recv_msg_size_mib: 16 } } },
      },
      processors: { ...processors, memory_limiter: memoryLimiter },
      connectors,
      exporters: {
        prometheus_remote_write: {
          ...metricsOut,
          endpoint: `http://mimir-gateway.${NAMESPACE}.svc.cluster.local/api/v1/push`,
          // Each gateway counts its own traces: without a label of its own, three writers would fight over one series.
          external_labels: { collector: '${env:OTEL_K8S_POD_NAME}' },
          headers: { 'X-Scope-OrgID': 'sqltrail' },
        },
        'otlp_http/tempo': {
          ...tracesOut,
          endpoint: `http://tempo-distributor.${NAMESPACE}.svc.cluster.local:4318`,
        },
      },
      service: {
        extensions: service.extensions,
        telemetry,
        pipelines: {
          ...pipelines,
          'traces/sampled': { ...pipelines['traces/sampled'], exporters: ['otlp_http/tempo'] },
        },
      },
    },
  };
}

const here = (...segments: string[]) => path.join(import.meta.dirname, ...segments);

/** The values files by name. */
export async function collectorValues(): Promise<Map<string, string>> {
  const read = async (name: string) => parse(await readFile(here('..', '..', 'collector', name), 'utf8'));
  const collector = (await read('collector.yaml')) as Collector;
  const tempo = (await read('collector.tempo.yaml')) as Config;
  const head = '# Made by deploy/kubernetes/collector.ts from collector/collector.yaml; change those.\n';
  const text = (values: unknown) =>
    head + stringify(values, { lineWidth: 110, aliasDuplicateObjects: false });
  return new Map([
    ['collector-agent.values.yaml', text(agent(collector))],
    ['collector-gateway.values.yaml', text(gateway(collector, tempo))],
  ]);
}

if (process.argv[1] === import.meta.filename)
  for (const [name, text] of await collectorValues()) await writeFile(here(name), text);
