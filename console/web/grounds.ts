import { numberText, withUnit } from '../../lib/units/format.ts';
import type { Grounds } from '../../report/sentence.ts';
import type { ActionReading } from '../actions.ts';
import type { DiagnosisReading } from '../diagnosis.ts';
import type { KpiReading } from '../readings.ts';
import type { Alert } from '../sources/alertmanager.ts';

/** What the pages were told; what has not come yet is undefined. */
export interface Shown {
  kpis?: readonly KpiReading[] | undefined;
  alerts?: readonly Alert[] | undefined;
  actions?: readonly ActionReading[] | undefined;
  diagnosis?: DiagnosisReading | undefined;
}

/** Those that say how long customers wait: of the load generator, and of the service itself. */
export const WAITING = ['satisfied-requests', 'customer-latency-p95', 'request-latency-p95'] as const;
/** Those that say how customers fare. */
export const CUSTOMERS = [...WAITING, 'request-failure-ratio', 'checkout-failure-ratio'] as const;

const kpiOf = ({ kpis }: Shown, id: string) => kpis?.find((kpi) => kpi.id === id);
const actionOf = ({ actions }: Shown, id: string) => actions?.find(({ action }) => action.id === id);
const ofCustomers = (shown: Shown) => CUSTOMERS.flatMap((id) => kpiOf(shown, id) ?? []);
/** Of customers, with a value that misses the objective. */
export const missedByCustomers = (shown: Shown): KpiReading[] =>
  ofCustomers(shown).filter((kpi) => meets(kpi) === false);

/** By the value itself; undefined where there is none. */
function meets(kpi: KpiReading | undefined): boolean | undefined {
  if (!kpi || kpi.value === null) return undefined;
  const { comparison, value } = kpi.objective;
  return comparison === '<=' ? kpi.value <= value : kpi.value >= value;
}

const missed = (shown: Shown) => missedByCustomers(shown).length > 0;
const met = (shown: Shown) => ofCustomers(shown).some((kpi) => meets(kpi) === true) && !missed(shown);
const pages = ({ alerts }: Shown) =>
  alerts?.some(({ muted, severity }) => muted === null && severity === 'page');
const isIn = (state: ActionReading['state']) => (shown: Shown, id: string) =>
  actionOf(shown, id)?.state === state;

/** What has to be true before a page says it; of what the claim is about, where it is about one thing. */
const claims = {
  'an objective of customers is missed': missed,
  'objectives of customers are met': met,
  'nothing of customers is measured': (shown) =>
    shown.kpis !== undefined && ofCustomers(shown).every((kpi) => meets(kpi) === undefined),
  'an alert pages': (shown) => pages(shown) === true,
  'no alert pages': (shown) => pages(shown) === false,
  'alerts are not known': ({ alerts }) => alerts === undefined,
  'sales are lost': (shown) => (kpiOf(shown, 'lost-basket-value')?.value ?? 0) > 0,
  'the KPI is met': (shown, id) => meets(kpiOf(shown, id)) === true,
  'the KPI is missed': (shown, id) => meets(kpiOf(shown, id)) === false,
  'the KPI has no value': (shown, id) => kpiOf(shown, id)?.value === null,
  'diagnosed, and no finding explains it': ({ diagnosis }, id) =>
    diagnosis?.last?.findings.every(({ explains }) => !explains.kpis.includes(id)) === true,
  'not diagnosed': ({ diagnosis }) => diagnosis?.last === null,
  'nothing done or proposed': ({ actions }) => actions?.length === 0,
  'in force': (shown, id) => isIn('kept')(shown, id),
  'certainly faster': (shown, id) => (actionOf(shown, id)?.effect?.low ?? 0) > 1,
  reverted: isIn('reverted'),
  'reverted by hand': (shown, id) => actionOf(shown, id)?.outcome === 'by hand',
  'measured without gain': (shown, id) => ['no gain', 'worse'].includes(actionOf(shown, id)?.outcome ?? ''),
  failed: isIn('failed'),
  'has nothing to undo': (shown, id) => actionOf(shown, id)?.action.undo.length === 0,
} satisfies Record<string, (shown: Shown, subject: string) => boolean | undefined>;

type Family = keyof typeof claims;
/** With the id of the KPI or action, where the claim is about one. */
export type ClaimName = Family | `${Family}: ${string}`;

/** Figures that sentences show, by their id. A quantity has one text, on whichever page it is. */
export function figuresOf({ kpis = [], alerts, actions = [] }: Shown): ReadonlyMap<string, string> {
  const figures = new Map<string, string>();
  const judged = kpis.filter(({ value }) => value !== null);
  if (judged.length > 0) {
    figures.set('objectives:judged', String(judged.length));
    figures.set('objectives:missed', String(judged.filter((kpi) => meets(kpi) === false).length));
  }
  if (alerts) figures.set('alerts:firing', String(alerts.filter(({ muted }) => muted === null).length));
  // In a sentence an hour is a word.
  for (const { id, value, unit } of kpis)
    if (value !== null) figures.set(`kpi:${id}`, withUnit(value, unit).replace(/ \/h$/, ' an hour'));
  for (const { action, effect } of actions)
    for (const end of ['speedup', 'low', 'high'] as const)
      if (effect) figures.set(`action:${action.id}:${end}`, numberText(effect[end]));
  return figures;
}

export function groundsOf(shown: Shown): Grounds<ClaimName> {
  const figures = figuresOf(shown);
  return {
    figure: (id) => figures.get(id),
    holds(name) {
      const [, family = '', subject = ''] = /^(.*?)(?:: (.*))?$/s.exec(name) ?? [];
      return claims[family as Family](shown, subject) === true;
    },
  };
}
