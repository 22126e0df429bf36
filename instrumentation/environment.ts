import { z } from 'zod';

const whole = (least: number, most: number, example: number) =>
  z.coerce
    .number({ error: `is not a number; for example ${example}` })
    .int(`is not a whole number; for example ${example}`)
    .min(least, `is below ${least}; for example ${example}`)
    .max(most, `is above ${most}; for example ${example}`);

const schema = z
  .object({
    OTEL_SERVICE_NAME: z.string().min(1).max(255).default('shop'),
    OTEL_EXPORTER_OTLP_ENDPOINT: z
      .url({ protocol: /^https?$/, error: 'is not an http(s) URL; for example http://127.0.0.1:4318' })
      .default('http://127.0.0.1:4318'),
    OTEL_EXPORTER_PROMETHEUS_HOST: z.string().min(1).default('127.0.0.1'),
    OTEL_EXPORTER_PROMETHEUS_PORT: whole(0, 65_535, 9464).default(9464),
    /** Where plans are captured: a role that may EXPLAIN. Without it and without DATABASE_URL none are. */
    SQLTRAIL_PLAN_DATABASE_URL: z.string().optional(),
    DATABASE_URL: z.string().optional(),
    SQLTRAIL_PLAN_SLOW_MS: whole(1, 600_000, 250).default(250),
  })
  .transform((env) => ({
    serviceName: env.OTEL_SERVICE_NAME,
    otlpEndpoint: env.OTEL_EXPORTER_OTLP_ENDPOINT,
    metricsHost: env.OTEL_EXPORTER_PROMETHEUS_HOST,
    metricsPort: env.OTEL_EXPORTER_PROMETHEUS_PORT,
    planDatabaseUrl: env.SQLTRAIL_PLAN_DATABASE_URL ?? env.DATABASE_URL,
    slowStatementMs: env.SQLTRAIL_PLAN_SLOW_MS,
  }));

export type TelemetryEnvironment = z.infer<typeof schema>;

/**
 * The telemetry's settings. An empty variable counts as unset; a value is never repeated, for a URL holds a password.
 *
 * @throws Error with one line naming the first variable at fault, its fault and an example
 */
export function readEnvironment(env: NodeJS.ProcessEnv): TelemetryEnvironment {
  const parsed = schema.safeParse(
    Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')),
  );
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${issue?.path.join('.')} ${issue?.message}`);
}
