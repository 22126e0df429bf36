import type { EChartsCoreOption } from 'echarts/core';
import { useMemo, useState } from 'preact/hooks';
import type { ActionReading } from '../actions.ts';
import type { TimelineReading } from '../details.ts';
import type { Phase } from '../phase.ts';
import { Chart, type Palette, usePalette } from './charts.tsx';
import { clock } from './format.ts';
import { useBeat, useTopic } from './live.ts';
import { Notice } from './parts.tsx';
import { bandsOf, eventsOf, phaseNames, type StoryEvent } from './story.ts';

interface Bar {
  row: string;
  from: number;
  to: number;
  label: string;
  colour: string;
  opacity: number;
  /** Drawn as a mark at `from`. */
  moment: boolean;
}

const ROW_PX = 26;

/** The peak stands out, idle time stays back. */
const phaseOpacity: Partial<Record<Phase, number>> = { idle: 0.25, peak: 1, proof: 0.85 };

function barsOf(
  { phases, alerts }: TimelineReading,
  actions: readonly ActionReading[],
  palette: Palette,
  now: number,
): Bar[] {
  const [blue = '', orange = '', green = ''] = palette.series;
  return [
    ...bandsOf(phases, now).map(({ phase, from, to }) => ({
      row: 'Phase',
      from,
      to,
      label: phaseNames[phase],
      colour: phase === 'peak' ? orange : blue,
      opacity: phaseOpacity[phase] ?? 0.6,
      moment: false,
    })),
    ...alerts.map(({ name, severity, startsAt, endsAt }) => ({
      row: name,
      from: Date.parse(startsAt),
      to: endsAt ? Date.parse(endsAt) : now,
      label: severity,
      colour: severity === 'page' ? palette.bad : orange,
      opacity: 1,
      moment: false,
    })),
    ...actions
      .filter(({ startedAt, state }) => startedAt && (state === 'kept' || state === 'reverted'))
      .map(({ action, state, startedAt, endedAt }) => ({
        row: 'Actions',
        from: Date.parse(endedAt ?? startedAt ?? ''),
        to: Date.parse(endedAt ?? startedAt ?? ''),
        label: action.title,
        colour: state === 'kept' ? green : palette.soft,
        opacity: 1,
        moment: true,
      })),
  ];
}

interface RenderApi {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

function optionOf(bars: Bar[], palette: Palette, now: number): EChartsCoreOption {
  const rows = [...new Set(bars.map(({ row }) => row))];
  const first = Math.min(...bars.map(({ from }) => from));
  return {
    animation: false,
    textStyle: { color: palette.ink },
    grid: { left: 190, right: 18, top: 4, bottom: 24 },
    tooltip: {
      renderMode: 'richText',
      backgroundColor: palette.card,
      borderColor: palette.line,
      textStyle: { color: palette.ink },
      formatter: ({ dataIndex }: { dataIndex: number }) => {
        const bar = bars[dataIndex];
        return bar
          ? `${bar.row}: ${bar.label}\n${clock(bar.from)}${bar.moment ? '' : ` – ${bar.to >= now ? 'now' : clock(bar.to)}`}`
          : '';
      },
    },
    xAxis: {
      type: 'time',
      min: first,
      max: Math.max(now, first + 60_000),
      axisLabel: { color: palette.soft, hideOverlap: true },
      axisLine: { lineStyle: { color: palette.line } },
    },
    yAxis: {
      type: 'category',
      data: rows,
      inverse: true,
      axisTick: { show: false },
      axisLine: { show: false },
      axisLabel: { color: palette.ink, width: 176, overflow: 'truncate', fontSize: 12.5 },
      splitLine: { show: true, lineStyle: { color: palette.line } },
    },
    series: [
      {
        type: 'custom',
        clip: true,
        data: bars.map(({ row, from, to }) => [from, to, rows.indexOf(row)]),
        encode: { x: [0, 1], y: 2 },
        renderItem: ({ dataIndex }: { dataIndex: number }, api: RenderApi) => {
          const bar = bars[dataIndex];
          if (!bar) return undefined;
          const [x, y] = api.coord([api.value(0), api.value(2)]);
          const [end] = api.coord([api.value(1), api.value(2)]);
          if (bar.moment)
            return {
              type: 'circle',
              shape: { cx: x, cy: y, r: 6 },
              style: { fill: bar.colour, stroke: palette.card },
            };
          const width = Math.max(3, end - x);
          const isPhase = bar.row === 'Phase';
          return {
            type: 'rect',
            shape: { x, y: y - 8, width, height: 16, r: 3 },
            style: { fill: bar.colour, opacity: bar.opacity },
            ...(isPhase && width > 60
              ? {
                  textContent: {
                    style: {
                      text: bar.label,
                      fill: palette.ink,
                      width: width - 8,
                      overflow: 'truncate',
                      fontSize: 12,
                    },
                  },
                  textConfig: { position: 'insideLeft', inside: true, insideFill: palette.ink, distance: 5 },
                }
              : {}),
          };
        },
      },
    ],
  };
}

const kinds: Record<StoryEvent['kind'], { mark: string; word: string }> = {
  phase: { mark: '▸', word: 'Phase' },
  fires: { mark: '▲', word: 'Alert' },
  resolved: { mark: '✓', word: 'Resolved' },
  diagnosis: { mark: '◎', word: 'Diagnosis' },
  action: { mark: '⚒', word: 'Action' },
};
const FEW = 8;

/** The incident from its beginning: as a picture, and as a list for those who read or hear it. */
export function Timeline() {
  const { data, fault } = useTopic('timeline');
  const { data: actions } = useTopic('actions');
  const { data: diagnosis } = useTopic('diagnosis');
  const beat = useBeat();
  const palette = usePalette();
  const [all, showAll] = useState(false);
  const done = actions?.actions ?? [];
  const { option, rows } = useMemo(() => {
    if (!data) return { option: null, rows: 2 };
    const now = Date.now();
    const bars = barsOf(data, done, palette, now);
    return { option: optionOf(bars, palette, now), rows: new Set(bars.map(({ row }) => row)).size };
  }, [data, actions, palette, beat]);
  const events = data ? eventsOf(data, done, diagnosis) : [];
  return (
    <section aria-labelledby="timeline-title">
      <h2 id="timeline-title">What happened</h2>
      <Notice fault={fault} />
      <div class="card">
        <Chart
          option={option}
          height={rows * ROW_PX + 34}
          label={`Timeline of phases, alerts and actions: ${events.length} events, listed below.`}
        />
      </div>
      <ol class="events" aria-live="polite" aria-relevant="additions">
        {(all ? events : events.slice(0, FEW)).map(({ at, kind, title, detail, href }) => (
          <li key={`${at} ${title} ${detail}`} class={kind}>
            <time dateTime={at}>{clock(Date.parse(at))}</time>
            <span class="mark" aria-hidden="true">
              {kinds[kind].mark}
            </span>
            <span>
              <span class="visually-hidden">{kinds[kind].word}: </span>
              {href ? <a href={href}>{title}</a> : <strong>{title}</strong>}
              {detail ? <span class="soft"> {detail}</span> : null}
            </span>
          </li>
        ))}
      </ol>
      {events.length > FEW ? (
        <button type="button" class="plain" aria-expanded={all} onClick={() => showAll(!all)}>
          {all ? 'Show only the latest' : `Show all ${events.length} events`}
        </button>
      ) : null}
    </section>
  );
}
