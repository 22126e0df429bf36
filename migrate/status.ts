import type { Kept } from './kept.ts';
import { type Phase, phaseIndex, type Reached } from './mapping.ts';
import { migrationOf } from './mappingMigration.ts';
import type { MigrationOptions, Step } from './migration.ts';
import { openReader, withReader } from './session.ts';
import { type Cursor, readState } from './state.ts';
import type { Verification } from './verify.ts';

export interface MigrationStatus {
  name: string;
  phase: Reached;
  /** The phase that has begun and is not complete. */
  inPhase?: Phase;
  previousStore: string;
  stepsDone: number;
  cursors: Cursor[];
  ledger: Kept[];
  lastEvents: { at: string; phase: string; step: string | null; event: string }[];
  /** When each phase was begun last, and how long it took; undefined for one that is not complete. */
  phases: { phase: Phase; startedAt: string; seconds?: number }[];
}

/** @returns undefined where the migration was never begun; changes nothing */
export async function migrationStatus(
  options: Pick<MigrationOptions, 'url' | 'mapping'>,
): Promise<MigrationStatus | undefined> {
  const client = await openReader(options.url);
  try {
    const { name } = options.mapping;
    const state = await readState(client, name);
    if (!state) return undefined;
    const ledger = await migrationOf(options.mapping).kept(client);
    const events = await client.query(
      `SELECT at, phase, step, event FROM sqltrail.migration_journal WHERE migration = $1 ORDER BY id DESC LIMIT 10`,
      [name],
    );
    // Since it was rolled back last, if it was.
    const spans = await client.query<{ phase: Phase; started: Date; ended: Date | null }>(
      `SELECT j.phase, min(j.at) AS started, max(j.at) FILTER (WHERE j.event = 'phase done') AS ended
         FROM sqltrail.migration_journal AS j
        WHERE j.migration = $1 AND j.event IN ('begun', 'phase done')
          AND j.id > coalesce((SELECT max(u.id) FROM sqltrail.migration_journal AS u
                                WHERE u.migration = $1 AND u.phase = j.phase AND u.event = 'phase undone'), 0)
        GROUP BY j.phase ORDER BY min(j.id)`,
      [name],
    );
    const begun = state.steps.find((step) => phaseIndex(step.phase) > phaseIndex(state.phase));
    return {
      name,
      phase: state.phase,
      ...(begun ? { inPhase: begun.phase } : {}),
      previousStore: state.previousStore,
      stepsDone: state.steps.length,
      cursors: state.cursors,
      ledger,
      lastEvents: events.rows.reverse().map((row) => ({ ...row, at: row.at.toISOString() })),
      phases: spans.rows.map(({ phase, started, ended }) => ({
        phase,
        startedAt: started.toISOString(),
        ...(ended && phaseIndex(phase) <= phaseIndex(state.phase)
          ? { seconds: (ended.getTime() - started.getTime()) / 1000 }
          : {}),
      })),
    };
  } finally {
    await client.end().catch(() => {});
  }
}

/** Compares both models now. Reads only; needs the phase `backfill` complete to be of use. */
export async function verifyMigration(
  options: Pick<MigrationOptions, 'url' | 'mapping' | 'signal'>,
): Promise<Verification> {
  const migration = migrationOf(options.mapping);
  return withReader(options.url, migration.comparing, (client) =>
    migration.verify(client, options.signal ? { signal: options.signal } : {}),
  );
}

export interface MigrationPlan {
  name: string;
  phase: Reached;
  steps: (Pick<Step, 'phase' | 'name' | 'lock'> & {
    done: boolean;
    reversible: boolean;
    /** SQL in full, where the step is SQL. */
    sql?: string;
    /** Estimated rows of the table of a backfill, units that it goes through, and bytes. */
    rows?: number;
    units?: number;
    bytes?: number;
  })[];
}

/** What would be done. Changes nothing. */
export async function planMigration(
  options: Pick<MigrationOptions, 'url' | 'mapping' | 'previousStore'>,
): Promise<MigrationPlan> {
  const migration = migrationOf(options.mapping);
  const client = await openReader(options.url);
  try {
    const state = await readState(client, migration.name);
    const done = new Set(state?.steps.map(({ phase, step }) => `${phase}/${step}`));
    const steps = await migration.steps(client, {
      state,
      previousStore: state?.previousStore ?? options.previousStore ?? 'legacy',
    });
    return {
      name: migration.name,
      phase: state?.phase ?? 'none',
      steps: steps.map(({ phase, name, lock, work, undo, size }) => ({
        phase,
        name,
        lock,
        done: done.has(`${phase}/${name}`),
        reversible: phase !== 'contract' || undo.kind !== 'none',
        ...(work.kind === 'transaction' ? { sql: work.sql } : {}),
        ...(work.kind === 'indexes' ? { sql: work.indexes.map(({ sql }) => sql).join(';\n') } : {}),
        ...size,
      })),
    };
  } finally {
    await client.end().catch(() => {});
  }
}
