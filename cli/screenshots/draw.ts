import { type Dashboard, legendOf, type PromqlPanel } from '../../dashboards/panel.ts';
import { asksPrometheus, type PanelReading, type Series } from '../../dashboards/reading.ts';
import { Html, html } from '../../diagnosis/format/markup.ts';
import { meetsObjective } from '../../kpis/catalogue.ts';
import type { Unit } from '../../kpis/kpi.ts';
import { objectiveText } from '../../kpis/unitText.ts';
import { withUnit } from '../../lib/units/format.ts';
import { colours, svg } from '../../report/charts/svg.ts';

/** Of a page: what a dashboard is wide enough for, and what a slide takes. */
export const WIDTH = 1280;
const PADDING = 24;
const GAP = 12;
const COLUMNS = 24;
const COLUMN = (WIDTH - 2 * PADDING - (COLUMNS - 1) * GAP) / COLUMNS;
/** Height of a unit of {@link PromqlPanel.height}, as in Grafana. */
const ROW = 30;
const MOST_LINES = 8;
const MOST_TABLE_ROWS = 12;

/** Okabe and Ito; with the dashes each line differs in more than its colour. */
const LINES = ['#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00', '#000000', '#8A7A00'];
const DASHES = [[], [6, 3], [2, 2], [10, 3, 2, 3], [], [6, 3], [2, 2], [10, 3, 2, 3]];

export interface Band {
  title: string;
  from: Date;
  to: Date;
}

export interface Picture {
  dashboard: Dashboard;
  /** By panel id; a panel that has none is left out. */
  readings: Map<string, PanelReading>;
  /** What the picture is of: a phase, the whole run. */
  heading: string;
  /** Where the figures come from. */
  source: string;
  range: { from: Date; to: Date };
  /** Drawn behind the lines. */
  bands: Band[];
  /** In their order; others come after. */
  phases: string[];
}

/** Name of a line, in the panel's words. */
const nameOf = ({ names }: PromqlPanel, legend: string, { labels }: Series): string =>
  legendOf(legend, labels, names);

const last = ({ points }: Series) => points.at(-1)?.[1] ?? Number.NaN;
const largest = ({ points }: Series) => points.reduce((most, [, value]) => Math.max(most, value), 0);

/** An axis of values from zero that has room for the objective, and for a line that is zero throughout. */
function axis({ unit, objective }: PromqlPanel, largestValue: number) {
  const top = Math.max(largestValue, (objective?.value ?? 0) * 1.4);
  // Shares end at 100 %; elsewhere the library rounds, and needs help only where all is zero.
  const max = top === 0 ? 1 : unit === '1' && top > 0.6 && largestValue <= 1 ? 1 : undefined;
  return {
    type: 'value',
    min: 0,
    max: max ?? (({ max: data }: { max: number }) => (data < top ? top : null)),
    ...(top === 0 ? { interval: 1 } : { splitNumber: 3 }),
    axisLabel: {
      formatter: (value: number) => withUnit(value, unit),
      hideOverlap: true,
      fontSize: 11,
      showMaxLabel: max === undefined && largestValue < top ? false : null,
    },
  };
}

const nothing = html`<p class="soft">Nothing was measured in this time.</p>`;

function stat(panel: PromqlPanel, { queries }: PanelReading): Html {
  const series = queries[0]?.[0];
  if (!series) return nothing;
  if (panel.showsName) return html`<p class="value">${nameOf(panel, panel.queries[0].legend, series)}</p>`;
  const value = withUnit(last(series), panel.unit);
  const { objective } = panel;
  if (!objective) return html`<p class="value">${value}</p>`;
  const met = meetsObjective({ objective }, last(series));
  return html`<p class="value ${met ? 'met' : 'missed'}">${value}</p>
<p class="state"><b>${met ? '✓ met' : '✗ missed'}</b> · ${objectiveText(objective, panel.unit)}</p>`;
}

/** A phase's name above its band, or upright in it where that is too narrow. */
const bandLabel = (title: string, width: number) => ({
  fontSize: 10,
  color: '#555',
  ...(title.length * 5.6 < width
    ? { position: 'top' }
    : { position: 'insideTop', rotate: 90, align: 'right', verticalAlign: 'middle', distance: 4 }),
});

