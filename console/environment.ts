import { z } from 'zod';
import { observed } from '../kpis/catalogue.ts';
import { databaseUrl, token, whole } from '../lib/environmentValues.ts';

const url = (example: string) =>
  z.url({ protocol: /^https?$/, error: `is not an http(s) URL; for example ${example}` });

const schema = z
  .object({
    CONSOLE_HOST: z.string().min(1).default('127.0.0.1'),
    CONSOLE_PORT: whole(0, 65_535, 8088).default(8088),
    /** Names under which browsers may reach the page, besides IP addresses and names without a dot. */
    CONSOLE_ALLOWED_HOSTS: z
      .string()
      .default('')
      .transform((list) => list.split(',').flatMap((host) => host.trim().toLowerCase() || [])),
    PROMETHEUS_URL: url('http://127.0.0.1:9090').default('http://127.0.0.1:9090'),
    ALERTMANAGER_URL: url('http://127.0.0.1:9093').default('http://127.0.0.1:9093'),
    TEMPO_URL: url('http://127.0.0.1:3200').optional(),
    /** Where histories of findings are kept. Without it none is, and nothing is diagnosed on a schedule. */
    CONSOLE_DIR: z.string().min(1).optional(),
    /** A role that owns the tables of the first database. Without it the console shows what could be done, and changes nothing. */
    OWNER_DATABASE_URL: databaseUrl('postgres://owner:…@127.0.0.1:5432/app').optional(),
    SQLTRAIL_TOKEN: token,
    /** What the Alertmanager sends; the console's own token where it is not set. */
    ALERT_WEBHOOK_TOKEN: token.optional(),
    CONSOLE_TRACES_MAX: whole(1, 1_000_000, 10_000).default(10_000),
    CONSOLE_TRACES_MAX_MB: whole(1, 8_192, 128).default(128),
  })
  .transform((env) => ({
    host: env.CONSOLE_HOST,
    port: env.CONSOLE_PORT,
    allowedHosts: env.CONSOLE_ALLOWED_HOSTS,
    prometheusUrl: env.PROMETHEUS_URL,
    alertmanagerUrl: env.ALERTMANAGER_URL,
    tempoUrl: env.TEMPO_URL,
    directory: env.CONSOLE_DIR,
    ownerUrl: env.OWNER_DATABASE_URL,
    token: env.SQLTRAIL_TOKEN,
    webhookToken: env.ALERT_WEBHOOK_TOKEN ?? env.SQLTRAIL_TOKEN,
    maxTraces: env.CONSOLE_TRACES_MAX,
    maxTraceBytes: env.CONSOLE_TRACES_MAX_MB * 1_000_000,
  }));

/** A database that the console shows. */
export interface TargetDatabase {
  name: string;
  /** Of the monitoring role. */
  url: string;
  /** Of a role that owns the tables; without it the console changes nothing. */
  ownerUrl?: string | undefined;
}

const monitorUrl = databaseUrl('postgres://sqltrail_monitor:…@127.0.0.1:5432/app');

export type Environment = Omit<z.infer<typeof schema>, 'ownerUrl'> & {
  /** In the order of the configuration; one or more. */
  databases: TargetDatabase[];
};

/** @throws Error with one line that names the first variable at fault */
function parse<T>(schema: z.ZodType<T>, given: unknown): T {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${issue?.path.join('.')} ${issue?.message}`);
}

/**
 * The console's settings; the configuration names the variable that holds each database's address. Values are never repeated in the message: a URL holds a password, a token is one.
 *
 * @throws Error with one line that names the first variable at fault, its fault and an example
 */
export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const configured = observed.config.databases;
  const { ownerUrl, ...settings } = parse(schema, given);
  parse(z.object(Object.fromEntries(configured.map(({ url_env }) => [url_env, monitorUrl]))), given);
  return {
    ...settings,
    databases: configured.map(({ name, url_env }, index) => ({
      name,
      url: String(given[url_env]),
      ...(index === 0 ? { ownerUrl } : {}),
    })),
  };
}
