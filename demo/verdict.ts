import { catalogue, meetsObjective } from '../kpis/catalogue.ts';
import { intervalOf, rangeText, ratioOf } from '../lib/stats/interval.ts';
import type { Case } from '../report/case.ts';
import { type ClaimName, holds } from '../report/claims.ts';
import { stepWindows } from '../report/comparison.ts';
import { formats } from '../report/figures.ts';
import { COMPARED_KPIS, kpiFormat, windowsOf } from '../report/measured.ts';
import type { RecordedTrail, Recording } from '../report/recording.ts';

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

/** Mean of the windows of a phase, as in the report; null when the KPI never gave a number. */
export const kpiOf = (recording: Recording, phase: string, id: string): number | null =>
  intervalOf(windowsOf(recording, phase, id))?.mean ?? null;

export const formatKpi = (value: number | null, id: string): string =>
  value === null ? 'no data' : kpiFormat(id)(value);

/** The KPIs of which windows are recorded. */
export const verdictKpis = [...COMPARED_KPIS, 'lost-basket-value'] as const;

function explain(trail: RecordedTrail): string {
  const scans = sequentialScans(trail.plan);
  if (trail.plan === null) return 'Its plan was not captured in this run; the SQL is above.';
  if (scans.length === 0) return 'Its plan has no sequential scan: it waits or returns a great deal.';
  return scans
    .map(
      ({ table, filter }) =>
        `It reads the whole table ${table}${filter ? `: no index supports ${filter}` : ''}.`,
    )
    .join(' ');
}

/** Alerts that must fire for the breakdown to count as seen: one of each kind. */
export const AWAITED = ['SlowStatements', 'StatementTimeouts', 'PoolExhausted'] as const;

/** What the story was to show and did not; empty when it is complete. */
export function shortfalls(recording: Recording): string[] {
  const { until, migration, archival, alerts, phases } = recording;
  const has = (phase: string) => phases.some(({ name, endedAt }) => name === phase && endedAt !== null);
  const missing = AWAITED.filter(
    (name) => !alerts.some((alert) => alert.name === name && alert.phase === 'peak'),
  );
  const said = [
    missing.length > 0 && `Not fired at the peak: ${missing.join(', ')}.`,
    !recording.trail && 'No trace of an alerted statement was found.',
  ];
  if (until !== 'breakdown')
    said.push(
      !has('peak-after-short-term') && 'The peak after the short-term fixes was not measured.',
      has('peak-after-short-term') &&
        recording.silentAfterSeconds === null &&
        `After the short-term fixes still active: some of ${AWAITED.join(', ')}.`,
    );
  if (until === 'medium-term')
    said.push(
      !archival && 'Nothing was archived.',
      archival !== null && archival.damaged > 0 && `Archive files that are damaged: ${archival.damaged}.`,
      migration?.reached !== 'contract' &&
        `The new data model was not introduced: the migration reached ${migration?.reached ?? 'nothing'}.`,
      migration?.verification?.equal === false && 'The two data models differ.',
      migration?.orders !== null &&
        migration?.orders !== undefined &&
        migration.orders.found < migration.orders.acknowledged &&
        `Orders lost: ${migration.orders.acknowledged - migration.orders.found}.`,
      !has('peak-after-medium-term') && 'The peak on the new data model was not measured.',
    );
  return said.filter((line) => typeof line === 'string');
}

/**
 * The verdict in sentences, for whoever is on call and for their lead; every figure is one of the report's. What was
 * not measured is left out: {@link shortfalls} says it.
 */
