import { type Job, jobsOf } from '../config/jobs.ts';
import type { Config } from '../config/schema.ts';
import { yaml } from '../lib/yaml.ts';

/** Lets a scrape end before the next one. */
const scraping = ({ interval }: Config) => ({
  scrape_interval: interval,
  scrape_timeout: `${Math.max(1, Math.min(10, Number.parseInt(interval, 10) - 1))}s`,
});

const grouped = ({ targets }: Job) =>
  targets.map(({ address, labels }) => ({ targets: [address], ...(labels ? { labels } : {}) }));

/** Scrape jobs for a Prometheus that is there already (`scrape_config_files`). */
export const scrapeConfig = (config: Config): string =>
  yaml({
    scrape_configs: jobsOf(config).map((job) => ({
      job_name: job.name,
      ...scraping(config),
      static_configs: grouped(job),
    })),
  });

/**
 * The configuration of our own Prometheus: the same in Docker and native, because what differs, the addresses, is in
 * files beside it.
 */
export const prometheusConfig = (config: Config): string =>
  `# Made by sqltrail from sqltrail.yaml. The same file in Docker and native; only the target files differ.\n${yaml(
    {
      global: { ...scraping(config), evaluation_interval: config.interval },
      storage: {
        // The collector sends again what it could not send while Prometheus was away.
        tsdb: { out_of_order_time_window: '10m' },
        exemplars: { max_exemplars: 100_000 },
      },
      rule_files: ['../alerts/rules/*.yaml'],
      alerting: { alertmanagers: [{ file_sd_configs: [fileOf('alertmanager')] }] },
      scrape_configs: jobsOf(config).map(({ name }) => ({ job_name: name, file_sd_configs: [fileOf(name)] })),
    },
  )}`;

const fileOf = (name: string) => ({ files: [`targets/${name}.json`], refresh_interval: '30s' });

/** What lies in a target file. */
export const targetFile = (job: Job): string => {
  const spaced = (value: unknown): string =>
    Array.isArray(value)
      ? `[${value.map(spaced).join(', ')}]`
      : value !== null && typeof value === 'object'
        ? `{ ${Object.entries(value)
            .map(([key, inner]) => `${JSON.stringify(key)}: ${spaced(inner)}`)
            .join(', ')} }`
        : JSON.stringify(value);
  return `${spaced(grouped(job))}\n`;
};