function lines(panel: PromqlPanel, reading: PanelReading, { range, bands, dashboard }: Picture): Html {
  const all = reading.queries
    .flatMap((series, index) => {
      const { legend = '', unit = panel.unit } = panel.queries[index] ?? {};
      return series.map((one) => ({ name: nameOf(panel, legend, one), unit, series: one }));
    })
    .sort((a, b) => largest(b.series) - largest(a.series));
  const shown = all.slice(0, MOST_LINES);
  if (shown.length === 0) return nothing;
  const chart = svg(`${dashboard.id}-${panel.id}`, panelWidth(panel) - 24, plotHeight(panel), {
    grid: { left: 72, right: 12, top: bands.length > 1 ? 30 : 10, bottom: 24 },
    xAxis: {
      type: 'time',
      min: range.from.getTime(),
      max: range.to.getTime(),
      axisLabel: { hideOverlap: true, fontSize: 11 },
      splitNumber: 5,
    },
    yAxis: axis(panel, Math.max(...shown.map(({ series }) => largest(series)))),
    series: shown.map(({ name, series }, at) => ({
      type: 'line',
      name,
      showSymbol: series.points.length < 2,
      color: LINES[at],
      lineStyle: { width: 2, type: DASHES[at]?.length ? DASHES[at] : 'solid' },
      data: series.points.map(([seconds, value]) => [seconds * 1000, value]),
      ...(at === 0
        ? {
            markArea: {
              silent: true,
              // One phase alone is the page's heading.
              label: { show: bands.length > 1 },
              data: bands.map(({ title, from, to }, index) => [
                {
                  name: title,
                  xAxis: from.getTime(),
                  itemStyle: { color: index % 2 === 0 ? '#F3F4F5' : '#FFFFFF' },
                  label: bandLabel(
                    title,
                    ((to.getTime() - from.getTime()) / (range.to.getTime() - range.from.getTime())) *
                      (panelWidth(panel) - 110),
                  ),
                },
                { xAxis: to.getTime() },
              ]),
            },
            markLine: {
              silent: true,
              symbol: 'none',
              lineStyle: { color: colours.bad, type: 'dashed', width: 1.5 },
              label: {
                formatter: 'objective',
                position: 'insideStartTop',
                backgroundColor: 'rgba(255,255,255,.8)',
                color: colours.bad,
                fontSize: 11,
              },
              data: panel.objective ? [{ yAxis: panel.objective.value }] : [],
            },
          }
        : {}),
    })),
  });
  const format = (unit: Unit, value: number) => withUnit(value, unit);
  return html`${new Html(chart)}<ul class="legend">${shown.map(
    ({ name, unit, series }, at) =>
      html`<li><svg width="30" height="8"><line x1="0" x2="30" y1="4" y2="4" stroke="${LINES[at]}" stroke-width="3" stroke-dasharray="${DASHES[at]?.join(' ')}"/></svg><span>${name}</span> <b>max ${format(unit, largest(series))}</b></li>`,
  )}</ul>${all.length > shown.length && html`<p class="soft">and ${all.length - shown.length} lower ones</p>`}`;
}

function bars(panel: PromqlPanel, { queries }: PanelReading, { phases, dashboard }: Picture): Html {
  const place = ({ labels }: Series) => {
    const at = phases.indexOf(labels['phase'] ?? '');
    return at < 0 ? phases.length : at;
  };
  const shown = [...(queries[0] ?? [])].sort((a, b) => place(a) - place(b) || last(b) - last(a));
  if (shown.length === 0) return nothing;
  const format = (value: number) => withUnit(value, panel.unit);
  const { objective } = panel;
  const met = (series: Series) => !objective || meetsObjective({ objective }, last(series));
  const chart = svg(`${dashboard.id}-${panel.id}`, panelWidth(panel) - 24, plotHeight(panel), {
    grid: { left: 150, right: 84, top: 6, bottom: 24 },
    xAxis: axis(panel, Math.max(...shown.map(last))),
    yAxis: {
      type: 'category',
      inverse: true,
      axisTick: { show: false },
      axisLabel: { width: 138, overflow: 'truncate' },
      data: shown.map((series) => nameOf(panel, panel.queries[0].legend, series)),
    },
    series: [
      {
        type: 'bar',
        barMaxWidth: 22,
        data: shown.map((series) => ({
          value: last(series),
          itemStyle: {
            color: !objective ? colours.neutral : met(series) ? colours.good : colours.bad,
          },
          label: {
            show: true,
            position: 'right',
            backgroundColor: '#fff',
            formatter: `${format(last(series))}${objective ? (met(series) ? ' ✓' : ' ✗') : ''}`,
          },
        })),
        markLine: {
          silent: true,
          symbol: 'none',
          // Behind the figures.
          z: 1,
          label: { show: false },
          lineStyle: { color: colours.ink, type: 'dashed' },
          data: objective ? [{ xAxis: objective.value }] : [],
        },
      },
    ],
  });
  return new Html(chart);
}

