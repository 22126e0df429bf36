import * as echarts from 'echarts';

/** Okabe and Ito's colours, told apart by colour-blind readers; of different lightness, so in greyscale too. */
export const colours = { bad: '#D55E00', good: '#009E73', neutral: '#0072B2', pale: '#E6E6E6', ink: '#222' };
export const text = { fontFamily: 'system-ui, sans-serif', fontSize: 13, color: colours.ink };

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

/** Minutes from `start`. */
export const minute = (at: string, start: string) => (Date.parse(at) - Date.parse(start)) / 60_000;
