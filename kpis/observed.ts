import { type Config, durationText, secondsOf } from '../config/schema.ts';

export { secondsOf } from '../config/schema.ts';

/** What is observed, as expressions select it. A matcher may be empty. */
export interface Observed {
  config: Config;
  /** Matcher of metrics made from the services' spans. */
  spans: string;
  /** Matcher of what the services export themselves, by their scrape job. */
  processes: string;
  /** The same, of connection pools. */
  pools: string;
  /** Matcher of what postgres_exporter exports. */
  databases: string;
  /** Range of every rate unless another is asked for, such as `[1m]`. */
  range: string;
  /** Five windows: the past that a statement is held against. */
  past: string;
}

/** A regular expression for one of the names, as it stands between quotes in PromQL. */
export const oneOf = (names: readonly string[]) =>
  names.map((name) => name.replaceAll('.', '\\\\.')).join('|');

/** Equal to one name, or to one of several. */
const among = (label: string, names: readonly string[]) =>
  names.length === 1 ? `${label}="${names[0]}"` : `${label}=~"${oneOf(names)}"`;

const windowsOf = ({ window }: Config) => ({
  range: `[${window}]`,
  past: durationText(5 * secondsOf(window)),
});

/** Everything that the configuration names; what rules and the documentation ask. */
export function observedBy(config: Config): Observed {
  const names = config.services.map(({ name }) => name);
  return {
    config,
    spans: among('service_name', names),
    processes: among('job', names),
    pools: among('job', names),
    databases:
      config.databases.length > 1
        ? among(
            'database',
            config.databases.map(({ name }) => name),
          )
        : '',
    ...windowsOf(config),
  };
}

/** Whatever there is, where no configuration names it. */
export const observedAnyway = (config: Config): Observed => ({
  config,
  spans: 'service_name!=""',
  processes: '',
  pools: '',
  databases: '',
  ...windowsOf(config),
});

/** What somebody chose with the variables of a dashboard. */
export const chosenOf = (config: Config): Observed => ({
  config,
  spans: 'service_name=~"$service"',
  processes: 'job=~"$service"',
  pools: 'job=~"$service",db_client_connection_pool_name=~"$pool"',
  databases: 'database=~"$database"',
  ...windowsOf(config),
});
