import { formats } from '../figures.ts';
import { calendar } from '../plan.ts';
import type { Recording } from '../recording.ts';
import { colours, minute, svg } from './svg.ts';

interface Bar {
  name: string;
  from: number;
  took: number;
  label: string;
  colour?: string;
}

/** Bars over a common time, the first at the top. */
function bars(name: string, axis: string, rows: readonly Bar[], width: number, left: number): string {
  const end = Math.max(...rows.map(({ from, took }) => from + took), 0);
  return svg(name, width, 60 + rows.length * 28, {
    grid: { left, right: 20, top: 8, bottom: 44 },
    xAxis: {
      type: 'value',
      name: axis,
      nameLocation: 'middle',
      nameGap: 26,
      // Room for the label of a bar that reaches the end.
      max: Math.ceil(end * (width < 700 ? 1.3 : 1.18)) || 1,
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
export function migrationGantt(recording: Recording, width = 900): string {
  const phases = (recording.migration?.phases ?? []).filter(({ endedAt }) => endedAt !== null);
  const start = phases[0]?.startedAt ?? recording.startedAt;
  return bars(
    'gantt-measured',
    'minutes',
    phases.map(({ phase, startedAt, endedAt }) => {
      const took = minute(endedAt ?? startedAt, startedAt);
      return { name: phase, from: minute(startedAt, start), took, label: formats.duration(took * 60) };
    }),
    width,
    130,
  );
}

/** The plan from the yes on, in days. */
export function roadmapGantt(width = 900): string {
  const shades = { short: colours.good, archival: '#E69F00', medium: colours.neutral };
  return bars(
    'gantt-plan',
    'days from the yes',
    calendar.map(({ title, from, days, stage }) => ({
      name: title,
      from,
      took: days,
      label: `${formats.count(days)} ${days === 1 ? 'day' : 'days'}`,
      colour: shades[stage],
    })),
    width,
    190,
  );
}
