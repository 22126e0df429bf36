import type { Config } from './schema.ts';

/** A scrape job of Prometheus. */
export interface Job {
  name: string;
  targets: { address: string; labels?: Record<string, string> }[];
}

/**
 * What Prometheus scrapes. Rules and dashboards select by these names, and a database's metrics by the label that its
 * target has.
 */
export function jobsOf({ services, databases, customers, parts }: Config): Job[] {
  const plain = (name: string, ...addresses: (string | undefined)[]): Job => ({
    name,
    targets: addresses.flatMap((address) => (address ? [{ address }] : [])),
  });
  const jobs = [
    ...services.map(({ name, metrics }) => plain(name, ...metrics)),
    {
      name: 'postgres',
      targets: databases.flatMap(({ name, exporter }) =>
        exporter ? [{ address: exporter, labels: { database: name } }] : [],
      ),
    },
    plain('collector', parts.collector),
    ...(customers ? [plain(customers.job, ...customers.metrics)] : []),
    plain('console', parts.console),
    plain('prometheus', parts.prometheus),
  ];
  return jobs.filter(({ targets }) => targets.length > 0);
}
