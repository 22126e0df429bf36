import type { DatabaseFacts } from './initRead.ts';

/** What is known of a service. */
export interface ServiceFacts {
  name: string;
  metrics: string[];
  pools: string[];
}

/** A YAML scalar, quoted where YAML would make something else of it. */
const scalar = (text: string) =>
  /^[A-Za-z_][\w.-]*$/.test(text) && !/^(null|true|false|yes|no|on|off|y|n)$/i.test(text)
    ? text
    : JSON.stringify(text);
const list = (texts: readonly string[]) => `[${texts.map(scalar).join(', ')}]`;

/** A name as the file takes it for a service, a database or a job. */
export const plainName = (text: string, otherwise: string) =>
  text.replace(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '') || otherwise;

const tableLine = ({ table, date, datedBy, old }: DatabaseFacts['tables'][number]) => {
  const keys = [
    `table: ${scalar(table)}`,
    ...(datedBy ? [`dated_by: ${scalar(datedBy)}`] : []),
    ...(date ? [`date: ${scalar(date)}`] : []),
    ...(old ? ['retention: old'] : []),
  ];
  return `      - { ${keys.join(', ')} }`;
};

const serviceLines = ({ name, metrics }: ServiceFacts) =>
  metrics.length > 0
    ? [`  - name: ${scalar(name)}`, `    metrics: ${list(metrics)}`]
    : [
        `  - name: ${scalar(name)}`,
        '    # Where Prometheus scrapes it (pools, timeouts, lost spans); without it those KPIs are left out.',
        '    # metrics: ["my-service:9464"]',
      ];

/** The text of a first `sqltrail.yaml`, with what could be added as comments. */
export function initialFile(facts: DatabaseFacts, services: readonly ServiceFacts[]): string {
  const pools = [...new Set(services.flatMap((service) => service.pools))];
  const old = facts.tables.some((table) => table.old);
  return `# What sqltrail observes. Written by \`sqltrail init\`; yours to change. Every key is explained in docs/configuration.md,
# and \`sqltrail export\` checks this file: an error names the line.
version: 1
# What people call it, in titles and texts.
system: service

# Rates look back that far, and the waits of alerts grow with it.
window: 5m
interval: 15s

services:
  # As OTEL_SERVICE_NAME has it. One that answers no HTTP requests, like the workers of a queue, says requests: false.
${services.flatMap(serviceLines).join('\n')}

databases:
  - name: ${scalar(plainName(facts.name, 'database'))}
    # The environment variable that holds the address of the monitoring role; no password stands in this file.
    url_env: DATABASE_URL
    # Where Prometheus scrapes its postgres_exporter; without it nothing is known of the server itself.
    # exporter: postgres-exporter:9187
${pools.length > 0 ? `    pools: ${list(pools)}` : '    # pools: [db]'}
${
  facts.tables.length > 0
    ? `    # Tables with a date: how much of them is cold, and how fast they grow. Those without a date are partitioned by time.
    tables:
${facts.tables.map(tableLine).join('\n')}`
    : '    # No table of 1,000 rows or more has a date column with statistics (ANALYZE makes them); such a line is\n    # tables: [{ table: public.tickets, date: sold_at }]'
}
${facts.skipped.map((text) => `    # Left out: ${text}\n`).join('')}
${
  old
    ? '# After how many days nobody writes or lists such rows any more. A year is a guess: it is yours to say.\nretention: { old: 365 }'
    : '# After how many days nobody writes or lists such rows any more; a table names its class as retention: logs.\n# retention: { logs: 90 }'
}

# The console diagnoses each database on this schedule, read-only, with at most 20 s of database time a run; without
# this line, when it is asked to.
diagnosis: { every: 15m }

# Objectives that differ from those in docs/kpis.md.
# objectives: { request-latency-p95: 0.3 }

# The request that earns money, for what failures cost.
# business: { name: Ticket, route: /tickets, method: POST, currency: EUR, value: { fixed: 48.5 } }

# Who receives alerts, in Alertmanager's own syntax.
# receivers:
#   - name: on-call
#     webhook_configs: [{ url: "http://pager.example/hook" }]

# urls: { prometheus: "http://prometheus:9090", console: "http://127.0.0.1:8088" }
`;
}
