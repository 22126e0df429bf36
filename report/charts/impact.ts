import { LEVELS, type Level } from '../assumptions.ts';
import type { Impact, Sensitivity } from '../impact.ts';
import { afterTitles } from '../measured.ts';
import { colours, svg } from './svg.ts';

const amount = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
const plain = new Intl.NumberFormat('en', { maximumSignificantDigits: 3, notation: 'compact' });

/** How far each assumption moves a result of the likely case: the range of the assumption at its bar. */
export function tornado(
  name: string,
  axis: string,
  sensitivity: readonly Sensitivity[],
  base: number,
  currency: string,
  width: number,
): string {
  const rows = [...sensitivity].reverse();
  const narrow = width < 700;
  return svg(`tornado-${name}`, width, 84 + rows.length * 34, {
    grid: { left: narrow ? 210 : 300, right: 40, top: 26, bottom: 46 },
    xAxis: {
      type: 'value',
      scale: true,
      splitNumber: narrow ? 3 : 5,
      axisLabel: { formatter: (value: number) => amount.format(value) },
      name: `${axis}, ${currency}`,
      nameLocation: 'middle',
      nameGap: 28,
    },
    yAxis: {
      type: 'category',
      axisTick: { show: false },
      axisLabel: { interval: 0, fontSize: narrow ? 11 : 12.5, lineHeight: 14 },
      data: rows.map(
        ({ title, at }) =>
          `${title}${narrow ? '\n' : ': '}${plain.format(at.low)} to ${plain.format(at.high)}`,
      ),
    },
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

/** Sales at risk, added up over twelve months: as it is, and after each step that was measured. */
export function cumulatedCost(
  { cumulated }: Impact,
  currency: string,
  width = 900,
  height = 320,
  levels: readonly Level[] = LEVELS,
): string {
  const styles: Record<string, { color: string; type: string }> = {
    low: { color: colours.bad, type: 'dotted' },
    likely: { color: colours.bad, type: 'solid' },
    high: { color: colours.bad, type: 'dashed' },
    'peak-after-short-term': { color: colours.good, type: 'solid' },
    'peak-after-medium-term': { color: colours.neutral, type: 'dashed' },
  };
  const months = Array.from({ length: 13 }, (_, month) => String(month));
  return svg('cumulated', width, height, {
    grid: { left: 78, right: width < 700 ? 206 : 250, top: 12, bottom: 44 },
    xAxis: {
      type: 'category',
      data: months,
      boundaryGap: false,
      name: 'months from now',
      nameLocation: 'middle',
      nameGap: 26,
    },
    yAxis: {
      type: 'value',
      name: '',
      splitNumber: height < 200 ? 2 : 5,
      axisLabel: { formatter: (value: number) => `${currency} ${amount.format(value)}` },
    },
    series: cumulated
      .filter(({ level }) => levels.includes(level))
      .map(({ title, level, values, atMost }) => {
        const before = title === 'as it is';
        const style = styles[before ? level : title];
        return {
          type: 'line',
          symbol: 'none',
          data: [0, ...values],
          lineStyle: { width: before && level === 'likely' ? 3.5 : 2.5, ...style },
          itemStyle: { color: style?.color },
          endLabel: {
            show: true,
            color: colours.ink,
            distance: 14,
            formatter: `${before ? `as it is, ${level}` : (afterTitles[title] ?? title)}: ${atMost ? '≤ ' : ''}${amount.format(values.at(-1) ?? 0)}`,
          },
          labelLayout: { moveOverlap: 'shiftY' },
        };
      }),
  });
}
