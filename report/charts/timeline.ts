import { kpiById } from '../../kpis/catalogue.ts';
import { kpiFormat, phaseTitles } from '../measured.ts';
import type { Recording } from '../recording.ts';
import { colours, minute, svg, text } from './svg.ts';

/** A KPI over the whole run, with the numbers of the phases behind it: see {@link phaseLegend}. */
export function timeline(recording: Recording, kpi: string): string {
  const { objective, name } = kpiById(kpi);
  const format = kpiFormat(kpi);
  const points = recording.phases.flatMap(({ samples }) =>
    samples.flatMap(({ at, kpis }) => {
      const value = kpis.find(({ id }) => id === kpi)?.value;
      return value === null || value === undefined ? [] : [[minute(at, recording.startedAt), value]];
    }),
  );
  const areas = recording.phases.map((phase, at) => [
    {
      name: String(at + 1),
      xAxis: minute(phase.startedAt, recording.startedAt),
      itemStyle: { color: at % 2 === 0 ? '#F5F5F5' : '#FFFFFF' },
      label: { position: 'insideTop', color: '#555', fontSize: 12 },
    },
    { xAxis: minute(phase.endedAt ?? phase.startedAt, recording.startedAt) },
  ]);
  return svg(`time-${kpi}`, 900, 280, {
    title: { text: name, left: 0, textStyle: { ...text, fontSize: 15, fontWeight: 600 } },
    grid: { left: 80, right: 20, top: 44, bottom: 42 },
    xAxis: {
      type: 'value',
      name: 'minutes',
      nameLocation: 'middle',
      nameGap: 26,
      max: 'dataMax',
      axisLabel: { showMaxLabel: false },
    },
    // Room for the names of the phases above the line.
    yAxis: {
      type: 'value',
      max: Math.max(objective.value, ...points.map(([, value]) => value ?? 0)) * 1.25 || 1,
      axisLabel: { formatter: format, showMaxLabel: false },
    },
    series: [
      {
        type: 'line',
        data: points,
        symbol: 'none',
        lineStyle: { color: colours.neutral, width: 2.5 },
        markArea: { silent: true, data: areas },
        markLine: {
          silent: true,
          symbol: 'none',
          lineStyle: { color: colours.bad, type: 'dashed' },
          label: {
            formatter: `objective ${format(objective.value)}`,
            position: 'insideEndTop',
            color: colours.bad,
          },
          data: [{ yAxis: objective.value }],
        },
      },
    ],
  });
}

/** The numbers of the phases in charts over time, which have no room for their names. */
export const phaseLegend = (recording: Recording): string =>
  recording.phases.map(({ name }, at) => `${at + 1} ${phaseTitles[name] ?? name}`).join(' · ');
