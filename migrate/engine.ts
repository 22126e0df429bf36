import { OperationError } from '../lib/pg/errors.ts';
import { type Phase, phaseIndex, phases, type Reached } from './mapping.ts';
import { migrationOf } from './mappingMigration.ts';
import type { MigrationOptions, Progress, Step } from './migration.ts';
import { Run } from './run.ts';
import { openSession } from './session.ts';
import { type MigrationState, readState } from './state.ts';
import { isHarmless } from './steps.ts';

export type { MigrationOptions, Progress, Verdict } from './migration.ts';
export { MigrationPaused } from './run.ts';
export {
  type MigrationPlan,
  type MigrationStatus,
  migrationStatus,
  planMigration,
  verifyMigration,
} from './status.ts';

/** @throws OperationError when a different mapping has begun */
async function begin(run: Run): Promise<{ state: MigrationState; steps: Step[] }> {
  const {
    migration: { name, hash },
    client,
    options,
  } = run;
  await client.query(
    `INSERT INTO sqltrail.migration (name, phase, mapping, previous_store) VALUES ($1, 'none', $2, $3)
     ON CONFLICT (name) DO UPDATE SET mapping = EXCLUDED.mapping, previous_store = EXCLUDED.previous_store
      WHERE migration.phase = 'none' AND NOT EXISTS (SELECT FROM sqltrail.migration_step WHERE migration = EXCLUDED.name)`,
    [name, hash, options.previousStore ?? 'legacy'],
  );
  const state = (await readState(client, name)) as MigrationState;
  if (state.mapping !== hash)
    throw new OperationError(
      `The migration ${name} was begun with another mapping. Roll it back with the version that began it, or finish it with that.`,
    );
  if (state.steps.length === 0) await run.migration.begins?.(client);
  return { state, steps: await run.migration.steps(client, { state, previousStore: state.previousStore }) };
}
/**
 * Runs the phases up to and including `until`, from wherever the last run stopped. Each step is committed together with
 * the note that it is done, so killing it at any moment loses nothing and the next run goes on.
 *
 * @throws OperationError when a phase's exit condition fails; MigrationPaused when the KPIs said no for too long
 */
export async function* runMigration(
  options: MigrationOptions & {
    until: Phase /** Needed for `contract`, which cannot be undone. */;
    yes?: boolean;
  },
): AsyncGenerator<Progress> {
  const { until } = options;
  if (until === 'contract' && !options.yes)
    throw new OperationError(
      'The contract drops the legacy tables and cannot be undone: it needs an explicit yes.',
    );
  const migration = migrationOf(options.mapping);
  const client = await openSession(options.url, migration);
  try {
    const run = new Run(client, migration, options);
    const { state, steps } = await begin(run);
    const done = new Set(state.steps.map(({ phase, step }) => `${phase}/${step}`));
    let notes = 0;
    for (const phase of phases.slice(0, phaseIndex(until) + 1)) {
      if (phaseIndex(phase) <= phaseIndex(state.phase)) continue;
      yield* run.gate(phase);
      for (const step of steps)
        if (step.phase === phase && !done.has(`${phase}/${step.name}`)) {
          notes += 1;
          yield* run.step(step);
        }
      await run.reached(phase);
      await run.note({ phase, event: 'phase done', detail: { steps: notes } });
      yield { phase, event: 'phase done' };
    }
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Takes phases back, the last first, until `to` is the last complete one. Writes made since are in the legacy tables:
 * the reverse sync put each of them there within its own transaction.
 *
 * @throws OperationError once the contract has begun
 */
export async function* rollbackMigration(
  options: MigrationOptions & { to: Reached },
): AsyncGenerator<Progress> {
  const migration = migrationOf(options.mapping);
  const client = await openSession(options.url, migration);
  try {
    const run = new Run(client, migration, options);
    const state = await readState(client, migration.name);
    if (!state) return;
    if (state.steps.some(({ phase, step }) => phase === 'contract' && !isHarmless(step)))
      throw new OperationError(
        'The contract has begun: the legacy tables are no longer complete, so it cannot be rolled back.',
      );
    for (const phase of [...phases].reverse()) {
      if (phaseIndex(phase) <= phaseIndex(options.to)) break;
      const steps = state.steps.filter((step) => step.phase === phase).reverse();
      // First of all, so that a run that is killed here does not count the phase as complete.
      if (phaseIndex(state.phase) >= phaseIndex(phase))
        await run.reached(phases[phaseIndex(phase) - 1] ?? 'none');
      for (const step of steps) yield* run.undo(step);
      if (steps.length > 0) {
        await run.note({ phase, event: 'phase undone' });
        yield { phase, event: 'phase undone' };
      }
    }
  } finally {
    await client.end().catch(() => {});
  }
}
