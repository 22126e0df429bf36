import type { EChartsCoreOption } from 'echarts/core';
import { useMemo, useState } from 'preact/hooks';
import { withUnit } from '../../lib/units/format.ts';
import type { DashboardDefinition, PanelDefinition, PanelReading } from '../panels.ts';
import { Chart, type Palette, usePalette, useSeen } from './charts.tsx';
import { clock } from './format.ts';
import { useFetched, useTopic } from './live.ts';
import { Notice, Scroll, Waiting } from './parts.tsx';
import { type Band, bandsOf, phaseNames } from './story.ts';

const sign = { '<=': '≤', '>=': '≥' } as const;

const meets = ({ objective }: PanelDefinition, value: number) =>
  !objective || (objective.comparison === '<=' ? value <= objective.value : value >= objective.value);

const tooltipOf = (palette: Palette) => ({
  renderMode: 'richText',
  confine: true,
  backgroundColor: palette.card,
  borderColor: palette.line,
  textStyle: { color: palette.ink, fontSize: 12 },
});

const objectiveLine = (
  { objective, unit }: PanelDefinition,
  palette: Palette,
  along: 'xAxis' | 'yAxis',
  plain: boolean,
) =>
  objective
    ? {
        markLine: {
          silent: true,
          symbol: 'none',
          animation: false,
          lineStyle: { color: palette.bad, type: 'dashed', width: 1.4 },
          label: {
            formatter: `${plain ? 'target' : 'objective'} ${sign[objective.comparison]} ${withUnit(objective.value, unit)}`,
            // Rows of bars run downwards, so the line begins on top.
            position: along === 'yAxis' ? 'insideEndTop' : 'start',
            color: palette.bad,
            fontSize: 10.5,
          },
          data: [{ [along]: objective.value }],
        },
      }
    : {};

function phaseAreas(bands: readonly Band[], from: number, end: number, palette: Palette) {
  const shown = bands.filter((band) => band.to > from && band.from < end && band.phase !== 'idle');
  const share = (band: Band) => (Math.min(band.to, end) - Math.max(band.from, from)) / (end - from);
  return {
    silent: true,
    animation: false,
    itemStyle: { color: palette.band },
    label: { color: palette.soft, fontSize: 10, position: 'insideTop', distance: -14 },
    data: shown.map((band, index) => [
      {
        // A name that is wider than its band would lie over its neighbour's.
        name: share(band) > 0.14 ? phaseNames[band.phase] : '',
        xAxis: Math.max(band.from, from),
        // Neighbours differ.
        ...(index % 2 === 0 ? {} : { itemStyle: { opacity: 0.3 } }),
      },
      { xAxis: Math.min(band.to, end) },
    ]),
  };
}

