import { kpiById } from '../../kpis/catalogue.ts';
import { intervalOf, ratioOf } from '../../remediation/interval.ts';
import type { RecordedPhase, RecordedTrail, Recording } from '../../report/recording.ts';

interface PlanNode {
  'Node Type'?: string;
  'Relation Name'?: string;
  Filter?: string;
  'Plan Rows'?: number;
  Plans?: PlanNode[];
}

/** The sequential scans of a plan, outermost first. */
export function sequentialScans(plan: unknown): { table: string; filter: string | null }[] {
  const found: { table: string; filter: string | null }[] = [];
  const walk = (node: PlanNode | undefined) => {
    if (!node) return;
    if (node['Node Type'] === 'Seq Scan')
      found.push({ table: node['Relation Name'] ?? '?', filter: node.Filter ?? null });
    node.Plans?.forEach(walk);
  };
  walk((plan as [{ Plan?: PlanNode }] | null)?.[0]?.Plan);
  return found;
}

/** Median of what was read of a KPI in a phase; null when it never gave a number. */
export function kpiOf(phase: RecordedPhase | undefined, id: string): number | null {
  const values = (phase?.samples ?? [])
    .flatMap(({ kpis }) => kpis.find((kpi) => kpi.id === id)?.value ?? [])
    .sort((a, b) => a - b);
  return values[Math.floor(values.length / 2)] ?? null;
}

const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

export function formatKpi(value: number | null, id: string): string {
  if (value === null) return 'no data';
  switch (kpiById(id).unit) {
    case 's':
      return value < 1 ? `${number.format(value * 1000)} ms` : `${number.format(value)} s`;
    case '1':
      return `${number.format(value * 100)} %`;
    case 'EUR/h':
      return `€ ${number.format(value)} /h`;
    case '/s':
      return `${number.format(value)} /s`;
    default:
      return number.format(value);
  }
}

/** The KPIs that the verdict compares, ordinary load against peak. */
export const verdictKpis = [
  'customer-latency-p95',
  'request-failure-ratio',
  'statement-latency-p95',
  'statement-timeouts',
  'pool-saturation',
  'pool-wait-p95',
  'pool-acquire-timeouts',
  'rows-read-per-request',
  'queries-per-request',
  'checkout-failure-ratio',
  'lost-basket-value',
] as const;

function explain(trail: RecordedTrail): string[] {
  const scans = sequentialScans(trail.plan);
  if (trail.plan === null) return ['Its plan was not captured in this run; the SQL is above.'];
  if (scans.length === 0) return ['Its plan has no sequential scan: it waits or returns a great deal.'];
  return scans.map(
    ({ table, filter }) => `It reads all of ${table}${filter ? `, because no index serves ${filter}` : ''}.`,
  );
}

/** The verdict in sentences; every figure is out of the recording. */
export function verdict(recording: Recording): string[] {
  const ordinary = recording.phases.find(({ name }) => name === 'ordinary');
  const peak = recording.phases.find(({ name }) => name === 'peak');
  const change = (id: string) => `${formatKpi(kpiOf(ordinary, id), id)} → ${formatKpi(kpiOf(peak, id), id)}`;
  const alerts = [
    ...new Set(recording.alerts.filter(({ phase }) => phase === 'peak').map(({ name }) => name)),
  ];
  const lines = [
    `Under the peak (${number.format(peak?.offeredRate ?? 0)} visits a second against ${number.format(ordinary?.offeredRate ?? 0)}) customers wait ${change('customer-latency-p95')} (p95), failed requests go ${change('request-failure-ratio')}, checkouts lost ${change('checkout-failure-ratio')}.`,
    alerts.length > 0
      ? `Alerts that fired: ${alerts.join(', ')}.`
      : 'No alert fired within the time that was given; see the notes.',
  ];
  if (recording.trail)
    lines.push(
      `${recording.trail.alert} led by ${recording.trail.foundBy} to trace ${recording.trail.traceId}: ${recording.trail.statement} on ${recording.trail.route ?? 'no route'} took ${number.format(recording.trail.durationMs)} ms.`,
      ...explain(recording.trail),
    );
  if (recording.lostBasketValue !== null)
    lines.push(`Baskets lost during the run: € ${recording.lostBasketValue.toFixed(2)}.`);
  return lines;
}

/** p95 of a step in each window of a phase, seconds. */
export const stepWindows = (recording: Recording, phase: string, step: string): number[] =>
  recording.phases
    .filter(({ name }) => name === phase)
    .flatMap(({ windows }) => windows.flatMap(({ steps }) => steps.find((s) => s.step === step)?.p95 ?? []));

/** What customers came for, and the factor that the relief has to reach. */
const STEPS = { checkout: 'Checkout', history: 'Order history' };
const WANTED = 10;

/** How much faster checkout and order history became under the same peak; nothing where it was not measured. */
export function stepVerdict(recording: Recording): string[] {
  return Object.entries(STEPS).flatMap(([step, title]) =>
    ['peak-after-short-term', 'peak-after-medium-term'].flatMap((phase) => {
      const [before, after] = [stepWindows(recording, 'peak', step), stepWindows(recording, phase, step)];
      const [was, is, ratio] = [intervalOf(before), intervalOf(after), ratioOf(before, after)];
      if (!was || !is || !ratio) return [];
      const times = `${number.format(ratio.mean)} times as fast (95 % interval ${number.format(ratio.low)} to ${number.format(ratio.high)})`;
      return [
        `${title}, p95 of its windows, ${phase}: ${formatKpi(was.mean, 'customer-latency-p95')} → ${formatKpi(is.mean, 'customer-latency-p95')}, ${times}; wanted ${WANTED}: ${ratio.mean >= WANTED ? 'reached' : 'missed'}.`,
      ];
    }),
  );
}
