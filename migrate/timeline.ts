import type { MigrationPlan, MigrationStatus } from './engine.ts';
import { type Phase, phaseIndex, phases } from './mapping.ts';

/** What a run has measured, on this database or on another one. */
export interface Measured {
  /** Time in which batches ran, for one unit of a table, milliseconds. */
  unitMs: Readonly<Record<string, number>>;
  /** Seconds that a phase took as a whole. */
  seconds: Partial<Record<Phase, number>>;
  /** Units of the tables that its phases went through, for those whose time grows with them. */
  units: number;
}

export interface PhaseTime {
  phase: Phase;
  state: 'done' | 'running' | 'to come';
  /** What it took, or is expected to take from now on, seconds; null where nothing was measured. */
  seconds: number | null;
  /** Where the number comes from. */
  from: string;
}

/** Comparisons read what the backfill has written; the other phases do the same whatever the size. */
const GROWS: readonly Phase[] = ['verify', 'cutover-writes', 'contract'];

/** Of a table's key range, from the persisted cursor. */
const shareOf = ({ reached, upper, done }: MigrationStatus['cursors'][number]): number =>
  done || Number(upper) === 0 ? 1 : Math.min(1, Math.max(0, Number(reached) / Number(upper)));

/**
 * How long each phase takes. What is complete is read from the journal, what runs is extrapolated from its own pace with
 * all its pauses, and what is to come from what was measured.
 *
 * @param duty share of time in which the backfill is expected to work
 * @param times size of production over the size of this database
 */
export function timeline({
  plan,
  status,
  measured,
  duty,
  times,
}: {
  plan: MigrationPlan;
  status: MigrationStatus | undefined;
  measured: Measured | undefined;
  duty: number;
  times: number;
}): PhaseTime[] {
  const tables = plan.steps.flatMap(({ phase, name, units }) =>
    phase === 'backfill' && units !== undefined ? [{ table: name, units }] : [],
  );
  const units = tables.reduce((sum, table) => sum + table.units, 0);
  const reached = status ? phaseIndex(status.phase) : -1;

  const backfill = (): Pick<PhaseTime, 'seconds' | 'from'> => {
    let seconds = 0;
    let own = false;
    for (const { table, units: expected } of tables) {
      const cursor = status?.cursors.find((each) => each.table === table);
      const share = cursor ? shareOf(cursor) : 0;
      if (cursor && share > 0) {
        own = true;
        seconds += (cursor.wallMs / 1000) * (1 / share - 1);
        continue;
      }
      const unitMs = measured?.unitMs[table];
      if (unitMs === undefined) return { seconds: null, from: `no rate was measured for ${table}` };
      seconds += (unitMs * expected) / 1000 / duty;
    }
    return {
      seconds: seconds * times,
      from: own ? 'its own pace so far' : 'units at the measured rate',
    };
  };

  return phases.map((phase): PhaseTime => {
    const known = status?.phases.find((each) => each.phase === phase);
    if (phaseIndex(phase) <= reached)
      return { phase, state: 'done', seconds: known?.seconds ?? null, from: 'the journal' };
    const state = status?.inPhase === phase || (phase === 'backfill' && known) ? 'running' : 'to come';
    if (phase === 'backfill') return { phase, state, ...backfill() };
    const took = measured?.seconds[phase];
    if (took === undefined) return { phase, state, seconds: null, from: 'not measured' };
    const grows = GROWS.includes(phase) && measured !== undefined && measured.units > 0;
    return {
      phase,
      state,
      seconds: grows ? took * (units / measured.units) * times : took,
      from: grows ? 'the measured time, by the units' : 'the measured time; it does not grow',
    };
  });
}
