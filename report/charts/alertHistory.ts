import type { Recording } from '../recording.ts';
import { colours, minute, svg } from './svg.ts';

/** When each alert was active, by its name; the phases behind. Undefined where the ends were not recorded. */
export function alertHistory(recording: Recording): string | undefined {
  const spans = recording.alerts.flatMap(({ name, severity, firstSeenAt, lastSeenAt }) =>
    lastSeenAt === null ? [] : [{ name, severity, from: firstSeenAt, to: lastSeenAt }],
  );
  if (spans.length === 0) return undefined;
  const names = [...new Set(spans.map(({ name }) => name))];
  const at = (time: string) => minute(time, recording.startedAt);
  return svg('alerts', 960, 80 + names.length * 24, {
    grid: { left: 170, right: 20, top: 34, bottom: 42 },
    xAxis: {
      type: 'value',
      name: 'minutes',
      nameLocation: 'middle',
      nameGap: 26,
      min: 0,
      max: 'dataMax',
      axisLabel: { showMaxLabel: false },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: names,
      axisTick: { show: false },
      axisLabel: { interval: 0 },
    },
    series: [
      {
        type: 'custom',
        data: spans.map(({ name, severity, from, to }) => [
          at(from),
          // One sample wide at least, so that it can be seen.
          Math.max(at(to), at(from) + 0.1),
          names.indexOf(name),
          severity === 'page' ? 1 : 0,
        ]),
        encode: { x: [0, 1], y: 2 },
        renderItem: (
          _params: unknown,
          api: { value(at: number): number; coord(point: number[]): number[] },
        ) => {
          const [from = 0, y = 0] = api.coord([api.value(0), api.value(2)]);
          const [to = 0] = api.coord([api.value(1), api.value(2)]);
          return {
            type: 'rect',
            shape: { x: from, y: y - 6, width: Math.max(2, to - from), height: 12 },
            style: { fill: api.value(3) === 1 ? colours.bad : '#E69F00' },
          };
        },
        markArea: {
          silent: true,
          data: recording.phases.map((phase, nth) => [
            {
              xAxis: at(phase.startedAt),
              name: String(nth + 1),
              itemStyle: { color: nth % 2 === 0 ? '#F5F5F5' : '#FFFFFF' },
              label: { position: 'top', color: '#555', fontSize: 11 },
            },
            { xAxis: at(phase.endedAt ?? phase.startedAt) },
          ]),
        },
      },
    ],
  });
}
