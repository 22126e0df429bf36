import pg from 'pg';
import type { Action } from '../../fix/action.ts';
import { applyActions } from '../../fix/apply.ts';
import { undoActions } from '../../fix/undo.ts';
import { asItIs } from './slower.ts';

/**
 * A process of its own, for tests that kill it: applies or undoes actions, and ends by kill -9 just before or after a
 * given write to the journal (`before:3`, `after:3`). It tells the states that it wrote when it gets to its end, and
 * `changes` for each note of what it changed. `TEST_PLAIN`: without handlers and measurements.
 */
const { TEST_URL: url = '', TEST_ACTIONS = '[]', TEST_KILL, TEST_UNDO, TEST_PLAIN } = process.env;
const die = () => process.kill(process.pid, 'SIGKILL');
const writes: string[] = [];
const { query } = pg.Client.prototype;
pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
  const run = () => Reflect.apply(query, this, args);
  if (!/^(INSERT INTO|UPDATE) sqltrail\.action/.test(String(args[0]))) return run();
  const values = args[1] as [string, string];
  const text = String(args[0]);
  writes.push(text.startsWith('INSERT') ? 'planned' : text.includes('SET changes') ? 'changes' : values[1]);
  if (TEST_KILL === `before:${writes.length}`) die();
  return TEST_KILL === `after:${writes.length}` ? run().then(die) : run();
};

const handlers = TEST_PLAIN ? {} : asItIs(url);
const signal = new AbortController().signal;
if (TEST_UNDO) await undoActions({ url, handlers, signal, onUndone: () => {} });
else
  await applyActions({
    url,
    actions: JSON.parse(TEST_ACTIONS) as Action[],
    handlers,
    windows: TEST_PLAIN ? 0 : 1,
    windowMs: 10,
    reviewDays: 30,
    signal,
    onEvent: () => {},
  });
process.send?.(writes);
