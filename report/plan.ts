import { AssumptionsError, type Freeze } from './assumptions.ts';

/** A phase of the plan as it is put before those who have to agree; durations come from the recording. */
export interface RoadmapPhase {
  phase: string;
  title: string;
  owner: string;
  /** What has to be true before the next phase begins. */
  gate: string;
  risk: string;
  back: string;
  /** Its time grows with the data; without it, it is the same for any size. */
  grows: boolean;
  /** Calendar days with the review and the gate; the machine's own time is measured. */
  days: number;
}

export const roadmap: readonly RoadmapPhase[] = [
  {
    phase: 'expand',
    title: 'Expand',
    owner: 'database engineer',
    gate: 'new tables, partitions and roles are there; nothing uses them',
    risk: 'none for the shop: nothing that exists is changed',
    back: 'drop them',
    grows: false,
    days: 2,
  },
  {
    phase: 'dual-write',
    title: 'Write both',
    owner: 'database engineer, shop team on call',
    gate: 'checkouts as fast as before; a write that the new model refuses does not fail the shop',
    risk: 'each write does more work',
    back: 'drop the triggers',
    grows: false,
    days: 3,
  },
  {
    phase: 'backfill',
    title: 'Backfill',
    owner: 'database engineer',
    gate: 'all units copied; pauses by itself while the KPIs are bad',
    risk: 'disk and I/O; batches back off after 300 ms of waiting',
    back: 'stop; the cursor is kept, or everything is dropped',
    grows: true,
    days: 4,
  },
  {
    phase: 'verify',
    title: 'Compare',
    owner: 'database engineer, finance for the sums',
    gate: 'counts, hashes, sums of money and both differences equal; the ledger is reviewed',
    risk: 'reads only',
    back: 'nothing to revert',
    grows: true,
    days: 3,
  },
  {
    phase: 'reverse-sync',
    title: 'Write back',
    owner: 'database engineer',
    gate: 'the old model follows the new one',
    risk: 'each write does more work',
    back: 'drop the triggers',
    grows: false,
    days: 2,
  },
  {
    phase: 'cutover-reads',
    title: 'Read the new model',
    owner: 'shop team',
    gate: 'KPIs within their objectives while watched; switched back by itself otherwise',
    risk: 'a statement nobody thought of',
    back: 'switch the store back; nothing is lost',
    grows: false,
    days: 5,
  },
  {
    phase: 'cutover-writes',
    title: 'Write the new model',
    owner: 'shop team, support informed',
    gate: 'as above, with checkouts counted on both sides',
    risk: 'as above',
    back: 'switch the store back; the old model has every write',
    grows: false,
    days: 31,
  },
  {
    phase: 'contract',
    title: 'Drop the old tables',
    owner: 'lead, with the yes of the business',
    gate: 'a full cycle of the business (a month’s close) without going back',
    risk: 'no way back but a restore',
    back: 'none',
    grows: true,
    days: 1,
  },
];

export type Stage = 'short' | 'archival' | 'medium';

/** A bar of the plan: calendar days with reviews and watching, not the time that a machine works. */
export interface CalendarEntry {
  id: string;
  title: string;
  stage: Stage;
  days: number;
  /** May lie in a freeze: it changes nothing in production, or it ends a running incident and can be reverted. */
  inFreeze: boolean;
  /** First and last day, ISO. */
  from: string;
  to: string;
}

/** Days each phase takes with its review, its gate, and the time in which it is watched. The plan's own, to be changed. */
const planned: Omit<CalendarEntry, 'from' | 'to'>[] = [
  { id: 'mitigation', title: 'Short-term fixes', stage: 'short', days: 1, inFreeze: true },
  { id: 'watch', title: 'Watch a peak on them', stage: 'short', days: 2, inFreeze: true },
  { id: 'policy', title: 'Sign the archival policy', stage: 'archival', days: 2, inFreeze: true },
  { id: 'archive', title: 'Archival, then nightly', stage: 'archival', days: 2, inFreeze: false },
  ...roadmap.map(({ phase, title, days }) => ({
    id: phase,
    title,
    stage: 'medium' as const,
    days,
    inFreeze: false,
  })),
];

/** The freeze periods leave no room for a phase; the message names both. */
export class NoRoomError extends AssumptionsError {}

const DAY_MS = 86_400_000;
const HORIZON_DAYS = 3 * 366;
export const addDays = (day: string, days: number): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);

/** The freeze that a day, ISO, lies in. */
export const freezeOn = (day: string, freezes: readonly Freeze[]): Freeze | undefined => {
  const date = day.slice(5);
  return freezes.find(({ from, to }) =>
    from <= to ? from <= date && date <= to : date >= from || date <= to,
  );
};

/**
 * One phase after the other, each after the gate of the one before, clear of the freeze periods.
 *
 * @param start day of the yes, ISO
 * @throws NoRoomError where no gap between the freeze periods is long enough
 */
export function schedule(start: string, freezes: readonly Freeze[]): CalendarEntry[] {
  let next = start;
  return planned.map((entry) => {
    let from = next;
    const frozen = () =>
      Array.from({ length: entry.days }, (_, day) => addDays(from, day)).findLast((day) =>
        freezeOn(day, freezes),
      );
    for (let day = entry.inFreeze ? undefined : frozen(); day !== undefined; day = frozen()) {
      from = addDays(day, 1);
      if (from > addDays(start, HORIZON_DAYS))
        throw new NoRoomError(
          `freezePeriods: they leave no ${entry.days} days in a row for “${entry.title}”`,
        );
    }
    next = addDays(from, entry.days);
    return { ...entry, from, to: addDays(next, -1) };
  });
}

export const stageTitles: Record<Stage, string> = {
  short: 'At once: short-term fixes',
  archival: 'Next: archival',
  medium: 'Then: the new data model',
};