function table(panel: PromqlPanel, { queries }: PanelReading, { phases }: Picture): Html {
  const { labels = {}, names = {} } = panel;
  const keys = Object.keys(labels);
  const rows = new Map<string, { labels: string[]; values: (number | undefined)[] }>();
  for (const [column, series] of queries.entries())
    for (const one of series) {
      const values = keys.map((key) => one.labels[key] ?? '');
      const key = JSON.stringify(values);
      const row = rows.get(key) ?? { labels: values, values: [] };
      row.values[column] = last(one);
      rows.set(key, row);
    }
  const byPhase = keys[0] === 'phase';
  const sorted = [...rows.values()].sort((a, b) =>
    byPhase
      ? phases.indexOf(a.labels[0] ?? '') - phases.indexOf(b.labels[0] ?? '')
      : (b.values[0] ?? 0) - (a.values[0] ?? 0),
  );
  if (sorted.length === 0) return nothing;
  const cell = (value: number | undefined, column: number) =>
    value === undefined || Number.isNaN(value)
      ? '–'
      : withUnit(value, panel.queries[column]?.unit ?? panel.unit);
  const left = sorted.length - MOST_TABLE_ROWS;
  return html`<table><thead><tr>${Object.values(labels).map((title) => html`<th>${title}</th>`)}${panel.queries.map(
    ({ legend }) => html`<th class="num">${legend}</th>`,
  )}</tr></thead><tbody>${sorted
    .slice(0, MOST_TABLE_ROWS)
    .map(
      (row) =>
        html`<tr>${row.labels.map((text) => html`<td>${names[text] ?? text}</td>`)}${panel.queries.map(
          (_query, column) => html`<td class="num">${cell(row.values[column], column)}</td>`,
        )}</tr>`,
    )}</tbody></table>${left > 0 && html`<p class="soft">and ${left} more</p>`}`;
}

const kinds = { stat, lines, bars, table };
const plotHeight = ({ height }: PromqlPanel) => Math.max(150, height * ROW - 50);
const panelWidth = ({ width }: PromqlPanel) => width * COLUMN + (width - 1) * GAP;

const style = `
*{box-sizing:border-box}body{margin:0;padding:${PADDING}px;width:${WIDTH}px;background:#fff;color:#1b1d1f;font:14px/1.35 system-ui,"Open Sans",sans-serif}
header{display:flex;justify-content:space-between;align-items:baseline;gap:24px;border-bottom:2px solid #1b1d1f;padding-bottom:8px}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:20px 0 8px}h3{font-size:13.5px;font-weight:600;margin:0 0 4px}
.phase{font-size:18px;font-weight:600;white-space:nowrap}.soft{color:#5a6066;font-size:12px;margin:2px 0}
.row{display:grid;grid-template-columns:repeat(${COLUMNS},1fr);gap:${GAP}px}
.panel{border:1px solid #dcdedb;border-radius:6px;padding:10px 11px;overflow:hidden}
.value{font-size:27px;font-weight:700;margin:2px 0}.met{color:#00694c}.missed{color:#a94400}.state{margin:0;font-size:12.5px}
table{border-collapse:collapse;width:100%;font-size:12.5px}th{text-align:left;vertical-align:bottom;border-bottom:1px solid #888;padding:3px 8px}
td{border-bottom:1px solid #eceeec;padding:3px 8px}th.num,td.num{text-align:right}td{white-space:nowrap;max-width:420px;overflow:hidden;text-overflow:ellipsis}svg{display:block}
.legend{list-style:none;margin:4px 0 0;padding:0;display:grid;grid-template-columns:1fr 1fr;gap:1px 16px;font-size:12px}
.legend li{display:flex;gap:6px;align-items:center;min-width:0}.legend span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.legend svg{flex:none}.legend b{margin-left:auto;white-space:nowrap;font-weight:600;color:#444}
footer.soft{margin-top:16px}`;

/** A dashboard as a page that needs nothing from outside; undefined where no panel of it has a reading. */
export function pictureHtml(picture: Picture): string | undefined {
  const { dashboard, readings, heading, source, range } = picture;
  const rows = dashboard.rows.flatMap(({ question, panels }) => {
    const cards = panels.filter(asksPrometheus).flatMap((panel) => {
      const reading = readings.get(panel.id);
      return reading
        ? html`<div class="panel" style="grid-column:span ${panel.width}"><h3>${panel.title}</h3>${kinds[panel.kind](panel, reading, picture)}</div>`
        : [];
    });
    return cards.length > 0
      ? html`<section><h2>${question}</h2><div class="row">${cards}</div></section>`
      : [];
  });
  if (rows.length === 0) return undefined;
  const time = (at: Date) => at.toISOString().slice(0, 19).replace('T', ' ');
  const title = dashboard.title.replace(/^sqltrail: /, '');
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}: ${heading}</title><style>${new Html(style)}</style></head>
<body><header><div><h1>${title}</h1><p class="soft">${dashboard.description}</p></div><span class="phase">${heading}</span></header>
${rows}
<footer class="soft">${time(range.from)} to ${time(range.to)} UTC · ${source}</footer>
</body></html>
`.text;
}
