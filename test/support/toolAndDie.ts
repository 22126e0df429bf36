import pg from 'pg';
import { readers, writers } from './pooledTools.ts';

/**
 * A process of its own, for tests that kill it: runs one of the tools, and ends by kill -9 just before the statement
 * of a given number is handed to the driver (`before:3`), or once it is on its way (`during:3`). It tells how many
 * statements there were when it gets to its end.
 */
const { TEST_URL: url = '', TEST_TOOL: tool = '', TEST_KILL } = process.env;
const die = () => process.kill(process.pid, 'SIGKILL');
let statements = 0;
const { query } = pg.Client.prototype;
pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
  statements += 1;
  if (TEST_KILL === `before:${statements}`) die();
  const running = Reflect.apply(query, this, args);
  if (TEST_KILL === `during:${statements}`) setImmediate(die);
  return running;
};
// What is refused has been told to whoever asked.
await { ...readers, ...writers }[tool]?.(url).catch((error: Error) => {
  if (!writers[tool]) throw error;
});
process.send?.(statements);
