import { z } from 'zod';
import { databaseUrl, token, whole } from '../lib/environmentValues.ts';
import { storeNames } from './stores/registry.ts';

const schema = z.object({
  DATABASE_URL: databaseUrl('postgres://shop_app:…@127.0.0.1:55432/shop'),
  SHOP_HOST: z.string().min(1).default('127.0.0.1'),
  SHOP_PORT: whole(0, 65_535, 3000).default(3000),
  SHOP_STORE: z.enum(storeNames, { error: `is no store; one of ${storeNames.join(', ')}` }).default('legacy'),
  SHOP_POOL_MAX: whole(1, 1_000, 10).default(10),
  SHOP_POOL_ACQUIRE_TIMEOUT_MS: whole(1, 600_000, 2_000).default(2_000),
  SHOP_STATEMENT_TIMEOUT_MS: whole(1, 600_000, 3_000).default(3_000),
  SQLTRAIL_TOKEN: token,
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
