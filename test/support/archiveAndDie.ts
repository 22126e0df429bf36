import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DuckDBConnection } from '@duckdb/node-api';
import pg from 'pg';
import { readPolicy } from '../../archive/policy.ts';
import { runArchive } from '../../archive/run.ts';

/**
 * A process of its own, for tests that kill it: archives, and ends by kill -9 just before a given step (`before:3`), or
 * as soon as it has been handed over and nobody knows whether it is done (`during:3`). A step is whatever changes the
 * database or the disk, found where both are reached, so that one that is added later is one too. It tells the steps
 * when it gets to its end.
 */
const {
  TEST_URL: url = '',
  TEST_DIRECTORY: directory = '',
  TEST_COPY = '',
  TEST_POLICY = '',
  TEST_KILL,
} = process.env;
const die = () => process.kill(process.pid, 'SIGKILL');
const steps: string[] = [];

function step<T>(what: string, run: () => T): T {
  steps.push(what);
  if (TEST_KILL === `before:${steps.length}`) die();
  const running = run();
  // Once what was written to the socket is on its way.
  if (TEST_KILL === `during:${steps.length}`) setImmediate(die);
  return running;
}

const changes = /^\s*(INSERT|UPDATE|DELETE|WITH gone|COMMIT|VACUUM|CREATE|ALTER|DROP)\b/;
const { query } = pg.Client.prototype;
pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
  const run = () => Reflect.apply(query, this, args);
  const [, verb] = changes.exec(String(args[0])) ?? [];
  return verb
    ? step(`${verb} ${/sqltrail\.\w+|FROM \S+/.exec(String(args[0]))?.[0] ?? ''}`.trim(), run)
    : run();
};

const { run: runDuck } = DuckDBConnection.prototype;
DuckDBConnection.prototype.run = function (this: DuckDBConnection, sql: string, ...more) {
  const run = () => Reflect.apply(runDuck, this, [sql, ...more]);
  return sql.startsWith('COPY') ? step('Parquet', run) : run();
};

type Functions = Record<string, (...args: unknown[]) => unknown>;
function watched(module: Functions, names: readonly string[]): void {
  for (const name of names) {
    const original = module[name];
    if (original) module[name] = (...args) => step(name, () => original(...args));
  }
}
watched(fs.promises as unknown as Functions, [
  'writeFile',
  'appendFile',
  'copyFile',
  'rename',
  'rm',
  'unlink',
  'mkdir',
]);
watched(fs as unknown as Functions, ['createWriteStream']);
syncBuiltinESMExports();

await runArchive({
  url,
  directory,
  copies: [TEST_COPY],
  policy: await readPolicy(TEST_POLICY),
  dutyCycle: 1,
});
process.send?.(steps);
