import * as echarts from 'echarts';
import { kpiById } from '../kpis/catalogue.ts';
import type { Figures } from './figures.ts';
import type { Sensitivity } from './impact.ts';
import { COMPARED, kpiFormat, phaseTitles, windowsOf } from './measured.ts';
import type { Recording } from './recording.ts';

/** Okabe and Ito's colours, told apart by colour-blind readers; of different lightness, so in greyscale too. */
export const colours = { bad: '#D55E00', good: '#009E73', neutral: '#0072B2', pale: '#E6E6E6', ink: '#222' };
const text = { fontFamily: 'system-ui, sans-serif', fontSize: 13, color: colours.ink };

/** SVG text of a chart. The library numbers its elements through; names from the chart make runs equal. */
export function svg(name: string, width: number, height: number, option: echarts.EChartsCoreOption): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, textStyle: text, ...option });
    const numbers = new Map<string, number>();
    return chart.renderToSVGString().replaceAll(/zr\d+-[a-z]+-?\d+/g, (id) => {
      if (!numbers.has(id)) numbers.set(id, numbers.size);
      return `${name}-${numbers.get(id)}`;
    });
  } finally {
    chart.dispose();
  }
}

const minute = (at: string, start: string) => (Date.parse(at) - Date.parse(start)) / 60_000;

/** A KPI over the whole run, with the phases behind it. */
export function timeline(recording: Recording, kpi: string, width = 900, height = 280): string {
  const { objective, name } = kpiById(kpi);
  const format = kpiFormat(kpi);
  const points = recording.phases.flatMap(({ samples }) =>
    samples.flatMap(({ at, kpis }) => {
      const value = kpis.find(({ id }) => id === kpi)?.value;
      return value === null || value === undefined ? [] : [[minute(at, recording.startedAt), value]];
    }),
  );
  const areas = recording.phases.map((phase, at) => [
    {
      name: phaseTitles[phase.name] ?? phase.name,
      xAxis: minute(phase.startedAt, recording.startedAt),
      itemStyle: { color: at % 2 === 0 ? '#F5F5F5' : '#FFFFFF' },
      label: { position: 'insideTop', color: '#555', fontSize: 11, width: 110, overflow: 'break' },
    },
    { xAxis: minute(phase.endedAt ?? phase.startedAt, recording.startedAt) },
  ]);
  return svg(`time-${kpi}`, width, height, {
    title: { text: name, left: 0, textStyle: { ...text, fontSize: 15, fontWeight: 600 } },
    grid: { left: 80, right: 20, top: 44, bottom: 42 },
    xAxis: {
      type: 'value',
      name: 'minutes',
      nameLocation: 'middle',
      nameGap: 26,
      max: 'dataMax',
      axisLabel: { formatter: (value: number) => String(Math.round(value * 10) / 10) },
    },
    // Room for the names of the phases above the line.
    yAxis: {
      type: 'value',
      max: Math.max(objective.value, ...points.map(([, value]) => value ?? 0)) * 1.25 || 1,
      axisLabel: { formatter: format, showMaxLabel: false },
    },
    series: [
      {
        type: 'line',
        data: points,
        symbol: 'none',
        lineStyle: { color: colours.neutral, width: 2.5 },
        markArea: { silent: true, data: areas },
        markLine: {
          silent: true,
          symbol: 'none',
          lineStyle: { color: colours.bad, type: 'dashed' },
          label: {
            formatter: `objective ${format(objective.value)}`,
            position: 'insideEndTop',
            color: colours.bad,
          },
          data: [{ yAxis: objective.value }],
        },
      },
    ],
  });
}

