// `node --require @sqltrail/instrumentation/register app.js`, for CommonJS applications that cannot take --import.
// Compiled to CommonJS only, where imports are evaluated in the order of the text: the hooks come first.
import { isMainThread } from 'node:worker_threads';
import { registerSynchronousHooks } from './moduleHooks.ts';

if (isMainThread) {
  registerSynchronousHooks(__filename);
  (require('./autostart.js') as typeof import('./autostart.ts')).autostart();
}
