import { z } from 'zod';
import { storeNames } from './stores/registry.ts';

const whole = (least: number, most: number, example: number) =>
  z.coerce
    .number({ error: `is not a number; for example ${example}` })
    .int(`is not a whole number; for example ${example}`)
    .min(least, `is below ${least}; for example ${example}`)
    .max(most, `is above ${most}; for example ${example}`);

const schema = z.object({
  DATABASE_URL: z.url({
    protocol: /^postgres(ql)?$/,
    error: 'is not a Postgres URL; for example postgres://shop_app:…@127.0.0.1:55432/shop',
  }),
  SHOP_HOST: z.string().min(1).default('127.0.0.1'),
  SHOP_PORT: whole(0, 65_535, 3000).default(3000),
  SHOP_STORE: z.enum(storeNames, { error: `is no store; one of ${storeNames.join(', ')}` }).default('legacy'),
  SHOP_POOL_MAX: whole(1, 1_000, 10).default(10),
  SHOP_POOL_ACQUIRE_TIMEOUT_MS: whole(1, 600_000, 2_000).default(2_000),
  SHOP_STATEMENT_TIMEOUT_MS: whole(1, 600_000, 3_000).default(3_000),
  SQLTRAIL_TOKEN: z
    .string({ error: 'is missing; make one with: openssl rand -hex 24' })
    .min(16, 'has fewer than 16 characters; make one with: openssl rand -hex 24'),
});

export type ShopEnvironment = z.infer<typeof schema>;

/**
 * The shop's settings. An empty variable counts as unset. A value is never repeated: a URL holds a password.
 *
 * @throws Error with one line naming the first variable at fault, its fault and an example
 */
export function readEnvironment(env: NodeJS.ProcessEnv): ShopEnvironment {
  const parsed = schema.safeParse(
    Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')),
  );
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${issue?.path.join('.')} ${issue?.message}`);
}
