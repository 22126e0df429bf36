import type { Figures } from '../figures.ts';
import type { Recording } from '../recording.ts';
import { colours, svg } from './svg.ts';

const cut = (title: string, length: number) =>
  title.length > length ? `${title.slice(0, length - 1)}…` : title;

/** The most expensive causes by their share of all database time. */
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