function linesOption(
  panel: PanelDefinition,
  { from, step, series }: PanelReading,
  bands: readonly Band[],
  palette: Palette,
  plain: boolean,
): EChartsCoreOption {
  const end = (from + step * ((series[0]?.values.length ?? 1) - 1)) * 1000;
  const value = (given: number) => withUnit(given, panel.unit);
  const many = series.length > 1;
  const most = series.reduce(
    (top, { values }) => values.reduce<number>((high, given) => Math.max(high, given ?? 0), top),
    0,
  );
  return {
    animation: false,
    color: palette.series,
    textStyle: { color: palette.ink },
    grid: { left: 68, right: 16, top: 24, bottom: many ? 56 : 24 },
    legend: {
      show: many,
      bottom: 0,
      left: 0,
      icon: 'roundRect',
      itemWidth: 12,
      itemHeight: 8,
      textStyle: { color: palette.soft, fontSize: 11, width: 150, overflow: 'truncate' },
      data: series.slice(0, 6).map(({ name }) => name),
    },
    tooltip: {
      ...tooltipOf(palette),
      trigger: 'axis',
      formatter: (points: { seriesName: string; value: [number, number | null] }[]) =>
        [
          clock(points[0]?.value[0] ?? 0),
          ...points
            .filter(({ value: [, given] }) => given !== null)
            .map(({ seriesName, value: [, given] }) => `${seriesName}: ${value(given ?? 0)}`),
        ].join('\n'),
    },
    xAxis: {
      type: 'time',
      min: from * 1000,
      max: end,
      axisLabel: { color: palette.soft, hideOverlap: true, fontSize: 11 },
      axisLine: { lineStyle: { color: palette.line } },
    },
    yAxis: {
      type: 'value',
      min: 0,
      // The objective is worth seeing where the values are near it; a far one would press them flat.
      ...(panel.objective && panel.objective.value > most && panel.objective.value <= most * 4
        ? { max: panel.objective.value * 1.15 }
        : {}),
      splitNumber: 3,
      axisLabel: { color: palette.soft, formatter: value, fontSize: 11, showMaxLabel: false },
      splitLine: { lineStyle: { color: palette.line } },
    },
    series: series.map(({ name, values }, at) => ({
      type: 'line',
      name,
      showSymbol: false,
      lineStyle: { width: 1.8 },
      emphasis: { disabled: true },
      data: values.map((given, index) => [(from + index * step) * 1000, given]),
      ...(at === 0
        ? {
            markArea: phaseAreas(bands, from * 1000, end, palette),
            ...objectiveLine(panel, palette, 'yAxis', plain),
          }
        : {}),
    })),
  };
}

function barsOption(
  panel: PanelDefinition,
  { series }: PanelReading,
  palette: Palette,
  plain: boolean,
): EChartsCoreOption {
  const value = (given: number) => withUnit(given, panel.unit);
  return {
    animation: false,
    textStyle: { color: palette.ink },
    grid: { left: 150, right: 70, top: 24, bottom: 24 },
    tooltip: {
      ...tooltipOf(palette),
      formatter: ({ name, value: given }: { name: string; value: number }) => `${name}: ${value(given)}`,
    },
    xAxis: {
      type: 'value',
      min: 0,
      splitNumber: 3,
      axisLabel: { color: palette.soft, formatter: value, fontSize: 11 },
      splitLine: { lineStyle: { color: palette.line } },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: series.map(({ name }) => phaseNames[name as keyof typeof phaseNames] ?? name),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: palette.line } },
      axisLabel: { color: palette.ink, width: 136, overflow: 'truncate' },
    },
    series: [
      {
        type: 'bar',
        barMaxWidth: 18,
        label: {
          show: true,
          position: 'right',
          color: palette.ink,
          fontSize: 11,
          formatter: ({ value: given }: { value: number }) => value(given),
        },
        data: series.map(({ values: [given = null] }) => ({
          value: given,
          itemStyle: {
            color: given === null || meets(panel, given) ? palette.series[2] : palette.series[1],
          },
        })),
        ...objectiveLine(panel, palette, 'xAxis', plain),
      },
    ],
  };
}

/** Last values in words, for those who do not see the chart. */
function inWords({ title, unit, objective }: PanelDefinition, { series }: PanelReading): string {
  const last = series
    .map(({ name, values }) => ({ name, value: values.findLast((given) => given !== null) ?? null }))
    .flatMap(({ name, value }) => (value === null ? [] : `${name} ${withUnit(value, unit)}`));
  const target = objective
    ? ` Objective: ${objective.comparison === '<=' ? 'at most' : 'at least'} ${withUnit(objective.value, unit)}.`
    : '';
  return `${title}. Last: ${last.join(', ') || 'nothing'}.${target}`;
}

