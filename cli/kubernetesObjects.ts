import type {
  IPodMonitor,
  IServiceMonitor,
} from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import type { IDeployment } from 'kubernetes-models/apps/v1';
import type { IConfigMap, IPersistentVolumeClaim, IService } from 'kubernetes-models/v1';

/** An object of Kubernetes, as `kubectl apply` takes it. */
export type Manifest = { apiVersion: string; kind: string; metadata: { name: string } };

export const COLLECTOR = 'sqltrail-collector';
export const CONSOLE = 'sqltrail-console';
/** Holds the addresses of the databases and the console's token. */
export const SECRET = 'sqltrail';

export const PART_OF = { 'app.kubernetes.io/part-of': 'sqltrail' };
const named = (name: string) => ({ 'app.kubernetes.io/name': name });
const metadata = (name: string, labels: Record<string, string> = {}) => ({
  name,
  labels: { ...PART_OF, ...labels },
});

/** The only container of a pod. */
export interface Container {
  image: string;
  args: string[];
  env: Record<string, string>;
  /** Variables by the key of the secret that they come from. */
  secrets?: Record<string, string>;
  /** By their names. */
  ports: Record<string, number>;
  health: { path: string; port: number };
  /** The user that it runs as. */
  user: number;
  /** What it asks for; no limit, because a throttled part loses data just when it matters. */
  cpu: string;
  /** What it asks for, and its limit. */
  memory: string;
  /** What it can read and write, by where; its own files it can only read. */
  mounts: Record<string, object>;
}

export const configMap = (name: string, data: Record<string, string>, labels: Record<string, string> = {}) =>
  ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: metadata(name, labels), data }) satisfies IConfigMap;

/** One pod: two would count, sample and keep each on its own. */
export function deployment(name: string, container: Container) {
  const { image, args, env, secrets = {}, ports, health, user, cpu, memory, mounts } = container;
  const volumes = Object.entries(mounts).map(([mountPath, source], index) => ({
    mountPath,
    volume: { name: `volume-${index + 1}`, ...source },
  }));
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata(name, named(name)),
    spec: {
      replicas: 1,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: named(name) },
      template: {
        metadata: { labels: { ...PART_OF, ...named(name) } },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: user,
            fsGroup: user,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [
            {
              name,
              image,
              args,
              env: [
                ...Object.entries(env).map(([variable, value]) => ({ name: variable, value })),
                ...Object.entries(secrets).map(([variable, key]) => ({
                  name: variable,
                  valueFrom: { secretKeyRef: { name: SECRET, key } },
                })),
              ],
              ports: Object.entries(ports).map(([port, containerPort]) => ({ name: port, containerPort })),
              readinessProbe: { httpGet: health },
              livenessProbe: { httpGet: health, initialDelaySeconds: 30, failureThreshold: 6 },
              resources: { requests: { cpu, memory }, limits: { memory } },
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
              volumeMounts: volumes.map(({ mountPath, volume: { name: of } }) => ({ name: of, mountPath })),
            },
          ],
          volumes: volumes.map(({ volume: of }) => of),
        },
      },
    },
  } satisfies IDeployment;
}

export const service = (name: string, ports: Record<string, number>) =>
  ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(name, named(name)),
    spec: {
      selector: named(name),
      ports: Object.entries(ports).map(([port, number]) => ({ name: port, port: number, targetPort: port })),
    },
  }) satisfies IService;

export const volume = (name: string, storage: string) =>
  ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: metadata(name),
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
  }) satisfies IPersistentVolumeClaim;

interface Scraped {
  port: string;
  interval: string;
  /** Rules and dashboards select by them. */
  labels: Record<string, string>;
}

const endpoint = ({ port, interval, labels }: Scraped) => ({
  port,
  interval,
  relabelings: Object.entries(labels).map(([targetLabel, replacement]) => ({ targetLabel, replacement })),
});

/** Scrapes the service of that name. */
export const serviceMonitor = (name: string, scraped: Scraped) =>
  ({
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'ServiceMonitor',
    metadata: metadata(name),
    spec: { selector: { matchLabels: named(name) }, endpoints: [endpoint(scraped)] },
  }) satisfies IServiceMonitor;

/** Scrapes pods with these labels, in whatever namespace. */
export const podMonitor = (name: string, { pods, ...scraped }: Scraped & { pods: Record<string, string> }) =>
  ({
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PodMonitor',
    metadata: metadata(name),
    spec: {
      namespaceSelector: { any: true },
      selector: { matchLabels: pods },
      podMetricsEndpoints: [endpoint(scraped)],
    },
  }) satisfies IPodMonitor;
