import { z } from 'zod';
import { PROFILE_NAMES, type ProfileRates } from './profiles.ts';

/** Names of the journeys, as `LOAD_MIX` and the metric label `journey` use them. */
export const JOURNEY_NAMES = ['buy', 'search', 'browse', 'history', 'rebuy', 'report'] as const;
export type JourneyName = (typeof JOURNEY_NAMES)[number];
export type JourneyMix = Record<JourneyName, number>;

/**
 * Of 100 visits: most look around, a quarter puts something into a basket and goes for the checkout (of those that
 * reach a product page of a sick shop far fewer get through), regulars check their orders or buy again, and the
 * back office asks for its sales report now and then.
 */
export const DEFAULT_MIX: JourneyMix = { buy: 24, search: 30, browse: 20, history: 15, rebuy: 10, report: 1 };

const number = z.coerce.number<string>();
const rate = number.min(0).max(10_000);
const share = number.min(0).max(1);

const mix = z.string().transform((text, context): JourneyMix => {
  const weights = Object.fromEntries(JOURNEY_NAMES.map((name) => [name, 0])) as JourneyMix;
  for (const part of text.split(',')) {
    const [name = '', weight = ''] = part.split('=').map((s) => s.trim());
    const value = weight === '' ? Number.NaN : Number(weight);
    if (!(JOURNEY_NAMES as readonly string[]).includes(name) || !(value >= 0) || !Number.isFinite(value)) {
      context.addIssue(`"${part}" is not <journey>=<weight> with a journey of ${JOURNEY_NAMES.join(', ')}`);
      return z.NEVER;
    }
    weights[name as JourneyName] = value;
  }
  if (!Object.values(weights).some((weight) => weight > 0)) {
    context.addIssue('at least one weight must be above 0');
    return z.NEVER;
  }
  return weights;
});

interface Variable<T> {
  schema: z.ZodType<T, string | undefined>;
  default?: string;
  example: string;
  about: string;
  secret?: boolean;
}

const variable = <T>(definition: Variable<T>): Variable<T> => definition;

