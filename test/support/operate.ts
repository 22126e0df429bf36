/** A process that runs an operation (TEST_PLAN) on TEST_URL until a phase, or back to one: for tests that kill it. */
import { readFile } from 'node:fs/promises';
import { rollbackMigration, runMigration } from '../../migrate/engine.ts';
import type { Phase, Reached } from '../../migrate/mapping.ts';
import { operationOf } from '../../migrate/operations/operation.ts';
import { readPlan } from '../../migrate/operations/plan.ts';

const { TEST_URL: url = '', TEST_PLAN: file = '' } = process.env;
const [direction, phase = ''] = process.argv.slice(2);
const at = {
  url,
  mapping: operationOf(readPlan(await readFile(file, 'utf8'), file)),
  dutyCycle: 1,
  maxBatch: 2,
};
const run =
  direction === 'back'
    ? rollbackMigration({ ...at, to: phase as Reached })
    : runMigration({ ...at, until: phase as Phase, yes: true });
for await (const { event } of run) process.stdout.write(`${event}\n`);
