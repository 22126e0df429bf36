// `node --import @sqltrail/instrumentation app.js`: starts telemetry for ESM, CommonJS and TypeScript applications.
// The hooks must be in place before any module that they patch is loaded, and the SDK itself loads node:http. A static
// import would load it first, so there is none.
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { HOOKED, registerSynchronousHooks } from './moduleHooks.ts';

// A thread inherits --import. It has no signals, and no port of its own for metrics: it starts telemetry by api.ts if
// it wants any.
if (isMainThread) {
  if (!registerSynchronousHooks(import.meta.url))
    register('@opentelemetry/instrumentation/hook.mjs', import.meta.url, { data: { include: HOOKED } });
  const { autostart } = await import('./autostart.ts');
  // Statements that ran before the parser is there would be masked, but not told apart.
  await autostart()?.ready;
}
