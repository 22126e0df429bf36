import { createRequire } from 'node:module';

/** What the instrumentations patch; nothing else is slowed down by the hooks. */
export const HOOKED = [
  ...['pg', 'pg-pool', 'tarn', 'sequelize-pool'],
  ...['express', 'http', 'https', 'node:http', 'node:https'],
];

/**
 * Lets ESM imports be patched, in this thread, which costs half the start-up time of `module.register`'s own.
 *
 * The hooks and the instrumentations must share one copy of import-in-the-middle, and an application may have several:
 * it is the one that @opentelemetry/instrumentation finds.
 *
 * @param from URL or path of the module that calls
 * @returns whether this Node has hooks that work: 22.22.3, 24.11.1, 25.1 and later
 */
export function registerSynchronousHooks(from: string): boolean {
  const instrumentation = createRequire(from).resolve('@opentelemetry/instrumentation');
  const { register, supportsSyncHooks } = createRequire(instrumentation)(
    'import-in-the-middle/register-hooks.mjs',
  ) as { register(options: { include: string[] }): void; supportsSyncHooks(): boolean };
  if (!supportsSyncHooks()) return false;
  register({ include: HOOKED });
  return true;
}
