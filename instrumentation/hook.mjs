// Preload 1 of 2: `node --liftoff-only --import ./instrumentation/hook.mjs --import ./instrumentation/register.ts app.ts`.
// --liftoff-only: V8's optimising compiler takes 600 MB for a second when it comes to Postgres's parser, which is
// WebAssembly, and gains nothing (bench/parserMemory.ts). It is a flag of the command line only.
// The module hooks must be in place before any module that they patch is loaded, the SDK's own imports included,
// so they have a preload of their own. Synchronous hooks cost half the start-up time of module.register's thread.
import { register, supportsSyncHooks } from 'import-in-the-middle/register-hooks.mjs';

if (!supportsSyncHooks()) {
  process.stderr.write(
    `telemetry: Node ${process.version} is too old for synchronous module hooks; use Node >= 24.11.1\n`,
  );
  process.exit(2);
}
register({ include: ['pg', 'pg-pool', 'express', 'http', 'https', 'node:http', 'node:https'] });
