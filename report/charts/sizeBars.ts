import { formats } from '../figures.ts';
import type { Recording } from '../recording.ts';
import { colours, svg } from './svg.ts';

/** Size of the live database at each time that it was noted. */
export function sizeBars({ sizes }: Recording): string {
  return svg('sizes', 900, 50 + sizes.length * 44, {
    grid: { left: 150, right: 90, top: 8, bottom: 30 },
    xAxis: {
      type: 'value',
      axisLabel: { formatter: (value: number) => formats.bytes(value) },
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
          formatter: ({ value }: { value: number }) => formats.bytes(value),
        },
      },
    ],
  });
}
