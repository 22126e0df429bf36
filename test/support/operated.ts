import { rollbackMigration, runMigration } from '../../migrate/engine.ts';
import type { Phase, Reached } from '../../migrate/mapping.ts';
import type { Migration } from '../../migrate/migration.ts';
import type { PartitionOptions } from '../../migrate/operations/choices.ts';
import type { DeclaredMigration } from '../../migrate/operations/declared.ts';
import { operationOf } from '../../migrate/operations/operation.ts';
import { planPartition } from '../../migrate/operations/partition.ts';
import { type Plan, readPlan, writePlan } from '../../migrate/operations/plan.ts';
import { planRetype, type RetypeOptions } from '../../migrate/operations/retype.ts';
import { HOSTILE } from './operationCase.ts';

/** An operation on a test's database, planned, written to a file's text and read from it again. */
export interface Operated<Declared extends Plan = DeclaredMigration> {
  declared: Declared;
  file: string;
  options: { url: string; mapping: Migration; dutyCycle: number };
  run(until: Phase): Promise<void>;
  back(to: Reached): Promise<void>;
}

export const chosen = {
  interval: 'month',
  timeZone: 'UTC',
  ahead: 2,
  extendKeys: false,
  dropForeignKeys: false,
  acceptTriggers: false,
} as const satisfies Partial<PartitionOptions>;

/** Of a plan that was just made; goes through the file, as the command does. */
export function operatedAs<Declared extends Plan>(url: string, plan: Declared): Operated<Declared> {
  const file = writePlan(plan);
  const declared = readPlan(file, 'plan.yaml') as Declared;
  const at = { url, mapping: operationOf(declared), dutyCycle: 1, maxBatch: 64 };
  return {
    declared,
    file,
    options: at,
    async run(until) {
      for await (const _ of runMigration({ ...at, until, yes: true }));
    },
    async back(to) {
      for await (const _ of rollbackMigration({ ...at, to }));
    },
  };
}

/** Partitions. @throws OperationError with the reasons why it cannot be done */
export const operated = async (
  url: string,
  options: Pick<PartitionOptions, 'table' | 'by'> & Partial<PartitionOptions>,
): Promise<Operated> => operatedAs(url, await planPartition(url, { ...chosen, ...options }));

/** Gives a column another type. @throws OperationError with the reasons why it cannot be done */
export const retyped = async (
  url: string,
  target: string,
  type: string,
  options: Partial<RetypeOptions> = {},
): Promise<Operated> =>
  operatedAs(
    url,
    await planRetype(url, {
      target,
      type,
      also: [],
      timeZone: 'UTC',
      acceptChanges: false,
      acceptTriggers: false,
      ...options,
    }),
  );

/** Each operation on the hostile tables, with the columns whose type it changes. */
export const onHostile: Record<
  DeclaredMigration['operation'],
  { changed: string[]; plan: (url: string) => Promise<Operated> }
> = {
  partition: {
    changed: [],
    plan: (url) => operated(url, { table: HOSTILE, by: 'when', from: '2026-01-01' }),
  },
  retype: {
    changed: ['day', 'number'],
    plan: (url) => retyped(url, `${HOSTILE}.day`, 'date', { also: ['number=bigint'] }),
  },
};