/** Every variable that the load generator reads, with the text of `--help`. */
export const VARIABLES = {
  LOAD_TARGET: variable({
    schema: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }),
    default: 'http://127.0.0.1:3000',
    example: 'http://127.0.0.1:3000',
    about: 'URL of the shop',
  }),
  LOAD_HOST: variable({
    schema: z.string().min(1),
    default: '127.0.0.1',
    example: '127.0.0.1',
    about: 'address of the control server and /metrics',
  }),
  LOAD_PORT: variable({
    schema: number.int().min(0).max(65_535),
    default: '9465',
    example: '9465',
    about: 'port of the control server and /metrics; 0 takes a free one',
  }),
  SQLTRAIL_TOKEN: variable({
    schema: z.string().min(8, { error: 'must have at least 8 characters' }).optional(),
    example: '$(openssl rand -hex 16)',
    about: 'bearer token of POST /profile; without it the profile cannot be changed at run time',
    secret: true,
  }),
  LOAD_PROFILE: variable({
    schema: z.enum(PROFILE_NAMES),
    default: 'ordinary',
    example: 'peak',
    about: `profile at the start: ${PROFILE_NAMES.join(', ')}`,
  }),
  LOAD_SEED: variable({
    schema: number.int().min(0).max(4_294_967_295),
    default: '1',
    example: '7',
    about: 'same seed, same arrivals, same customers, same choices',
  }),
  LOAD_IDLE_RATE: variable({
    schema: rate,
    default: '0',
    example: '0.1',
    about: 'journeys a second of profile idle',
  }),
  LOAD_ORDINARY_RATE: variable({
    schema: rate,
    default: '0.25',
    example: '0.25',
    about: 'journeys a second of profile ordinary',
  }),
  LOAD_PEAK_RATE: variable({
    schema: rate,
    default: '5',
    example: '5',
    about: 'journeys a second of profile peak, and of the evening peak of day',
  }),
  LOAD_DAY_MINUTES: variable({
    schema: number.min(0.1).max(1440),
    default: '12',
    example: '12',
    about: 'minutes that the 24 hours of profile day are squeezed into',
  }),
  LOAD_MIX: variable({
    schema: mix,
    default: Object.entries(DEFAULT_MIX)
      .map(([name, weight]) => `${name}=${weight}`)
      .join(','),
    example: 'buy=1,search=2',
    about: 'weights of the journeys; one that is not named gets 0',
  }),
  LOAD_ZIPF_PRODUCT: variable({
    schema: number.min(0).max(3),
    default: '0.9',
    example: '0.9',
    about: 'Zipf exponent of the choice of product; 0 is uniform',
  }),
  LOAD_ZIPF_CUSTOMER: variable({
    schema: number.min(0).max(3),
    default: '0.7',
    example: '0.7',
    about: 'Zipf exponent of the choice of customer; 0 is uniform',
  }),
  LOAD_THINK_MS: variable({
    schema: number.min(0).max(600_000),
    default: '1000',
    example: '1000',
    about: 'mean time between the answer to a step and the click of the next (exponential)',
  }),
  LOAD_TIMEOUT_MS: variable({
    schema: number.min(1).max(600_000),
    default: '10000',
    example: '10000',
    about: "the client's timeout of one request, from its intended start",
  }),
  LOAD_PATIENCE_MS: variable({
    schema: number.min(1).max(600_000),
    default: '4000',
    example: '4000',
    about: 'median of how long an impatient customer waits for a page (lognormal, sigma 0.5)',
  }),
  LOAD_ABANDON_PROBABILITY: variable({
    schema: share,
    default: '0.6',
    example: '0.6',
    about: 'share of customers who are impatient: they leave when a page takes longer than their patience',
  }),
  LOAD_RETRY_SHARE: variable({
    schema: share,
    default: '0.4',
    example: '0.4',
    about: 'share of customers who try a failed request once more; the others leave',
  }),
  LOAD_MAX_IN_FLIGHT: variable({
    schema: number.int().min(1).max(20_000),
    default: '1000',
    example: '1000',
    about: 'journeys at once, and connections to the shop; an arrival beyond is counted as refused',
  }),
  LOAD_DRAIN_MS: variable({
    schema: number.min(0).max(600_000),
    default: '12000',
    example: '12000',
    about: 'after Ctrl-C or SIGTERM, how long journeys in flight may take to finish',
  }),
  LOAD_WINDOW_SECONDS: variable({
    schema: number.int().min(5).max(3600),
    default: '60',
    example: '60',
    about: 'window of the percentiles in /summary',
  }),
  LOAD_LEDGER: variable({
    schema: z.string().min(1).optional(),
    example: 'ledger.jsonl',
    about:
      'file that gets each acknowledged checkout before it is counted; without it the ledger is in memory',
  }),
} as const;

type Variables = typeof VARIABLES;
type Environment = { [Name in keyof Variables]: z.output<Variables[Name]['schema']> };

/** The validated configuration. Times in milliseconds, rates in journeys a second. */
export type LoadConfig = Environment & { rates: ProfileRates };

/** A variable of the environment is wrong; the message is one line naming it, its fault and an example. */
export class ConfigError extends Error {}

/**
 * Reads the configuration. An empty variable counts as unset, as compose files produce them.
 *
 * @throws ConfigError for the first variable that is wrong
 */
export function readConfig(env: NodeJS.ProcessEnv): LoadConfig {
  const values: Record<string, unknown> = {};
  for (const [name, definition] of Object.entries<Variable<unknown>>(VARIABLES)) {
    const text = env[name] || definition.default;
    if (text === undefined) continue;
    const result = definition.schema.safeParse(text);
    if (!result.success) {
      const given = definition.secret ? '' : ` (it is "${text}")`;
      const fault = result.error.issues[0]?.message ?? 'is wrong';
      throw new ConfigError(`${name}${given}: ${fault}; for example ${name}=${definition.example}`);
    }
    values[name] = result.data;
  }
  const config = values as Environment;
  return {
    ...config,
    rates: {
      idle: config.LOAD_IDLE_RATE,
      ordinary: config.LOAD_ORDINARY_RATE,
      peak: config.LOAD_PEAK_RATE,
      dayMinutes: config.LOAD_DAY_MINUTES,
    },
  };
}

/** The variables with their defaults, for `--help`. */
export function describeVariables(): string {
  const width = Math.max(...Object.keys(VARIABLES).map((name) => name.length)) + 2;
  return Object.entries<Variable<unknown>>(VARIABLES)
    .map(([name, { about, default: value }]) => {
      const suffix = value === undefined ? '' : ` [${value}]`;
      return `  ${name.padEnd(width)}${about}${suffix}`;
    })
    .join('\n');
}
