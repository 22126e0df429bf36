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
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'may have letters, digits, and _ . - only')
    .meta({ description: what, examples: [example] });
const metric = (what: string, example: string) =>
  z
    .string()
    .regex(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/, 'is no name of a metric')
    .meta({ description: what, examples: [example] });
const label = (what: string, example: string) =>
  z
    .string()
    .regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'is no name of a label')
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
    .regex(/^[^"\\\n]+$/, 'may have no quote, backslash or line break')
    .meta({ description: what, examples: [example] });
const target = (what: string, example: string) =>
  z
    .string()
    .regex(/^(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}$/, 'is no host:port')
    .meta({ description: what, examples: [example] });
const duration = (what: string, example: string) =>
  z
    .string()
    .regex(/^[1-9]\d{0,4}[smh]$/, 'is no duration in s, m or h')
    .meta({ description: what, examples: [example] });
const url = (what: string, example: string) =>
  z
    .string()
    .regex(/^https?:\/\/[^\s"]*[^\s"/]$/, 'is no http address without a slash at its end')
    .meta({ description: what, examples: [example] });
const tableName = (what: string, example: string) =>
  z
    .string()
    .regex(/^[^.\s'"]+\.[^.\s'"]+$/, 'is no schema.table')
    .meta({ description: what, examples: [example] });

const columnName = (what: string, example: string) =>
  z
    .string()
    .regex(/^[^\s'"\\]+$/, 'may have no blank, quote or backslash')
    .meta({ description: what, examples: [example] });

const service = z.strictObject({
  name: name('`service.name` of its spans; also the name of its scrape job.', 'tickets-api'),
  metrics: z
    .array(target('', 'tickets-api:9464'))
    .default([])
    .meta({
      description:
        'Where Prometheus scrapes it: pools, timeouts, lost spans. Without it those KPIs are left out.',
      examples: [['tickets-api:9464']],
    }),
});

const table = z.strictObject({
  table: tableName('The table, with its schema.', 'public.tickets'),
  date: columnName(
    'The column that says how old a row is. None for a table partitioned by time.',
    'sold_at',
  ).optional(),
  dated_by: tableName(
    'A table that has the date, where this one belongs to it and is as old.',
    'public.tickets',
  ).optional(),
  retention: name('The retention class. Without one, rows never become cold.', 'tickets').optional(),
  copy_of: tableName(
    'While this other table is there, both hold the same rows, and growth is counted in that one only.',
    'public.tickets',
  ).optional(),
});

const database = z.strictObject({
  name: name('What the database is called, on every metric of it as the label `database`.', 'tickets'),
  url_env: z
    .string()
    .regex(/^[A-Z_][A-Z0-9_]*$/, 'is no name of an environment variable')
    .default('DATABASE_URL')
    .meta({
      description:
        'The environment variable that holds its address, for the monitoring role. The file never holds a password.',
      examples: ['TICKETS_DATABASE_URL'],
    }),
  exporter: target('Where Prometheus scrapes its postgres_exporter.', 'postgres-exporter:9187').optional(),
  pools: z
    .array(labelValue('', 'db'))
    .default([])
    .meta({
      description: 'Connection pools of the services on it, as `db.client.connection.pool.name` has them.',
      examples: [['db']],
    }),
  tables: z
    .array(table)
    .default([])
    .meta({
      description: 'Tables whose rows have an age: how much is cold, and how fast they grow.',
      examples: [[{ table: 'public.tickets', date: 'sold_at', retention: 'tickets' }]],
    }),
});

const counted = (what: string, example: string, completed: string) =>
  z
    .strictObject({
      metric: metric('The counter.', example),
      label: label('Its label that says how it ended.', 'outcome').default('outcome'),
      completed: labelValue('The value of that label when it ended well.', completed),
    })
    .meta({ description: what, examples: [{ metric: example, completed }] });

const business = z.strictObject({
  name: text('What is done, in one word with a capital; texts add an s for several.', 'Purchase'),
  route: labelValue('`http.route` of the request that earns money.', '/tickets'),
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
    .meta({ description: 'In which the value is counted.', examples: ['EUR'] }),
  value: z
    .union([
      z.strictObject({
        fixed: z
          .number()
          .positive()
          .meta({ description: 'Mean value of one, in the currency.', examples: [48.5] }),
      }),
      z.strictObject({
        lost: metric(
          'A counter of the value of those that failed, in the currency.',
          'lost_ticket_value_total',
        ),
      }),
    ])
    .optional()
    .meta({
      description: 'What one is worth. Without it the KPI of lost value is left out.',
      examples: [{ fixed: 48.5 }],
    }),
  attempts: counted(
    'A counter of attempts as customers saw them, where one exists. Without it, the requests of the route are counted from their spans.',
    'ticket_attempts_total',
    'completed',
  ).optional(),
  placed: counted('A counter of the service itself, where it has one.', 'tickets_total', 'placed').optional(),
});

const customers = z.strictObject({
  job: name('Its scrape job: a load generator, a probe, a load balancer.', 'probe'),
  metrics: z
    .array(target('', 'probe:9465'))
    .default([])
    .meta({ description: 'Where Prometheus scrapes it.', examples: [['probe:9465']] }),
  duration: metric(
    'Histogram of what customers waited, in seconds, with a bucket at 0.5.',
    'page_duration_seconds',
  ),
  requests: metric('Counter of their requests.', 'page_requests_total'),
  outcome: label('Label of both that says how it ended.', 'outcome').default('outcome'),
  ok: labelValue('The value of that label when it ended well.', 'ok').default('ok'),
  by: label('Label of both that says which kind of request it was.', 'page').default('page'),
});

const receiver = z
  .looseObject({ name: text('Its name.', 'on-call') })
  .refine(
    (given) =>
      Object.entries(given).every(
        ([key, value]) => key === 'name' || (/_configs$/.test(key) && Array.isArray(value)),
      ),
    'has a key that is none of Alertmanager’s, such as webhook_configs, email_configs, slack_configs',
  );

export const configSchema = z
  .strictObject({
    version: z.literal(1).meta({ description: 'Of this format.', examples: [1] }),
    system: text('What people call the whole, in titles and texts.', 'ticket office').default('service'),
    window: z
      .string()
      .regex(/^[1-5]?\d?m$/, 'is no whole number of minutes below an hour')
      .refine((given) => Number.parseInt(given, 10) > 0, 'is no whole number of minutes below an hour')
      .default('5m')
      .meta({
        description:
          'Over which rates are taken. Waits of alerts grow with it: at 1m an alert fires within half a minute, on a single statement timeout too; at 5m it takes minutes.',
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
        description: 'The services that are observed.',
        examples: [[{ name: 'tickets-api', metrics: ['tickets-api:9464'] }]],
      }),
    databases: z
      .array(database)
      .min(1, 'names no database')
      .meta({
        description: 'The databases that they use.',
        examples: [[{ name: 'tickets', url_env: 'DATABASE_URL', pools: ['db'] }]],
      }),
    retention: z
      .record(z.string(), z.int().positive().max(36_500))
      .default({})
      .meta({
        description: 'Retention classes: after how many days nobody writes or lists such rows any more.',
        examples: [{ tickets: 365, logs: 90 }],
      }),
    objectives: z
      .record(z.string(), z.number())
      .default({})
      .meta({
        description:
          'Objectives that differ from the catalogue’s (docs/kpis.md), by id of the KPI, in its base unit.',
        examples: [{ 'request-latency-p95': 0.3 }],
      }),
    phases: z
      .boolean()
      .default(false)
      .meta({
        description:
          'Whether somebody sets phases in the console, as the demo does: panels then compare them.',
        examples: [true],
      }),
    customers: customers.optional().meta({
      description:
        'What is measured outside the services. Without it, KPIs of customers come from the services’ spans or are left out.',
      examples: [{ job: 'probe', duration: 'page_duration_seconds', requests: 'page_requests_total' }],
    }),
    business: business.optional().meta({
      description: 'The transaction that earns money. Without it there is no business page.',
      examples: [{ name: 'Ticket', route: '/tickets', method: 'POST', value: { fixed: 48.5 } }],
    }),
    diagnosis: z
      .strictObject({
        every: duration('Between the beginnings of two runs; a minute or more.', '15m')
          .refine((given) => secondsOf(given) >= 60, 'is less than a minute')
          .default('15m'),
        budget: duration('Database time that a run may take of each database.', '20s').default('20s'),
      })
      .optional()
      .meta({
        description:
          'The console diagnoses each database on a schedule, keeps the findings with their history, and exports them as metrics. Without it there is no schedule, and alerts on findings are left out.',
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
          'The receiver of alerts that wake somebody; the first one by default.',
          'on-call',
        ).optional(),
        ticket: text('The receiver of all others; the first one by default.', 'on-call').optional(),
      })
      .default({})
      .meta({ description: 'Who receives what.', examples: [{ page: 'on-call', ticket: 'team' }] }),
    parts: z
      .strictObject({
        collector: target('Of the collector.', 'otelcol:8888').optional(),
        console: target('Of the console.', 'console:8088').optional(),
        prometheus: target('Of Prometheus.', 'prometheus:9090').optional(),
      })
      .default({})
      .meta({
        description: 'Where Prometheus scrapes the metrics of collector, console and itself.',
        examples: [{ collector: 'otelcol:8888' }],
      }),
    urls: z
      .strictObject({
        prometheus: url('Where Prometheus answers.', 'http://prometheus:9090').default(
          'http://127.0.0.1:9090',
        ),
        console: url('Where the console answers; links lead there.', 'http://127.0.0.1:8088').default(
          'http://127.0.0.1:8088',
        ),
        tempo: url('Where Tempo takes OTLP/HTTP, if there is one.', 'http://tempo:4318').optional(),
        runbooks: text(
          'Where an alert’s runbook is; `{alert}` stands for its name. The console’s by default.',
          'https://wiki.example/runbooks/{alert}',
        ).optional(),
      })
      .prefault({})
      .meta({ description: 'Addresses.', examples: [{ console: 'http://127.0.0.1:8088' }] }),
  })
  .meta({ title: 'sqltrail.yaml', description: 'What sqltrail observes.' });

/** A valid `sqltrail.yaml`, with its defaults. */
export type Config = z.infer<typeof configSchema>;
export type ServiceConfig = Config['services'][number];
export type DatabaseConfig = Config['databases'][number];
export type BusinessConfig = NonNullable<Config['business']>;

/** @returns seconds of a duration such as `5m` */
export const secondsOf = (given: string): number =>
  Number.parseInt(given, 10) * ({ s: 1, m: 60, h: 3600 }[given.at(-1) as 's' | 'm' | 'h'] ?? 1);

/** The shortest duration that says it, such as `75s` or `5m`. */
export const durationText = (seconds: number): string =>
  seconds % 3600 === 0 ? `${seconds / 3600}h` : seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