/** One KPI in each compared phase: mean of its windows, with the 95 % interval. */
export function phaseBars(
  figures: Figures,
  recording: Recording,
  kpi: string,
  width = 430,
  height = 270,
): string {
  const { objective, name } = kpiById(kpi);
  const format = kpiFormat(kpi);
  const phases = COMPARED.filter((phase) => windowsOf(recording, phase, kpi).length > 0);
  const met = (value: number) =>
    objective.comparison === '<=' ? value <= objective.value : value >= objective.value;
  const value = (phase: string, part = '') => figures.value(`${kpi}:${phase}${part}`) ?? 0;
  return svg(`bars-${kpi}`, width, height, {
    title: {
      text: name,
      left: 0,
      textStyle: { ...text, fontSize: 14, fontWeight: 600, width: width - 10, overflow: 'truncate' },
    },
    grid: { left: 76, right: 14, top: 46, bottom: 52 },
    xAxis: {
      type: 'category',
      data: phases.map((phase) => (phaseTitles[phase] ?? phase).replace(', ', ',\n')),
      axisLabel: { interval: 0, fontSize: 11.5 },
    },
    yAxis: {
      type: 'value',
      axisLabel: { formatter: format, showMaxLabel: false },
      // Room for the label above the interval.
      max: Math.max(objective.value, ...phases.map((phase) => value(phase, ':high'))) * 1.18 || 1,
    },
    series: [
      {
        type: 'bar',
        barWidth: '52%',
        data: phases.map((phase) => ({
          value: value(phase),
          itemStyle: {
            color: met(value(phase)) ? colours.good : colours.bad,
            decal: met(value(phase))
              ? undefined
              : {
                  symbol: 'rect',
                  dashArrayX: [1, 0],
                  dashArrayY: [4, 4],
                  rotation: 0.7,
                  color: 'rgba(0,0,0,.18)',
                },
          },
        })),
        markLine: {
          silent: true,
          symbol: 'none',
          label: { show: false },
          lineStyle: { color: '#444', type: 'dashed' },
          data: objective.value > 0 ? [{ yAxis: objective.value }] : [],
        },
      },
      {
        type: 'scatter',
        symbolSize: 0.1,
        data: phases.map((phase, at) => [at, value(phase, ':high')]),
        label: {
          show: true,
          position: 'top',
          distance: 6,
          formatter: ({ dataIndex }: { dataIndex: number }) => format(value(phases[dataIndex] ?? '')),
          fontWeight: 600,
          color: colours.ink,
          backgroundColor: '#fff',
          padding: [1, 3],
        },
      },
      {
        type: 'custom',
        data: phases.map((phase, at) => [at, value(phase, ':low'), value(phase, ':high')]),
        renderItem: (
          _params: unknown,
          api: { value(at: number): number; coord(point: number[]): number[] },
        ) => {
          const [x = 0, low = 0] = api.coord([api.value(0), api.value(1)]);
          const [, high = 0] = api.coord([api.value(0), api.value(2)]);
          const style = { stroke: colours.ink, lineWidth: 1.4 };
          const line = (x1: number, y1: number, x2: number, y2: number) => ({
            type: 'line',
            shape: { x1, y1, x2, y2 },
            style,
          });
          return {
            type: 'group',
            children: [line(x, low, x, high), line(x - 6, low, x + 6, low), line(x - 6, high, x + 6, high)],
          };
        },
      },
    ],
  });
}

const cut = (title: string, length: number) =>
  title.length > length ? `${title.slice(0, length - 1)}…` : title;

/** The dearest causes by their share of all database time. */
export function causeBars(
  figures: Figures,
  recording: Recording,
  most = 8,
  width = 900,
  height = 330,
): string {
  const findings = (recording.diagnosis?.findings ?? [])
    .filter(({ shareOfLostTime }) => shareOfLostTime !== null)
    .slice(0, most)
    .reverse();
  return svg('causes', width, height, {
    grid: { left: 420, right: 60, top: 10, bottom: 40 },
    xAxis: {
      type: 'value',
      axisLabel: { formatter: (value: number) => `${Math.round(value * 100)} %` },
      name: 'share of all database time under the peak',
      nameLocation: 'middle',
      nameGap: 26,
    },
    yAxis: {
      type: 'category',
      data: findings.map(({ title, rank }) => `${rank}. ${cut(title, 58)}`),
      axisLabel: { fontSize: 12 },
    },
    series: [
      {
        type: 'bar',
        barWidth: '60%',
        data: findings.map(({ shareOfLostTime }) => shareOfLostTime),
        itemStyle: { color: colours.bad },
        label: {
          show: true,
          position: 'right',
          formatter: ({ dataIndex }: { dataIndex: number }) =>
            figures.text(`finding:${findings[dataIndex]?.rank}:share`),
        },
      },
    ],
  });
}

