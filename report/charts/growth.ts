import { formats } from '../figures.ts';
import {
  type Growth,
  type GrowthModel,
  type GrowthOperation,
  growthModels,
  growthOperations,
  growthWindows,
  modelNames,
} from '../growth.ts';
import { colours, svg, text } from './svg.ts';

const looks: Record<GrowthModel, { color: string; symbol: string; type: string }> = {
  legacy: { color: colours.bad, symbol: 'circle', type: 'solid' },
  tuned: { color: colours.neutral, symbol: 'rect', type: 'dashed' },
  refactored: { color: colours.good, symbol: 'triangle', type: 'dotted' },
};

/** p95 of an operation by the size of the data, on each model; both axes logarithmic. */
export function growthLines(growth: Growth, operation: GrowthOperation): string {
  const { sizes } = growth.settings;
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return svg(`growth-${operation}`, 500, 300, {
    title: {
      text: `${growthOperations[operation]}, p95`,
      left: 0,
      textStyle: { ...text, fontSize: 14, fontWeight: 600 },
    },
    legend: {
      top: 38,
      left: 0,
      padding: 0,
      itemGap: 24,
      textStyle: { fontSize: 11.5 },
      data: Object.values(growthModels),
    },
    grid: { left: 70, right: 20, top: 72, bottom: 44 },
    xAxis: {
      type: 'category',
      data: sizes.map((size) => `${size}×`),
      name: 'size of the data',
      nameLocation: 'middle',
      nameGap: 26,
    },
    yAxis: { type: 'log', axisLabel: { formatter: (ms: number) => formats.duration(ms / 1000) } },
    series: modelNames.map((model) => ({
      name: growthModels[model],
      type: 'line',
      symbol: looks[model].symbol,
      symbolSize: 8,
      lineStyle: { color: looks[model].color, type: looks[model].type, width: 2.5 },
      itemStyle: { color: looks[model].color },
      data: sizes.map((size) => mean(growthWindows(growth, model, operation, size))),
    })),
  });
}
