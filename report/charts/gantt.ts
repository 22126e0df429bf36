import type { Freeze } from '../assumptions.ts';
import { formats } from '../figures.ts';
import { addDays, type CalendarEntry, freezeOn, type Stage } from '../plan.ts';
import type { Recording } from '../recording.ts';
import { colours, minute, svg } from './svg.ts';

interface Bar {
  name: string;
  from: number;
  took: number;
  label: string;
  colour?: string;
}

/** A time in which nothing is to be changed. */
interface Shade {
  from: number;
  to: number;
}

/** Bars over a common time, the first at the top. */
function bars(
  name: string,
  axis: string,
  rows: readonly Bar[],
  width: number,
  left: number,
  shades: readonly Shade[] = [],
): string {
  const end = Math.max(...rows.map(({ from, took }) => from + took), 0);
  return svg(name, width, 60 + rows.length * 28, {
    grid: { left, right: 20, top: 8, bottom: 44 },
    xAxis: {
      type: 'value',
      name: axis,
      nameLocation: 'middle',
      nameGap: 26,
      nameTextStyle: { fontSize: 12 },
      // Room for the label of a bar that reaches the end.
      max: Math.ceil(end * (width < 700 ? 1.5 : 1.22)) || 1,
      axisLabel: { showMaxLabel: false },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: rows.map(({ name: row }) => row),
      axisTick: { show: false },
      axisLabel: { interval: 0 },
    },
    series: [
      {
        type: 'bar',
        stack: 'time',
        silent: true,
        itemStyle: { color: 'transparent' },
        data: rows.map(({ from }) => from),
      },
      {
        type: 'bar',
        stack: 'time',
        barWidth: 16,
        markArea: {
          silent: true,
          itemStyle: { color: '#EEE' },
          label: { show: false },
          data: shades.map(({ from, to }) => [{ xAxis: from }, { xAxis: Math.min(to, end) }]),
        },
        data: rows.map(({ took, colour }) => ({
          value: took,
          itemStyle: { color: colour ?? colours.neutral },
        })),
        label: {
          show: true,
          position: 'right',
          color: colours.ink,
          formatter: ({ dataIndex }: { dataIndex: number }) => rows[dataIndex]?.label ?? '',
        },
      },
    ],
  });
}

/** The phases of the recorded migration, one bar each, where it began and how long it took. */
export function migrationGantt(recording: Recording): string {
  const phases = (recording.migration?.phases ?? []).filter(({ endedAt }) => endedAt !== null);
  const start = phases[0]?.startedAt ?? recording.startedAt;
  return bars(
    'gantt-measured',
    'minutes',
    phases.map(({ phase, startedAt, endedAt }) => {
      const took = minute(endedAt ?? startedAt, startedAt);
      return { name: phase, from: minute(startedAt, start), took, label: formats.duration(took * 60) };
    }),
    900,
    130,
  );
}

const stageColours: Record<Stage, string> = {
  short: colours.good,
  archival: '#E69F00',
  medium: colours.neutral,
};
const days = (from: string, to: string) => Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000);
const short = (day: string) =>
  new Date(`${day}T00:00:00Z`).toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'short',
    timeZone: 'UTC',
  });

const dated = (entry: { title: string; from: string; to: string; stage: Stage }, start: string): Bar => ({
  name: entry.title,
  from: days(start, entry.from),
  took: days(entry.from, entry.to) + 1,
  label: entry.from === entry.to ? short(entry.from) : `${short(entry.from)} – ${short(entry.to)}`,
  colour: stageColours[entry.stage],
});

/** Runs of frozen days within the plan. */
function frozen(calendar: readonly CalendarEntry[], freezes: readonly Freeze[], start: string): Shade[] {
  const length = days(start, calendar.at(-1)?.to ?? start) + 1;
  const found: Shade[] = [];
  for (let day = 0; day < length; day += 1) {
    if (!freezeOn(addDays(start, day), freezes)) continue;
    const last = found.at(-1);
    if (last?.to === day) last.to = day + 1;
    else found.push({ from: day, to: day + 1 });
  }
  return found;
}

/** The plan by date, with each phase; freeze periods are grey. */
export const roadmapGantt = (calendar: readonly CalendarEntry[], freezes: readonly Freeze[]): string => {
  const start = calendar[0]?.from ?? '';
  return bars(
    'gantt-plan',
    `days from ${short(start)}`,
    calendar.map((entry) => dated(entry, start)),
    900,
    190,
    frozen(calendar, freezes, start),
  );
};

/** Phases that are one bar where there is little room. */
const GROUPS: [title: string, ids: string[]][] = [
  ['Short-term fixes', ['mitigation', 'watch']],
  ['Sign the policy', ['policy']],
  ['Archival', ['archive']],
  ['Fill and compare', ['expand', 'dual-write', 'backfill', 'verify']],
  ['Switch and watch', ['reverse-sync', 'cutover-reads', 'cutover-writes']],
  ['Drop the old tables', ['contract']],
];

/** The plan by date, a bar a stage; freeze periods are grey. */
export function stageGantt(
  calendar: readonly CalendarEntry[],
  freezes: readonly Freeze[],
  width: number,
): string {
  const start = calendar[0]?.from ?? '';
  const rows = GROUPS.flatMap(([title, ids]) => {
    const [first, ...others] = calendar.filter(({ id }) => ids.includes(id));
    return first ? [dated({ ...first, title, to: others.at(-1)?.to ?? first.to }, start)] : [];
  });
  return bars(
    'gantt-stages',
    `days from ${short(start)}`,
    rows,
    width,
    width < 400 ? 130 : 160,
    frozen(calendar, freezes, start),
  );
}