/** How far each assumption moves the yearly loss. */
export function tornado(
  sensitivity: readonly Sensitivity[],
  base: number,
  currency: string,
  width = 900,
): string {
  const rows = [...sensitivity].reverse();
  const money = (value: number) =>
    `${currency} ${new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 }).format(value)}`;
  return svg('tornado', width, 90 + rows.length * 38, {
    grid: { left: 190, right: 90, top: 12, bottom: 44 },
    xAxis: {
      type: 'value',
      axisLabel: { formatter: money },
      name: 'measured loss and churn a year',
      nameLocation: 'middle',
      nameGap: 28,
    },
    yAxis: { type: 'category', data: rows.map(({ name }) => name) },
    series: [
      {
        type: 'custom',
        data: rows.map(({ low, high }, at) => [Math.min(low, high), Math.max(low, high), at]),
        encode: { x: [0, 1], y: 2 },
        renderItem: (
          _params: unknown,
          api: { value(at: number): number; coord(point: number[]): number[]; size(by: number[]): number[] },
        ) => {
          const [from = 0, y = 0] = api.coord([api.value(0), api.value(2)]);
          const [to = 0] = api.coord([api.value(1), api.value(2)]);
          const [, height = 20] = api.size([0, 1]);
          return {
            type: 'rect',
            shape: { x: from, y: y - height * 0.28, width: Math.max(2, to - from), height: height * 0.56 },
            style: { fill: colours.neutral },
          };
        },
        markLine: {
          silent: true,
          symbol: 'none',
          lineStyle: { color: colours.ink },
          label: { formatter: 'likely' },
          data: [{ xAxis: base }],
        },
      },
    ],
  });
}

/** The phases of the migration, one bar each, where it began and how long it took. */
export function gantt(recording: Recording, width = 900): string {
  const phases = (recording.migration?.phases ?? []).filter(({ endedAt }) => endedAt !== null);
  const start = phases[0]?.startedAt ?? recording.startedAt;
  const rows = phases.map(({ phase, startedAt, endedAt }) => ({
    phase,
    from: minute(startedAt, start),
    took: minute(endedAt ?? startedAt, startedAt),
  }));
  return svg('gantt', width, 60 + rows.length * 30, {
    grid: { left: 130, right: 80, top: 8, bottom: 44 },
    xAxis: { type: 'value', name: 'minutes', nameLocation: 'middle', nameGap: 26, max: 'dataMax' },
    yAxis: {
      type: 'category',
      inverse: true,
      data: rows.map(({ phase }) => phase),
      axisTick: { show: false },
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
        itemStyle: { color: colours.neutral },
        data: rows.map(({ took }) => took),
        label: {
          show: true,
          position: 'right',
          color: colours.ink,
          formatter: ({ dataIndex }: { dataIndex: number }) => {
            const seconds = (rows[dataIndex]?.took ?? 0) * 60;
            return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 6) / 10} min`;
          },
        },
      },
    ],
  });
}

/** Size of the live database at each time that it was noted. */
export function sizeBars({ sizes }: Recording, width = 900): string {
  return svg('sizes', width, 50 + sizes.length * 44, {
    grid: { left: 150, right: 90, top: 8, bottom: 30 },
    xAxis: {
      type: 'value',
      name: 'MB',
      axisLabel: { formatter: (value: number) => String(Math.round(value / 1e6)) },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: sizes.map(({ when }) => when),
      axisTick: { show: false },
    },
    series: [
      {
        type: 'bar',
        barWidth: 20,
        data: sizes.map(({ bytes }, at) => ({
          value: bytes,
          itemStyle: { color: at === 0 ? colours.bad : colours.good },
        })),
        label: {
          show: true,
          position: 'right',
          formatter: ({ value }: { value: number }) => `${Math.round(value / 1e6)} MB`,
        },
      },
    ],
  });
}
