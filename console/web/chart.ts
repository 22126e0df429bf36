import { BarChart, CustomChart, LineChart } from 'echarts/charts';
import {
  GridComponent,
  LegendPlainComponent,
  MarkAreaComponent,
  MarkLineComponent,
  TooltipComponent,
} from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';

use([
  BarChart,
  LineChart,
  CustomChart,
  GridComponent,
  TooltipComponent,
  LegendPlainComponent,
  MarkLineComponent,
  MarkAreaComponent,
  CanvasRenderer,
]);

export interface Mounted {
  set(option: EChartsCoreOption): void;
  dispose(): void;
}

/** Draws into an element and follows its size. */
export function mount(element: HTMLElement): Mounted {
  const chart = init(element, undefined, { renderer: 'canvas' });
  const sizes = new ResizeObserver(() => chart.resize());
  sizes.observe(element);
  return {
    set: (option) => chart.setOption(option, { notMerge: true, lazyUpdate: false }),
    dispose() {
      sizes.disconnect();
      chart.dispose();
    },
  };
}
