import { jobsOf } from '../config/jobs.ts';
import type { Config } from '../config/schema.ts';
import { exporterQueries } from './exporterQueries.ts';
import { prometheusConfig, targetFile } from './prometheus.ts';

/** The file of a database's queries; of the only one it has no name in it. */
export const queriesFile = ({ databases }: Config, name: string): string =>
  databases.length > 1 ? `postgres_exporter.queries.${name}.yaml` : 'postgres_exporter.queries.yaml';

export const buildQueries = (config: Config): Record<string, string> =>
  Object.fromEntries(
    config.databases.map((database) => [
      queriesFile(config, database.name),
      exporterQueries(database, config.retention),
    ]),
  );

/** The files under collector/ that a configuration gives, by path relative to it. */
export const buildCollectorFiles = (config: Config): Record<string, string> => ({
  ...buildQueries(config),
  'prometheus.yml': prometheusConfig(config),
  ...Object.fromEntries(jobsOf(config).map((job) => [`targets/${job.name}.json`, targetFile(job)])),
});
