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
    gate: 'checkouts as fast as before; no write refused by the new model fails the shop',
    risk: 'each write does more work',
    back: 'drop the triggers',
    grows: false,
    days: 3,
  },
  {
    phase: 'backfill',
    title: 'Carry over',
    owner: 'database engineer',
    gate: 'all units carried over; pauses by itself while the KPIs are bad',
    risk: 'disk and I/O; batches give way after 300 ms of waiting',
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
    back: 'nothing to take back',
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

/** A bar of the plan: calendar days with reviews and watching, not the time that a machine works. */
export interface CalendarEntry {
  id: string;
  title: string;
  stage: 'short' | 'archival' | 'medium';
  /** Days from the yes. */
  from: number;
  days: number;
}

/** Days each phase takes with its review, its gate, and the time in which it is watched. The plan's own, to be changed. */
const planned: Omit<CalendarEntry, 'from'>[] = [
  { id: 'relief', title: 'Short-term relief', stage: 'short', days: 1 },
  { id: 'watch', title: 'Watch a peak on it', stage: 'short', days: 2 },
  { id: 'policy', title: 'Policy of archival signed', stage: 'archival', days: 2 },
  { id: 'archive', title: 'Archival, then nightly', stage: 'archival', days: 2 },
  ...roadmap.map(({ phase, title, days }) => ({ id: phase, title, stage: 'medium' as const, days })),
];

/** One after the other: each waits for the gate of the one before. */
export const calendar: readonly CalendarEntry[] = planned.map((entry, at) => ({
  ...entry,
  from: planned.slice(0, at).reduce((sum, { days }) => sum + days, 0),
}));
