import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { queriesFile } from '../collector/build.ts';
import type { Config } from '../config/schema.ts';
import { errorCode } from '../lib/errors.ts';
import { yaml } from '../lib/yaml.ts';
import { OnlyInClone } from './notHere.ts';
import { partFiles, under } from './partFiles.ts';

const ROOT = path.join(import.meta.dirname, '..');
const FOLDER = 'compose';

/** A service of Docker Compose; what is not named here is passed on. */
interface Service {
  volumes?: string[];
  networks?: string[];
  environment?: Record<string, string>;
  [key: string]: unknown;
}

interface Compose {
  services: Record<string, Service>;
  [key: string]: unknown;
}

/** Networks of a part that has to reach services and databases outside. */
const outside = (networks: readonly string[]) => ({
  networks: [...networks, 'observed'],
  extra_hosts: ['host.docker.internal:host-gateway'],
});

/** A path of the checkout, as the file is started from anywhere. */
const inCheckout = (volume: string) =>
  volume.replace(/^\.\//, `\${SQLTRAIL_HOME:?the checkout of sqltrail}/`);
/** Beside the compose file. */
const own = (source: string, target: string) => `./${FOLDER}/${source}:${target}:ro`;

const COLLECTOR = '/etc/sqltrail/collector';

const exporterName = (index: number) => `exporter-${index + 1}`;

/** The configuration with the addresses that the parts have in Docker. */
const placed = (config: Config): Config => ({
  ...config,
  databases: config.databases.map((database, index) => ({
    ...database,
    exporter: `${exporterName(index)}:9187`,
  })),
  parts: { collector: 'otelcol:8888', console: 'console:8088', prometheus: 'prometheus:9090' },
  urls: { ...config.urls, prometheus: 'http://prometheus:9090' },
});

const address = ({ name, url_env }: Config['databases'][number]) =>
  `\${${url_env}:?the address of ${name}, for the monitoring role}`;

/** Of docker-compose.yml; what belongs to the demo stays out. */
function services(compose: Compose, config: Config): Record<string, Service> {
  const taken = (name: string): Service => {
    const { depends_on: _, ...service } = compose.services[name] ?? {};
    return { ...service, volumes: (service.volumes ?? []).map(inCheckout) };
  };
  const afterInit = (name: string): Service => ({
    ...taken(name),
    depends_on: { init: { condition: 'service_completed_successfully' } },
  });
  const init = taken('init');
  const prometheus = afterInit('prometheus');
  const alertmanager = afterInit('alertmanager');
  const page = afterInit('console');
  const probe = 'probe:/probe:ro';
  const { group_add: _, ...exporter } = afterInit('postgres-exporter');
  const { DATABASE_URL: __, PGPASSWORD_FILE: ___, TEMPO_URL: ____, ...environment } = page.environment ?? {};
  return {
    init: {
      ...init,
      volumes: [
        ...(init.volumes ?? []).filter((volume) => !/story/.test(volume)),
        'findings:/volumes/findings',
      ],
    },
    otelcol: { ...afterInit('otelcol'), command: [`--config=${COLLECTOR}/collector.yaml`] },
    prometheus: {
      ...prometheus,
      ...outside(prometheus.networks ?? []),
      volumes: [
        own('collector', COLLECTOR),
        own('alerts', '/etc/sqltrail/alerts'),
        'prometheus:/prometheus',
        probe,
      ],
    },
    alertmanager: {
      ...alertmanager,
      ...outside(alertmanager.networks ?? []),
      volumes: [
        own('alerts/alertmanager.yml', '/etc/alertmanager/alertmanager.yml'),
        'alertmanager:/alertmanager',
        probe,
      ],
    },
    ...Object.fromEntries(
      config.databases.map((database, index) => [
        exporterName(index),
        {
          ...exporter,
          ...outside(['backend']),
          command: [`--extend.query-path=${COLLECTOR}/${queriesFile(config, database.name)}`],
          environment: { GOMEMLIMIT: '36MiB', DATA_SOURCE_NAME: address(database) },
          volumes: [own('collector', COLLECTOR), probe],
        },
      ]),
    ),
    console: {
      ...page,
      ...outside(page.networks ?? []),
      // It diagnoses each database, one after the other.
      command: ['node', '--max-old-space-size=192', '--liftoff-only', 'console/server.ts'],
      mem_limit: '320m',
      environment: {
        ...environment,
        SQLTRAIL_CONFIG: '/etc/sqltrail/sqltrail.yaml',
        CONSOLE_DIR: '/var/lib/sqltrail',
        ...Object.fromEntries(config.databases.map((database) => [database.url_env, address(database)])),
      },
      volumes: [
        ...(page.volumes ?? []),
        own('sqltrail.yaml', '/etc/sqltrail/sqltrail.yaml'),
        'findings:/var/lib/sqltrail',
      ],
    },
  };
}

/**
 * What `docker compose` takes to observe services and databases that are there already: the parts of docker-compose.yml
 * without those of the demo, an exporter for each database, and their configuration beside it.
 *
 * @throws OnlyInClone where there is no docker-compose.yml, as in the package
 */
export async function composeFiles(config: Config): Promise<Record<string, string>> {
  let text: string;
  try {
    text = await readFile(path.join(ROOT, 'docker-compose.yml'), 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT')
      throw new OnlyInClone(
        'The images of the compose file are built',
        'npm ci && npm run sqltrail -- export compose',
      );
    throw error;
  }
  const compose = parse(text, { merge: true }) as Compose;
  const there = placed(config);
  return {
    'compose.yaml': `# Made by sqltrail from sqltrail.yaml and docker-compose.yml: change those.\n${yaml(
      {
        name: 'sqltrail-observe',
        services: services(compose, there),
        networks: { ...(compose['networks'] as object), observed: {} },
        volumes: Object.fromEntries(
          ['secrets', 'probe', 'otelcol-queue', 'prometheus', 'alertmanager', 'findings'].map((name) => [
            name,
            {},
          ]),
        ),
      },
      // Compose reads YAML 1.1, where a plain no or 0:0 is something else.
      '1.1',
    )}`,
    [`${FOLDER}/sqltrail.yaml`]: yaml(there),
    ...under(FOLDER, partFiles(there, 'alertmanager:9093')),
  };
}
