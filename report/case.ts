import type { RankedFinding } from '../diagnosis/finding.ts';
import { catalogue } from '../kpis/catalogue.ts';
import { type Assumptions, LEVELS } from './assumptions.ts';
import { type Capacity, capacityFigures } from './capacity.ts';
import { comparisonRows, type Row, worsened } from './comparison.ts';
import { Figures, formats } from './figures.ts';
import { type Growth, scalingFigures } from './growth.ts';
import { type Impact, impactFigures } from './impact.ts';
import { COMPARED_KPIS, runFigures } from './measured.ts';
import { mediumTermFigures } from './mediumTermFigures.ts';
import { type CalendarEntry, schedule } from './plan.ts';
import type { Recording } from './recording.ts';
import { type WorseSample, worseSamples } from './worseSamples.ts';

/** What every writer works from: the recording, the assumptions, and the figures that follow from both. */
export interface Case {
  recording: Recording;
  figures: Figures;
  rows: Row[];
  /** Findings with a share of the database time of their own, the largest first. */
  causes: RankedFinding[];
  /** KPIs that were not read in windows, and met their objective at the peak before and not after the last step. */
  worseSamples: WorseSample[];
  /** Names of what became worse: first by windows, then by samples. */
  worse: string[];
  assumptions: Assumptions;
  impact: Impact;
  /** The plan from the day of the run on. */
  calendar: CalendarEntry[];
  /** Null where it was not measured. */
  growth: Growth | null;
  capacity: Capacity | null;
}

/** Measured apart from the run. */
export interface Benches {
  growth?: Growth | null;
  capacity?: Capacity | null;
}

/** @throws AssumptionsError where the freeze periods leave no room for the plan */
export function caseOf(
  recording: Recording,
  assumptions: Assumptions,
  { growth = null, capacity = null }: Benches = {},
): Case {
  const figures = new Figures();
  runFigures(figures, recording);
  mediumTermFigures(figures, recording, assumptions);
  const rows = comparisonRows(figures, recording);
  const impact = impactFigures(figures, recording, assumptions);
  if (growth) scalingFigures(figures, growth);
  if (capacity) capacityFigures(figures, capacity);
  const calendar = schedule(recording.startedAt.slice(0, 10), assumptions.freezePeriods);
  calendarFigures(figures, calendar);
  assumedFigures(figures, assumptions);
  const compared = rows.filter(({ id }) => COMPARED_KPIS.some((kpi) => kpi === id)).length;
  figures.define(
    'kpis:compared',
    compared,
    formats.count,
    ['/phases/*/windows'],
    'KPIs of which windows were read',
  );
  figures.define('kpis:all', catalogue.length, formats.count, ['docs/kpis.md'], 'KPIs of the catalogue');
  const share = ({ rank }: RankedFinding) => figures.value(`finding:${rank}:share`) ?? 0;
  const causes = (recording.diagnosis?.findings ?? [])
    .filter((finding) => share(finding) > 0)
    .sort((a, b) => share(b) - share(a));
  const sampled = worseSamples(figures, recording);
  return {
    recording,
    figures,
    rows,
    causes,
    worseSamples: sampled,
    worse: [...worsened(rows), ...sampled.map(({ name }) => name)],
    assumptions,
    impact,
    calendar,
    growth,
    capacity,
  };
}

/** Days that readers have to keep: the yes, the switch to the new model, the end. */
function calendarFigures(figures: Figures, calendar: readonly CalendarEntry[]): void {
  const from = (id: string) => Date.parse(calendar.find((entry) => entry.id === id)?.from ?? '');
  for (const [id, at, how] of [
    ['start', Date.parse(calendar[0]?.from ?? ''), 'day of the run'],
    ['archive', from('archive'), 'first day of the archival in the plan'],
    ['filled', from('reverse-sync'), 'first day of reverse-sync in the plan'],
    ['switched', from('cutover-writes'), 'first day of cutover-writes in the plan'],
    ['end', from('contract'), 'first day of the contract in the plan'],
  ] as const)
    figures.define(
      `date:${id}`,
      at,
      formats.day,
      ['/startedAt', 'assumptions.freezePeriods'],
      `${how}; one phase after the other, clear of the freeze periods`,
    );
}

/** The assumptions themselves, at each level. */
function assumedFigures(figures: Figures, assumptions: Assumptions): void {
  for (const [name, value] of Object.entries(assumptions)) {
    if (typeof value === 'string' || Array.isArray(value)) continue;
    for (const level of LEVELS)
      figures.define(
        `assumed:${name}:${level}`,
        value[level],
        (number) =>
          name.endsWith('Share')
            ? formats.percent(number)
            : number.toLocaleString('en', { maximumFractionDigits: 4 }),
        [`assumptions.${name}.${level}`],
        value.source,
      );
  }
}