export function verdict(input: Case): string[] {
  const { recording, figures, rows, causes, worse } = input;
  const f = (id: string) => figures.text(id);
  const fired = [
    ...new Set(recording.alerts.filter(({ phase }) => phase === 'peak').map(({ name }) => name)),
  ];
  const lines = [
    `Broken: under the peak (${f('offered:peak')} visits a second against ${f('offered:ordinary')}) a page takes ${f('customer-latency-p95:peak')} (p95) instead of ${f('customer-latency-p95:ordinary')}, ${f('request-failure-ratio:peak')} of the requests fail, ${f('checkouts:peak:lost')} of the buyers leave without an order.`,
  ];
  if (fired.length > 0)
    lines.push(
      `Alerts: the first new one that pages after ${f('alerts:first-page')} of the peak; ${fired.join(', ')}.`,
    );
  const { trail } = recording;
  if (trail)
    lines.push(
      `Trail: ${trail.alert} → ${trail.foundBy} → trace ${trail.traceId} → ${trail.statement} on ${trail.route ?? 'no route'}. ${explain(trail)}`,
    );
  if (causes.length > 0)
    lines.push(
      `Causes: ${f('diagnosis:findings')} findings; by database time, each statement counted once, the most expensive are ${causes
        .slice(0, 3)
        .map(({ title, rank }) => `${title} (${f(`finding:${rank}:share`)})`)
        .join('; ')}.`,
    );
  const peaks: [string, string, ClaimName, string][] = [
    [
      'peak-after-short-term',
      'Short term',
      'same load after the short term',
      `${f('actions:kept')} actions in force, ${f('actions:reverted')} reverted; the awaited alerts ${figures.get('alerts:silent') ? `silent after ${f('alerts:silent')}` : 'still active'}`,
    ],
    [
      'peak-after-medium-term',
      'Medium term',
      'same load after the medium term',
      `${f('archival:rows')} rows archived, ${f('verified:rows')} rows of both models compared, ${f('verified:differing')} differ; ${f('orders:acknowledged')} orders acknowledged meanwhile, ${f('orders:found')} there; database ${f('size:before')} → ${f('size:after')}`,
    ],
  ];
  for (const [phase, title, sameLoad, more] of peaks)
    if (figures.get(`customer-latency-p95:${phase}`))
      lines.push(
        `${title}: ${holds(input, sameLoad) ? 'the same peak' : 'a peak'} with pages of ${f(`customer-latency-p95:${phase}`)}, ${f(`request-failure-ratio:${phase}`)} failed requests, ${f(`checkouts:${phase}:count`)} of ${f(`checkouts:${phase}:all`)} buyers lost. ${more}.`,
      );
  const last = rows[0]?.cells.at(-1)?.phase ?? '';
  const outside = catalogue.filter((kpi) => {
    const value = figures.value(`${kpi.id}:${last}`);
    return value !== undefined && !meetsObjective(kpi, value);
  });
  if (last.startsWith('peak-after'))
    lines.push(
      outside.length > 0
        ? `Still outside its objective at the end: ${outside.map(({ id, name }) => `${name} (${f(`${id}:${last}`)})`).join('; ')}.`
        : 'The KPIs of the table are within their objectives at the end.',
    );
  if (worse.length > 0) lines.push(`Worse than before: ${worse.join(', ')}.`);
  if (last.startsWith('peak-after'))
    lines.push(`Compared: ${f('kpis:compared')} of ${f('kpis:all')} KPIs, in windows that do not overlap.`);
  return lines;
}

/** The KPIs in each of the compared phases; the last column says whether the last of them meets the objective. */
export function verdictTable({ figures, rows }: Case): string[] {
  const phases = rows[0]?.cells.map(({ phase }) => phase) ?? [];
  const heads: Record<string, string> = {
    ordinary: 'ordinary',
    peak: 'peak',
    'peak-after-short-term': 'short term',
    'peak-after-medium-term': 'medium term',
  };
  const line = (name: string, cells: string[], end: string) =>
    `${name.padEnd(42)}${cells.map((cell) => cell.padStart(13)).join('')}   ${end}`.trimEnd();
  return [
    line(
      'KPI, mean of its windows',
      phases.map((phase) => heads[phase] ?? phase),
      'objective',
    ),
    ...rows.map(({ id, name, cells }) => {
      const kpi = catalogue.find((each) => each.id === id);
      const last = cells.at(-1)?.interval?.mean;
      const met = kpi && last !== undefined ? (meetsObjective(kpi, last) ? '✔' : '✘') : '';
      return line(
        name,
        phases.map((phase) => figures.get(`${id}:${phase}`)?.text ?? 'no data'),
        kpi
          ? `${met} ${kpi.objective.comparison === '<=' ? '≤' : '≥'} ${kpiFormat(id)(kpi.objective.value)}`
          : '',
      );
    }),
  ];
}

/** What customers came for, and the factor that the short-term fixes have to reach. */
const STEPS = { checkout: 'Checkout', history: 'Order history' };
const WANTED = 10;

/** How much faster checkout and order history became under the same peak; nothing where it was not measured. */
export function stepVerdict(recording: Recording): string[] {
  return Object.entries(STEPS).flatMap(([step, title]) =>
    ['peak-after-short-term', 'peak-after-medium-term'].flatMap((phase) => {
      const [before, after] = [stepWindows(recording, 'peak', step), stepWindows(recording, phase, step)];
      const [was, is, ratio] = [intervalOf(before), intervalOf(after), ratioOf(before, after)];
      if (!was || !is || !ratio) return [];
      const times = `${formats.count(ratio.mean)} times as fast${rangeText(ratio, formats.count, '95 % interval ')}`;
      return [
        `${title}, p95 of its windows, ${phase}: ${formatKpi(was.mean, 'customer-latency-p95')} → ${formatKpi(is.mean, 'customer-latency-p95')}, ${times}; wanted ${WANTED}: ${ratio.mean >= WANTED ? 'reached' : 'missed'}.`,
      ];
    }),
  );
}
