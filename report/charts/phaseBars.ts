import { kpiById, meetsObjective } from '../../kpis/catalogue.ts';
import type { Figures } from '../figures.ts';
import { COMPARED, kpiFormat, phaseTitles, windowsOf } from '../measured.ts';
import type { Recording } from '../recording.ts';
import { colours, svg, text } from './svg.ts';

const smallTitles: Record<string, string> = {
  ordinary: 'ordinary',
  peak: 'peak',
  'peak-after-short-term': 'after\nshort term',
  'peak-after-medium-term': 'after\nmedium term',
};

/** One KPI in each compared phase: mean of its windows, with the 95 % interval. */
export function phaseBars(
  figures: Figures,
  recording: Recording,
  kpi: string,
  width = 500,
  height = 270,
): string {
  const found = kpiById(kpi);
  const { objective, name } = found;
  const format = kpiFormat(kpi);
  const phases = COMPARED.filter((phase) => windowsOf(recording, phase, kpi).length > 0);
  const met = (value: number) => meetsObjective(found, value);
  /** On a slide: fewer words below the bars, fewer lines behind them. */
  const small = width < 420;
  const value = (phase: string) => figures.value(`${kpi}:${phase}`) ?? 0;
  /** The end of the interval; the value itself where there is none. */
  const end = (phase: string, part: 'low' | 'high') =>
    figures.value(`${kpi}:${phase}:${part}`) ?? value(phase);
  return svg(`bars-${kpi}`, width, height, {
    title: {
      text: name,
      left: 0,
      textStyle: { ...text, fontSize: 14, fontWeight: 600, width: width - 10, overflow: 'truncate' },
    },
    grid: { left: small ? 52 : 76, right: 8, top: 46, bottom: small ? 40 : 52 },
    xAxis: {
      type: 'category',
      data: phases.map((phase) =>
        small
          ? (smallTitles[phase] ?? phase)
          : (phaseTitles[phase] ?? phase).replace(/ (load|before|short term|medium term)$/, '\n$1'),
      ),
      axisLabel: { interval: 0, fontSize: 12, lineHeight: 14 },
    },
    yAxis: {
      type: 'value',
      axisLabel: { fontSize: 12, formatter: format, showMaxLabel: false },
      splitNumber: height < 220 ? 2 : 5,
      // Room for the label above the interval.
      max: Math.max(objective.value, ...phases.map((phase) => end(phase, 'high'))) * 1.18 || 1,
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
        // Before the line of the objective.
        z: 10,
        symbolSize: 0.1,
        data: phases.map((phase, at) => [at, end(phase, 'high')]),
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
        data: phases.map((phase, at) => [at, end(phase, 'low'), end(phase, 'high')]),
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
