import { isInForce } from '../fix/journalEntry.ts';
import { kpiById, meetsObjective } from '../kpis/catalogue.ts';
import type { Case } from './case.ts';

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

const claim = (basis: string, holds: (input: Case) => boolean): Claim => ({ basis, holds });

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
  mitigated: claim('phase peak-after-short-term has ended', mitigated),
  'not mitigated': claim('no phase peak-after-short-term', (input) => !mitigated(input)),
  archived: claim('archival', ({ recording }) => recording.archival !== null),
  migrated: claim('migration.reached, migration.verification.equal', migrated),
  'not migrated': claim('migration.reached, migration.verification.equal', (input) => !migrated(input)),
  'followed to a trace': claim('trail', ({ recording }) => recording.trail !== null),
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
  'something worse': claim(
    'the compared KPIs, and the samples of the others',
    ({ worse }) => worse.length > 0,
  ),
  'nothing compared worse': claim(
    'the compared KPIs',
    ({ rows, worse }) => rows.some(({ effects }) => effects.length > 0) && worse.length === 0,
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
