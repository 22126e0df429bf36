import type { ActionKind } from '../fix/action.ts';
import { isInForce } from '../fix/journalEntry.ts';
import { kpiById, meetsObjective } from '../kpis/catalogue.ts';
import type { Case } from './case.ts';
import { worsened } from './comparison.ts';
import { firstPage } from './measured.ts';

/** A statement that is no figure, and what has to be true in the recording before anybody says it. */
interface Claim {
  /** Where the recording has it, in words. */
  basis: string;
  holds(input: Case): boolean;
}

const peakAfter = ({ recording }: Case, step: string) =>
  recording.phases.some(({ name, endedAt }) => name === `peak-after-${step}` && endedAt !== null);
const mitigated = (input: Case) => peakAfter(input, 'short-term');
/** The new model is in use, and both models were equal. */
const migrated = ({ recording }: Case) =>
  recording.migration?.reached === 'contract' && recording.migration.verification?.equal === true;
const rate = ({ recording }: Case, phase: string) =>
  recording.phases.find(({ name }) => name === phase)?.offeredRate;
const sameRate = (input: Case, ...phases: string[]) => {
  const [first, ...others] = phases.map((phase) => rate(input, phase));
  return typeof first === 'number' && others.every((other) => other === first);
};
/** None of so many checkouts was lost, and there were some. */
const noneLost = ({ recording }: Case, phase: string) => {
  const checkouts = recording.phases.find(({ name }) => name === phase)?.checkouts;
  return !!checkouts && checkouts.completed > 0 && checkouts.failed + checkouts.abandoned === 0;
};

const claim = (basis: string, holds: (input: Case) => boolean): Claim => ({ basis, holds });

/** In force, of a kind. */
const done = ({ recording }: Case, kind: ActionKind) =>
  recording.actions.some((entry) => isInForce(entry) && entry.action.kind === kind);

/** Everything that deck, messages and report say without a figure. What does not hold is left out. */
export const claims = {
  'slow at the peak': claim('customer-latency-p95 of the peak against its objective', ({ figures }) => {
    const value = figures.value('customer-latency-p95:peak');
    return value !== undefined && !meetsObjective(kpiById('customer-latency-p95'), value);
  }),
  'orders lost at the peak': claim(
    'phases.checkouts of the peak',
    ({ figures }) => (figures.value('checkouts:peak:count') ?? 0) > 0,
  ),
  'pages faster after the short term': claim(
    'the effect on customer-latency-p95',
    ({ figures }) => (figures.value('customer-latency-p95:effect:peak-after-short-term') ?? 0) > 1,
  ),
  'indexes built': claim('actions.kind, actions.state', (input) => done(input, 'index')),
  'statements rewritten': claim('actions.kind, actions.state', (input) => done(input, 'query')),
  mitigated: claim('phase peak-after-short-term has ended', mitigated),
  'not mitigated': claim('no phase peak-after-short-term', (input) => !mitigated(input)),
  archived: claim('archival', ({ recording }) => recording.archival !== null),
  'no file damaged': claim(
    'archival.files, archival.damaged',
    ({ recording }) => (recording.archival?.files ?? 0) > 0 && recording.archival?.damaged === 0,
  ),
  migrated: claim('migration.reached, migration.verification.equal', migrated),
  'not migrated': claim('migration.reached, migration.verification.equal', (input) => !migrated(input)),
  diagnosed: claim('diagnosis', ({ recording }) => recording.diagnosis !== null),
  'followed to a trace': claim('trail', ({ recording }) => recording.trail !== null),
  'first alert led to the trace': claim(
    'trail.alert is the first alert of the peak that pages',
    ({ recording }) => !!recording.trail && recording.trail.alert === firstPage(recording)?.name,
  ),
  'plan captured': claim('trail.plan', ({ recording }) => !!recording.trail?.plan),
  'same load after the short term': claim('phases.offeredRate', (input) =>
    sameRate(input, 'peak', 'peak-after-short-term'),
  ),
  'same load after the medium term': claim('phases.offeredRate', (input) =>
    sameRate(input, 'peak', 'peak-after-medium-term'),
  ),
  'migrated under the load of the peak': claim('phases.offeredRate', (input) =>
    sameRate(input, 'peak', 'medium-term'),
  ),
  'no checkout lost after the short term': claim('phases.checkouts', (input) =>
    noneLost(input, 'peak-after-short-term'),
  ),
  'no checkout lost after the medium term': claim('phases.checkouts', (input) =>
    noneLost(input, 'peak-after-medium-term'),
  ),
  'gave up, none failed': claim('phases.checkouts at the peak', ({ recording }) => {
    const checkouts = recording.phases.find(({ name }) => name === 'peak')?.checkouts;
    return !!checkouts && checkouts.failed === 0 && checkouts.abandoned > 0;
  }),
  'actions reverted': claim('actions.state', ({ recording }) =>
    recording.actions.some(({ state }) => state === 'reverted'),
  ),
  'each action in force has an undo': claim('actions.action.undo', ({ recording }) => {
    const inForce = recording.actions.filter(isInForce);
    return inForce.length > 0 && inForce.every(({ action }) => action.undo.length > 0);
  }),
  'alerts silent': claim('silentAfterSeconds', ({ recording }) => recording.silentAfterSeconds !== null),
  'something worse': claim(
    'the compared KPIs, and the samples of the others',
    ({ rows, worseSamples }) => worsened(rows).length > 0 || worseSamples.length > 0,
  ),
  'nothing compared worse': claim(
    'the compared KPIs',
    ({ rows, worseSamples }) =>
      rows.some(({ effects }) => effects.length > 0) &&
      worsened(rows).length === 0 &&
      worseSamples.length === 0,
  ),
  'models equal': claim(
    'migration.verification.equal',
    ({ recording }) => recording.migration?.verification?.equal === true,
  ),
  'every acknowledged order found': claim(
    'migration.ledgerOfOrders, migration.orders',
    ({ recording: { migration } }) => {
      const { ledgerOfOrders: ledger, orders } = migration ?? {};
      if (!ledger && !orders) return false;
      const numbers =
        !ledger ||
        (ledger.acknowledged > 0 && ledger.missingInLegacy + ledger.missingInNew + ledger.doubled === 0);
      return numbers && (!orders || (orders.acknowledged > 0 && orders.found >= orders.acknowledged));
    },
  ),
  'copies contradict each other': claim('migration.ledger, kind contradiction', ({ recording }) =>
    (recording.migration?.ledger ?? []).some(({ kind, entries }) => kind === 'contradiction' && entries > 0),
  ),
} satisfies Record<string, Claim>;

export type ClaimName = keyof typeof claims;

export const holds = (input: Case, name: ClaimName): boolean => claims[name].holds(input);
