import type { Case } from '../case.ts';
import { colours, svg } from './svg.ts';

/** Letters of the font's size take about this share of it on average. */
const LETTER = 0.6;
const FONT = 12;

/** At most two lines of so many letters, broken between words. */
export function twoLines(title: string, letters: number): string {
  const lines = [''];
  for (const word of title.split(' ')) {
    const last = lines.length - 1;
    const longer = lines[last] ? `${lines[last]} ${word}` : word;
    if (longer.length <= letters) lines[last] = longer;
    else lines.push(word);
  }
  const [first = '', second = '', ...rest] = lines[0] === '' ? lines.slice(1) : lines;
  const cut = (line: string, more: boolean) =>
    line.length > letters || more ? `${line.slice(0, letters - 1)}…` : line;
  return second ? `${cut(first, false)}\n${cut(second, rest.length > 0)}` : cut(first, false);
}

/** The most expensive causes by the share of the database time that is theirs alone. */
export function causeBars({ figures, causes }: Case, most = 8, width = 900, height = 330): string {
  const shown = causes.slice(0, most).reverse();
  const narrow = width < 700;
  const left = Math.round(width * (narrow ? 0.5 : 0.46));
  const share = (rank: number) => `finding:${rank}:share`;
  return svg('causes', width, height, {
    grid: { left, right: 60, top: 4, bottom: 42 },
    xAxis: {
      type: 'value',
      axisLabel: { fontSize: FONT, formatter: (value: number) => `${Math.round(value * 100)} %` },
      splitNumber: narrow ? 3 : 5,
      name: 'share of all database time at the peak',
      nameLocation: 'middle',
      nameGap: 26,
      nameTextStyle: { fontSize: FONT },
    },
    yAxis: {
      type: 'category',
      axisTick: { show: false },
      data: shown.map(({ title }) => twoLines(title, Math.floor((left - 16) / (FONT * LETTER)))),
      axisLabel: { fontSize: FONT, lineHeight: 15 },
    },
    series: [
      {
        type: 'bar',
        barWidth: '60%',
        data: shown.map(({ rank }) => figures.value(share(rank))),
        itemStyle: { color: colours.bad },
        label: {
          show: true,
          position: 'right',
          formatter: ({ dataIndex }: { dataIndex: number }) =>
            figures.text(share(shown[dataIndex]?.rank ?? 0)),
        },
      },
    ],
  });
}
