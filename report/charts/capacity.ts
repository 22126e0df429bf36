import { type Capacity, kneeOf } from '../capacity.ts';
import type { Figures } from '../figures.ts';
import { type GrowthModel, modelNames } from '../growth.ts';
import { colours, svg, text } from './svg.ts';

/** Shades of one model's bars: the larger the data, the darker. */
const fills: Record<GrowthModel, string> = {
  legacy: colours.bad,
  tuned: colours.neutral,
  refactored: colours.good,
};

const short: Record<GrowthModel, string> = {
  legacy: 'as it is',
  tuned: 'after the\nshort term',
  refactored: 'new\ndata model',
};

/** Visits a second at which each model still meets the objective, for each size of the data. */
export function capacityBars(
  figures: Figures,
  { cells, settings }: Capacity,
  width = 700,
  height = 300,
): string {
  const models = modelNames.filter((model) => cells.some((cell) => cell.model === model));
  const highest = Math.max(...cells.map((cell) => kneeOf(cell).met ?? 0), 1);
  return svg('capacity', width, height, {
    title: {
      text: 'Visits a second within the objective',
      left: 0,
      textStyle: { ...text, fontSize: 13, fontWeight: 600, width: width - 8, overflow: 'break' },
    },
    grid: { left: 40, right: 8, top: 34, bottom: 40 },
    xAxis: {
      type: 'category',
      data: models.map((model) => short[model]),
      axisTick: { show: false },
      axisLabel: { interval: 0, fontSize: 12, lineHeight: 14 },
    },
    yAxis: {
      type: 'value',
      max: Math.ceil(highest * 1.45),
      axisLabel: { fontSize: 12, showMaxLabel: false },
      splitNumber: 3,
    },
    series: settings.sizes.map((size, at) => ({
      type: 'bar',
      barGap: '8%',
      data: models.map((model) => ({
        value: figures.value(`capacity:${model}:${size}`) ?? 0,
        itemStyle: { color: fills[model], opacity: 1 - 0.45 * (at / Math.max(1, settings.sizes.length - 1)) },
      })),
      label: {
        show: true,
        position: 'top',
        fontSize: 12,
        color: colours.ink,
        opacity: 1,
        formatter: ({ dataIndex, value }: { dataIndex: number; value: number }) => {
          const model = models[dataIndex] as GrowthModel;
          const atLeast = figures.get(`capacity:${model}:${size}:missed`) ? '' : '≥ ';
          return `${value > 0 ? atLeast : ''}${value}\n${size}×`;
        },
      },
    })),
  });
}
