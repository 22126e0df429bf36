import { z } from 'zod';

/** Grafana and `Intl` know them all by these codes. */
export const currencies = [
  'EUR',
  'USD',
  'GBP',
  'CHF',
  'JPY',
  'INR',
  'BRL',
  'SEK',
  'NOK',
  'DKK',
  'PLN',
  'CZK',
] as const;
export type Currency = (typeof currencies)[number];

/** It stands in regular expressions and in file names. */
const name = (what: string, example: string) =>
  z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'may only contain letters, digits, and _ . -')
    .meta({ description: what, examples: [example] });
const metric = (what: string, example: string) =>
  z
    .string()
    .regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/, 'is not a metric name')
    .meta({ description: what, examples: [example] });
const label = (what: string, example: string) =>
  z
    .string()
    .regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'is not a label name')
    .meta({ description: what, examples: [example] });
const text = (what: string, example: string) =>
  z
    .string()
    .min(1, 'is empty')
    .meta({ description: what, examples: [example] });
/** Between quotes in PromQL. */
const labelValue = (what: string, example: string) =>
  z
    .string()
    .regex(/^[^"\\\n]+$/, 'must not contain a quote, backslash or line break')
    .meta({ description: what, examples: [example] });
const target = (what: string, example: string) =>
  z
    .string()
    .regex(/^(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/, 'is not host:port')
    .meta({ description: what, examples: [example] });
const duration = (what: string, example: string) =>
  z
    .string()
    .regex(/^[1-9]\d{0,4}[smh]$/, 'is not a duration in s, m or h')
    .meta({ description: what, examples: [example] });
const url = (what: string, example: string) =>
  z
    .string()
    .regex(/^https?:\/\/[^\s"]*[^\s"/]$/, 'is not an http address without a trailing slash')
    .meta({ description: what, examples: [example] });
const tableName = (what: string, example: string) =>
  z
    .string()
    .regex(/^[^.\s'"]+\.[^.\s'"]+$/, 'is not schema.table')
    .meta({ description: what, examples: [example] });

const columnName = (what: string, example: string) =>
  z
    .string()
    .regex(/^[^\s'"\\]+$/, 'must not contain a blank, quote or backslash')
    .meta({ description: what, examples: [example] });

const service = z.strictObject({
  name: name('`service.name` of the service’s spans; also the name of its scrape job.', 'tickets-api'),
  metrics: z
    .array(target('', 'tickets-api:9464'))
    .default([])
    .meta({
      description:
        'Where Prometheus scrapes the service, for pools, timeouts and lost spans. Without it, those KPIs are left out.',
      examples: [['tickets-api:9464']],
    }),
  requests: z
    .boolean()
    .default(true)
    .meta({
      description:
        'Whether the service answers HTTP requests. If no service does, as with the workers of a queue, KPIs and alerts of requests are left out.',
      examples: [false],
    }),
});

const table = z.strictObject({
  table: tableName('The table, with its schema.', 'public.tickets'),
  date: columnName(
    'The column that gives the age of a row. Not needed for a table partitioned by time.',
    'sold_at',
  ).optional(),
  dated_by: tableName(
    'A parent table that has the date, if rows of this table are as old as the rows they belong to.',
    'public.tickets',
  ).optional(),
  retention: name('The retention class. Without it, rows never become cold.', 'tickets').optional(),
  copy_of: tableName(
    'Another table that holds the same rows. While it exists, growth is only counted there.',
    'public.tickets',
  ).optional(),
});

const database = z.strictObject({
  name: name('Name of the database; the label `database` on all of its metrics.', 'tickets'),
  url_env: z
    .string()
    .regex(/^[A-Z_][A-Z0-9_]*$/, 'is not the name of an environment variable')
    .default('DATABASE_URL')
    .meta({
      description:
        'The environment variable that holds the URL of the database, with the monitoring role. The file never contains a password.',
      examples: ['TICKETS_DATABASE_URL'],
    }),
  exporter: target(
    'Where Prometheus scrapes the postgres_exporter of the database.',
    'postgres-exporter:9187',
  ).optional(),
  pools: z
    .array(labelValue('', 'db'))
    .default([])
    .meta({
      description:
        'Connection pools of the services on this database, as in `db.client.connection.pool.name`.',
      examples: [['db']],
    }),
  tables: z
    .array(table)
    .default([])
    .meta({
      description: 'Tables with dated rows, to measure how much of them is cold and how fast they grow.',
      examples: [[{ table: 'public.tickets', date: 'sold_at', retention: 'tickets' }]],
    }),
});

const counted = (what: string, example: string, completed: string) =>
  z
    .strictObject({
      metric: metric('The counter.', example),
      label: label('Label of the counter with the outcome.', 'outcome').default('outcome'),
      completed: labelValue('Value of that label for success.', completed),
    })
    .meta({ description: what, examples: [{ metric: example, completed }] });

const business = z.strictObject({
  name: text('Name of the transaction, one capitalised word; texts add an s for the plural.', 'Purchase'),
  route: labelValue(
    '`http.route` of the request that earns money; of GraphQL with its operation, such as `/graphql mutation Checkout`.',
    '/tickets',
  ),
  method: z
    .enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
    .default('POST')
    .meta({
      description: '`http.request.method` of that request.',
      examples: ['POST'],
    }),
  currency: z
    .enum(currencies)
    .default('EUR')
    .meta({ description: 'Currency of the value.', examples: ['EUR'] }),
  value: z
    .union([
      z.strictObject({
        fixed: z
          .number()
          .positive()
          .meta({ description: 'Mean value of one transaction, in the currency.', examples: [48.5] }),
      }),
      z.strictObject({
        lost: metric(
          'A counter of the value of failed transactions, in the currency.',
          'lost_ticket_value_total',
        ),
      }),
    ])
    .optional()
    .meta({
      description: 'Value of one transaction. Without it, the KPI of lost value is left out.',
      examples: [{ fixed: 48.5 }],
    }),
  attempts: counted(
    'A counter of attempts as customers saw them, if there is one. Without it, requests of the route are counted from spans.',
    'ticket_attempts_total',
    'completed',
  ).optional(),
  placed: counted(
    'A counter of completed transactions that the service exports itself, if it has one.',
    'tickets_total',
    'placed',
  ).optional(),
});

const customers = z.strictObject({
  job: name(
    'Scrape job of whatever measures customers: a load generator, a probe, a load balancer.',
    'probe',
  ),
  metrics: z
    .array(target('', 'probe:9465'))
    .default([])
    .meta({ description: 'Where Prometheus scrapes that job.', examples: [['probe:9465']] }),
  duration: metric(
    'Histogram of how long customers waited, in seconds, with a bucket at 0.5.',
    'page_duration_seconds',
  ),
  requests: metric('Counter of customers’ requests.', 'page_requests_total'),
  outcome: label('Label of both metrics with the outcome of a request.', 'outcome').default('outcome'),
  ok: labelValue('Value of that label for success.', 'ok').default('ok'),
  by: label('Label of both metrics with the kind of request.', 'page').default('page'),
});

const receiver = z
  .looseObject({ name: text('Name of the receiver.', 'on-call') })
  .refine(
    (given) =>
      Object.entries(given).every(
        ([key, value]) => key === 'name' || (/_configs$/.test(key) && Array.isArray(value)),
      ),
    'has a key that Alertmanager does not know; it knows keys such as webhook_configs, email_configs, slack_configs',
  );

export const configSchema = z
  .strictObject({
    version: z.literal(1).meta({ description: 'Version of this file format.', examples: [1] }),
    system: text('Name of the whole system, used in titles and texts.', 'ticket office').default('service'),
    window: z
      .string()
      .regex(/^[1-5]?\d?m$/, 'is not a whole number of minutes below an hour')
      .refine((given) => Number.parseInt(given, 10) > 0, 'is not a whole number of minutes below an hour')
      .default('5m')
      .meta({
        description:
          'Window of all rates. The waits of alerts grow with it: with 1m, an alert fires within half a minute, even on a single statement timeout; with 5m, it takes minutes.',
        examples: ['5m'],
      }),
    interval: duration(
      'How often metrics are scraped and rules evaluated; at most a quarter of the window.',
      '15s',
    ).default('15s'),
    services: z
      .array(service)
      .min(1, 'names no service')
      .meta({
        description: 'The services to observe.',
        examples: [[{ name: 'tickets-api', metrics: ['tickets-api:9464'] }]],
      }),
    databases: z
      .array(database)
      .min(1, 'names no database')
      .meta({
        description: 'The databases that the services use.',
        examples: [[{ name: 'tickets', url_env: 'DATABASE_URL', pools: ['db'] }]],
      }),
    retention: z
      .record(z.string(), z.int().positive().max(36_500))
      .default({})
      .meta({
        description:
          'Retention classes, each with the number of days after which nobody writes or lists such rows any more.',
        examples: [{ tickets: 365, logs: 90 }],
      }),
    objectives: z
      .record(z.string(), z.number())
      .default({})
      .meta({
        description:
          'Objectives that differ from those of the catalogue (docs/kpis.md), by KPI id, in the base unit of the KPI.',
        examples: [{ 'request-latency-p95': 0.3 }],
      }),
    phases: z
      .boolean()
      .default(false)
      .meta({
        description:
          'Whether phases are set in the console, as the demo does. Panels then compare the phases.',
        examples: [true],
      }),
    customers: customers.optional().meta({
      description:
        'Measurements from outside the services. Without them, customer KPIs come from the services’ spans or are left out.',
      examples: [{ job: 'probe', duration: 'page_duration_seconds', requests: 'page_requests_total' }],
    }),
    business: business.optional().meta({
      description: 'The transaction that earns money. Without it, there is no business page.',
      examples: [{ name: 'Ticket', route: '/tickets', method: 'POST', value: { fixed: 48.5 } }],
    }),
    diagnosis: z
      .strictObject({
        every: duration('Time between the starts of two runs; a minute or more.', '15m')
          .refine((given) => secondsOf(given) >= 60, 'is less than a minute')
          .default('15m'),
        budget: duration('Maximum database time of a run on each database.', '20s').default('20s'),
      })
      .optional()
      .meta({
        description:
          'The console diagnoses each database on a schedule, keeps the findings with their history, and exports them as metrics. Without it, there is no schedule, and alerts on findings are left out.',
        examples: [{ every: '15m' }],
      }),
    receivers: z
      .array(receiver)
      .default([])
      .meta({
        description: 'Receivers of alerts, in Alertmanager’s own syntax.',
        examples: [[{ name: 'on-call', webhook_configs: [{ url: 'http://pager.example/hook' }] }]],
      }),
    routes: z
      .strictObject({
        page: text(
          'Receiver of alerts that page somebody (default: the first receiver).',
          'on-call',
        ).optional(),
        ticket: text('Receiver of all other alerts (default: the first receiver).', 'on-call').optional(),
      })
      .default({})
      .meta({
        description: 'Which receiver gets which alerts.',
        examples: [{ page: 'on-call', ticket: 'team' }],
      }),
    parts: z
      .strictObject({
        collector: target('The collector.', 'otelcol:8888').optional(),
        console: target('The console.', 'console:8088').optional(),
        prometheus: target('Prometheus itself.', 'prometheus:9090').optional(),
      })
      .default({})
      .meta({
        description: 'Where Prometheus scrapes the metrics of the collector, the console and itself.',
        examples: [{ collector: 'otelcol:8888' }],
      }),
    urls: z
      .strictObject({
        prometheus: url('Prometheus.', 'http://prometheus:9090').default('http://127.0.0.1:9090'),
        console: url('The console; links lead there.', 'http://127.0.0.1:8088').default(
          'http://127.0.0.1:8088',
        ),
        tempo: url('Tempo’s endpoint for OTLP/HTTP, if there is one.', 'http://tempo:4318').optional(),
        runbooks: text(
          'Where runbooks are; `{alert}` stands for the name of the alert (default: in the console).',
          'https://wiki.example/runbooks/{alert}',
        ).optional(),
      })
      .prefault({})
      .meta({ description: 'Base URLs.', examples: [{ console: 'http://127.0.0.1:8088' }] }),
  })
  .meta({ title: 'sqltrail.yaml', description: 'What sqltrail observes.' });

/** A valid `sqltrail.yaml`, with its defaults. */
export type Config = z.infer<typeof configSchema>;
export type ServiceConfig = Config['services'][number];
export type DatabaseConfig = Config['databases'][number];
export type BusinessConfig = NonNullable<Config['business']>;

/** Whether there are HTTP requests to count. */
export const answersRequests = ({ services }: Pick<Config, 'services'>): boolean =>
  services.some(({ requests }) => requests);

/** @returns seconds of a duration such as `5m` */
export const secondsOf = (given: string): number =>
  Number.parseInt(given, 10) * ({ s: 1, m: 60, h: 3600 }[given.at(-1) as 's' | 'm' | 'h'] ?? 1);

/** The shortest duration that says it, such as `75s` or `5m`. */
export const durationText = (seconds: number): string =>
  seconds % 3600 === 0 ? `${seconds / 3600}h` : seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