function Stat({ panel, reading, plain }: { panel: PanelDefinition; reading: PanelReading; plain: boolean }) {
  const [first] = reading.series;
  const value = first?.values[0] ?? null;
  const state = value === null || !panel.objective ? 'unknown' : meets(panel, value) ? 'met' : 'missed';
  return (
    <div class={`stat ${state}`}>
      <div class="value">
        {panel.showsName
          ? (phaseNames[first?.name as keyof typeof phaseNames] ?? first?.name ?? '–')
          : value === null
            ? '–'
            : withUnit(value, panel.unit)}
      </div>
      {panel.objective ? (
        <div class="soft small">
          {state === 'unknown' ? (
            '○ no data'
          ) : (
            <strong class={state === 'met' ? 'good' : 'bad'}>{state === 'met' ? '✓ met' : '✗ missed'}</strong>
          )}{' '}
          · {plain ? 'target' : 'objective'} {sign[panel.objective.comparison]}{' '}
          {withUnit(panel.objective.value, panel.unit)}
        </div>
      ) : null}
    </div>
  );
}

function Table({ panel, reading }: { panel: PanelDefinition; reading: PanelReading }) {
  const labels = Object.entries(panel.labels ?? {});
  return (
    <Scroll label={panel.title}>
      <table>
        <thead>
          <tr>
            {labels.map(([key, title]) => (
              <th key={key}>{title}</th>
            ))}
            {panel.columns.map(({ title }) => (
              <th key={title} class="num">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {reading.rows.map((row) => (
            <tr key={row.labels.join('\n')}>
              {row.labels.map((text, at) => {
                const shown = phaseNames[text as keyof typeof phaseNames] ?? text;
                return (
                  <td key={labels[at]?.[0]}>
                    {labels[at]?.[0] === 'db_query_summary' && text ? (
                      <a href={`#/statements/${encodeURIComponent(text)}`}>{text}</a>
                    ) : (
                      shown
                    )}
                  </td>
                );
              })}
              {panel.columns.map(({ title, unit }, at) => {
                const value = row.values[at] ?? null;
                return (
                  <td key={title} class="num">
                    {value === null ? '–' : withUnit(value, unit)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Drawn({ panel, reading, plain }: { panel: PanelDefinition; reading: PanelReading; plain: boolean }) {
  const { data: timeline } = useTopic('timeline');
  const palette = usePalette();
  const option = useMemo(() => {
    // Those who read without jargon see no names of phases in it.
    const bands = plain ? [] : bandsOf(timeline?.phases ?? [], Date.now());
    if (reading.series.length === 0) return null;
    if (panel.kind === 'lines') return linesOption(panel, reading, bands, palette, plain);
    return panel.kind === 'bars' ? barsOption(panel, reading, palette, plain) : null;
  }, [panel, reading, plain, timeline, palette]);
  if (reading.reason) return <p class="hollow">{reading.reason}</p>;
  if (panel.kind === 'stat') return <Stat panel={panel} reading={reading} plain={plain} />;
  if (panel.kind === 'table') return <Table panel={panel} reading={reading} />;
  return (
    <Chart
      option={option}
      height={panel.kind === 'bars' ? 56 + reading.series.length * 26 : 200}
      label={inWords(panel, reading)}
    />
  );
}

/** One panel of a dashboard; asked for only while it can be seen. */
export function PanelView({
  dashboard,
  panel,
  minutes,
  statement,
  plain = false,
}: {
  dashboard: string;
  panel: PanelDefinition;
  minutes: number;
  statement?: string;
  plain?: boolean;
}) {
  const { ref, seen } = useSeen();
  const query = new URLSearchParams({ minutes: String(minutes), ...(statement ? { statement } : {}) });
  const url = `/api/dashboards/${dashboard}/${panel.id}?${query}`;
  const { data, fault } = useFetched<PanelReading>(seen ? url : null, minutes > 15 ? 6 : 2);
  const [kept, keep] = useState<PanelReading>();
  if (data && data !== kept) keep(data);
  const reading = data ?? kept;
  // A KPI's value leads to the page that says why it counts and what explains it.
  const kpi = panel.kind === 'stat' ? panel.kpi : undefined;
  return (
    <div class={`panel ${panel.kind} w${panel.width}`} ref={ref}>
      <h4 title={panel.description}>
        {kpi && !plain ? <a href={`#/kpis/${kpi}`}>{panel.title}</a> : panel.title}
      </h4>
      {reading ? (
        <Drawn panel={panel} reading={reading} plain={plain} />
      ) : (
        <p class="hollow" role="status">
          {fault ? `${fault.title}. ${fault.nextStep ?? ''}` : 'Loading …'}
        </p>
      )}
      {plain ? <p class="soft small">{panel.description}</p> : null}
      {reading && reading.left > 0 ? (
        <p class="soft small">and {reading.left} more that are smaller</p>
      ) : null}
      {panel.runbooks.length > 0 && !plain ? (
        <p class="soft small">
          Runbooks:{' '}
          {panel.runbooks.map((alert) => (
            <a key={alert} href={`/runbooks/${alert}`} target="_blank" rel="noreferrer">
              {alert}{' '}
            </a>
          ))}
        </p>
      ) : null}
    </div>
  );
}

/** The definitions of all dashboards; they do not change while the console runs. */
export const useDashboards = () => useFetched<DashboardDefinition[]>('/api/dashboards', 0);

/** @param kinds of panels; all without it */
export function PanelRows({
  dashboard,
  minutes,
  kinds,
  plain = false,
}: {
  dashboard: DashboardDefinition;
  minutes: number;
  kinds?: readonly PanelDefinition['kind'][];
  plain?: boolean;
}) {
  return (
    <>
      {dashboard.rows.map(({ question, panels }) => {
        const shown = panels.filter(({ kind }) => !kinds || kinds.includes(kind));
        return shown.length === 0 ? null : (
          <section key={question} aria-label={question}>
            <h3 class="question">{question}</h3>
            <div class="panels">
              {shown.map((panel) => (
                <PanelView
                  key={panel.id}
                  dashboard={dashboard.id}
                  panel={panel}
                  minutes={minutes}
                  plain={plain}
                />
              ))}
            </div>
          </section>
        );
      })}
    </>
  );
}

const spans = [5, 15, 30, 60, 360];

export function Minutes({ minutes, choose }: { minutes: number; choose: (minutes: number) => void }) {
  return (
    <label class="soft">
      Looking back{' '}
      <select value={String(minutes)} onChange={(event) => choose(Number(event.currentTarget.value))}>
        {spans.map((span) => (
          <option key={span} value={String(span)}>
            {span < 60 ? `${span} min` : `${span / 60} h`}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Without the prefix that tells ours among Grafana's other dashboards. */
const titleOf = ({ title }: DashboardDefinition) => {
  const own = title.replace(/^sqltrail: /, '');
  return own.charAt(0).toUpperCase() + own.slice(1);
};

/** `#/dashboards/<id>`: those of Grafana, drawn here. */
export function DashboardPage({ id }: { id: string }) {
  const { data, fault } = useDashboards();
  const dashboard = data?.find((candidate) => candidate.id === id) ?? data?.[0];
  const [chosen, choose] = useState<number>();
  if (!dashboard) return fault ? <Notice fault={fault} /> : <Waiting />;
  const minutes = chosen ?? dashboard.minutes;
  return (
    <>
      <div class="titled">
        <h2>{titleOf(dashboard)}</h2>
        <Minutes minutes={minutes} choose={choose} />
      </div>
      <nav class="tabs" aria-label="Dashboards">
        {data?.map((other) => (
          <a
            key={other.id}
            href={`#/dashboards/${other.id}`}
            aria-current={other.id === dashboard.id ? 'page' : undefined}
          >
            {titleOf(other)}
          </a>
        ))}
      </nav>
      <p class="soft">{dashboard.description}</p>
      <PanelRows key={dashboard.id} dashboard={dashboard} minutes={minutes} />
    </>
  );
}
