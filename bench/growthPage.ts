import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { kpiById } from '../kpis/catalogue.ts';
import { type Interval, intervalOf, MIN_WINDOWS, rangeText, ratioOf } from '../lib/stats/interval.ts';
import { type Fit, fitCurve, type Reach, reach, type SizeReadings, valueAt } from '../lib/stats/powerLaw.ts';
import { colours, svg } from '../report/charts/svg.ts';
import {
  type GrowthRecording,
  type Model,
  models,
  type Operation,
  operations,
  readGrowth,
} from './growthRecording.ts';

export const GROWTH_DOCS = path.join(import.meta.dirname, '..', 'docs');
const RECORDING = path.join(GROWTH_DOCS, 'measured', 'growth.json');

/** Half of the customer's second: the objective of the shop's requests. Milliseconds. */
const objective = kpiById('request-latency-p95').objective.value * 1000;
/** Further ahead nobody should believe a curve. */
const FAR_DAYS = 20 * 365;
const modelColours: Record<Model, string> = {
  legacy: colours.bad,
  tuned: colours.neutral,
  refactored: colours.good,
};

interface Curve {
  model: Model;
  operation: Operation;
  /** p95 of each window, milliseconds, by size. */
  readings: SizeReadings[];
  /** Of what the data model has a part in: without the gateway's time. */
  fit: Fit;
  /** What the gateway takes, milliseconds. */
  constant: number;
  /** Largest size against the smallest, all included. */
  ratio: Interval;
  /** The same without the gateway's time. */
  ownRatio: Interval;
  reach: Reach;
}

/** Sizes are in times the base; so is the shop of today. */
function curvesOf(recording: GrowthRecording): Curve[] {
  const { cells, settings, gatewayMs, growth, ordersToday, sizes } = recording;
  const today = (ordersToday / (sizes[0]?.orders ?? 1)) * (sizes[0]?.size ?? 1);
  const shares = growth.map(({ sharePerDay }) => sharePerDay * today).sort((a, b) => a - b);
  const perDay = {
    slowest: shares[0] ?? 0,
    likely: shares[Math.floor(shares.length / 2)] ?? 0,
    fastest: shares.at(-1) ?? 0,
  };
  return models.flatMap((model) =>
    operations.map((operation): Curve => {
      const constant = operation === 'checkout' ? gatewayMs : 0;
      const readings = settings.sizes.map((size) => ({
        size,
        values: cells
          .filter((cell) => cell.model === model && cell.size === size)
          .flatMap(({ windows }) => windows.map((window) => window[operation].p95)),
      }));
      const own = readings.map(({ size, values }) => ({
        size,
        values: values.map((value) => Math.max(0.01, value - constant)),
      }));
      const found = fitCurve(own);
      const ratio = (of: SizeReadings[]) => ratioOf(of.at(-1)?.values ?? [], of[0]?.values ?? []) as Interval;
      return {
        model,
        operation,
        readings,
        fit: found,
        constant,
        ratio: ratio(readings),
        ownRatio: ratio(own),
        reach: reach(found, objective - constant, today, perDay),
      };
    }),
  );
}

const digits = (value: number, most = 3) =>
  value.toLocaleString('en', { maximumSignificantDigits: most, useGrouping: true });
/** A curve bears no interval when one of its sizes has too few windows. */
const fewestWindows = ({ readings }: Curve) => Math.min(...readings.map(({ values }) => values.length));
const times = (found: Interval) => `${digits(found.mean)}${rangeText(found, digits)}`;

function dateText(days: number, measuredOn: string): string {
  if (days <= 0) return 'already passed';
  if (days > FAR_DAYS) return 'not within 20 years';
  return new Date(Date.parse(measuredOn) + days * 86_400_000).toISOString().slice(0, 10);
}

function curveChart(
  curves: Curve[],
  operation: Operation,
  recording: GrowthRecording,
  width: number,
  height: number,
) {
  const { sizes } = recording.settings;
  const [least = 1, most = 8] = [sizes[0], sizes.at(-1)];
  const shown = curves.filter((curve) => curve.operation === operation);
  const steps = Array.from({ length: 25 }, (_, at) => least * (most / least) ** (at / 24));
  return svg(`growth-${operation}`, width, height, {
    title: {
      text: `p95 of ${operation}, milliseconds`,
      left: 0,
      textStyle: { fontSize: 14, fontWeight: 600, color: colours.ink },
    },
    legend: { top: 0, right: 8, data: models.map((name) => ({ name, icon: 'roundRect' })) },
    grid: { left: 62, right: 20, top: 38, bottom: 44 },
    xAxis: {
      type: 'log',
      logBase: 2,
      min: least,
      max: most,
      name: 'times the data',
      nameLocation: 'middle',
      nameGap: 26,
      axisLabel: { formatter: (value: number) => `${value}x` },
    },
    yAxis: {
      type: 'log',
      axisLabel: { formatter: (value: number) => digits(value) },
    },
    series: shown.flatMap(({ model, readings, fit: curve, constant }) => [
      {
        name: model,
        type: 'line',
        symbol: 'none',
        lineStyle: { color: modelColours[model], width: 2 },
        itemStyle: { color: modelColours[model] },
        data: steps.map((size) => [size, constant + valueAt(curve, size)]),
      },
      {
        name: model,
        type: 'scatter',
        symbol: { legacy: 'circle', tuned: 'rect', refactored: 'triangle' }[model],
        symbolSize: 7,
        itemStyle: { color: modelColours[model], opacity: 0.7 },
        data: readings.flatMap(({ size, values }) => values.map((value) => [size, value])),
      },
    ]),
  });
}

const row = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`;
const table = (head: string[], rows: string[][]) =>
  [row(head), row(head.map((_, at) => (at === 0 ? '---' : '---:'))), ...rows.map(row)].join('\n');
const mb = (bytes: number | undefined) =>
  bytes === undefined ? 'not measured' : `${digits(bytes / 1e6)} MB`;

/** The files of the docs, by their path below docs/: all that they say is computed from the recording. */
export async function growthPages(file = RECORDING): Promise<Map<string, string>> {
  const recording = await readGrowth(file);
  const { settings, machine, sizes, growth, gatewayMs, measuredOn, ordersToday, notes } = recording;
  const curves = curvesOf(recording);
  const of = (model: Model, operation: Operation) =>
    curves.find((curve) => curve.model === model && curve.operation === operation) as Curve;
  const [first, last] = [settings.sizes[0], settings.sizes.at(-1)];
  const checkout = models.map((model) => of(model, 'checkout'));
  const atSize = (curve: Curve, size: number) => {
    const interval = intervalOf(curve.readings.find((each) => each.size === size)?.values ?? []);
    return interval ? times(interval) : 'not measured';
  };
  // A page of the shop; the report is for the staff.
  const limits = models.map((model) => {
    const own = curves.filter((curve) => curve.model === model && curve.operation !== 'report');
    return own.reduce((first, curve) => (curve.reach.likely < first.reach.likely ? curve : first));
  });
  const today = (ordersToday / (sizes[0]?.orders ?? 1)) * (first ?? 1);
  const windows = checkout.flatMap(({ readings }) => readings.map(({ values }) => values.length));
  const [fewest, most] = [Math.min(...windows), Math.max(...windows)];
  const page = `# Growth

This page shows how long the shop’s operations take with ${settings.sizes.join(', ')} times the data on each data model, how that grows, and when each model reaches its limit. It was measured through the real stores. \`npm run docs\` computes the page from [measured/growth.json](measured/growth.json), and a test checks that it is up to date. To measure again (about half an hour on two cores; a killed run resumes):

\`\`\`sh
npx node bench/growth.ts prepare   # the databases; the refactored ones by the migration engine
npx node bench/growth.ts           # the readings, into docs/measured/growth.json
npm run docs
\`\`\`

Measured on ${measuredOn}, ${machine.cores} cores, Postgres ${machine.postgres} with ${settings.postgres['shared_buffers']} of buffers, Node ${machine.node.slice(1)}. Size 1 is the scale \`${settings.base}\` (${digits(sizes[0]?.orders ?? 0, 6)} orders); the rows of every table grow by the same factor. There are ${settings.customers} customers at a time, each without a pause (closed loop), and their operations are search, product page, cart, checkout, own orders, that order, and the sales report of 30 days at every fourth visit. A window is ${settings.visits} visits; ${fewest === most ? fewest : `${fewest} to ${most}`} windows for each combination of model and size, in up to ${settings.rounds} rounds over all of them, each after a window that is not counted. The p95 of a window is by nearest rank. The tables show the mean of the windows and, from ${MIN_WINDOWS} windows or more, its 95 % interval (bootstrap).

${notes.map((note) => `${note}\n\n`).join('')}- **legacy**: the tables and statements as they were.
- **tuned**: the same tables with the indexes of the short-term fixes, and with rewritten statements.
- **refactored**: the new model, filled by \`migrate\` up to the cutover.

## Checkout

![p95 of a checkout by size of the data](growth/checkout.svg)

${table(
  ['Checkout p95, ms', ...models],
  [
    ...settings.sizes.map((size) => [`${size}x`, ...checkout.map((curve) => atSize(curve, size))]),
    [`${last}x over ${first}x`, ...checkout.map(({ ratio }) => times(ratio))],
    [
      `the same without the ${gatewayMs} ms of the simulated payment gateway`,
      ...checkout.map(({ ownRatio }) => times(ownRatio)),
    ],
  ],
)}

The payment gateway takes the same time on every model, which would hide growth, so the curves are fitted without it.

## All operations

The curve p95 = a · size^b is fitted by least squares of the logarithms; b has a 95 % interval if each size has ${MIN_WINDOWS} windows or more. With b = 0 an operation does not grow; with b = 1 it grows in proportion to the data. “Miss” is the largest distance between the curve and the mean of a size. If it is large, trust the measured points rather than the curve.

${table(
  [
    'Operation',
    'Model',
    `p95 at ${first}x, ms`,
    `p95 at ${last}x, ms`,
    `${last}x over ${first}x`,
    'b',
    'Miss',
  ],
  operations.flatMap((operation) =>
    models.map((model) => {
      const curve = of(model, operation);
      return [
        operation,
        model,
        atSize(curve, first ?? 1),
        atSize(curve, last ?? 1),
        digits(curve.ratio.mean),
        `${curve.fit.exponent.toFixed(2)}${rangeText({ mean: curve.fit.exponent, low: curve.fit.exponentLow, high: curve.fit.exponentHigh, windows: fewestWindows(curve) }, (value) => value.toFixed(2))}`,
        `${Math.round(curve.fit.worstMiss * 100)} %`,
      ];
    }),
  ),
)}

${operations
  .filter((operation) => operation !== 'checkout')
  .map((operation) => `![p95 of ${operation} by size of the data](growth/${operation}.svg)`)
  .join('\n')}

## When each model reaches its limit

The limit is the objective of the shop’s requests, p95 within ${digits(objective)} ms (KPI \`request-latency-p95\`), and a model reaches it when the first page of the shop does, under this load. “Today” is the shop at its critical size, the scale \`default\` with ${digits(ordersToday, 6)} orders, ${digits(today)} times size 1; the curves are extrapolated to this size and beyond. The daily growth, from the dates of the rows (check \`growth\` of the diagnosis): ${growth.map(({ days, sharePerDay }) => `${digits(sharePerDay * 100)} % of all bytes over the last ${days} days`).join(', ')}; the bytes a day are assumed to stay constant. The earliest and latest dates combine the interval of the curve with the fastest and slowest growth.

${table(
  ['Model', 'First to reach it', 'At this multiple of size 1', 'Earliest', 'Likely', 'Latest'],
  limits.map((curve) => [
    curve.model,
    curve.operation,
    curve.reach.size > 1_000_000 ? 'more than a million' : digits(curve.reach.size),
    ...[curve.reach.earliest, curve.reach.likely, curve.reach.latest].map((days) =>
      dateText(days, measuredOn),
    ),
  ]),
)}

${table(
  ['Sales report, for the staff', 'At this multiple of size 1', 'Earliest', 'Likely', 'Latest'],
  models
    .map((model) => of(model, 'report'))
    .map(({ model, reach: at }) => [
      model,
      at.size > 1_000_000 ? 'more than a million' : digits(at.size),
      ...[at.earliest, at.likely, at.latest].map((days) => dateText(days, measuredOn)),
    ]),
)}

When this was measured, the refactored model summed up the lines of those 30 days for each report. Since then it keeps the sums of past days, as the tuned store does; [medium-term.md](medium-term.md) shows the gain.

## Size of the database

${table(
  ['Size', 'Orders', ...models],
  sizes.map(({ size, orders, bytes }) => [
    `${size}x`,
    digits(orders, 7),
    ...models.map((model) => mb(bytes[model])),
  ]),
)}

These sizes are those of the whole database with its indexes, before archival. The new model is not smaller by itself: it has keys and indexes that the legacy tables lack, and 60 months of partitions. It becomes small because closed months can be archived. Not measured: more than ${settings.customers} customers at a time, a server whose memory is full, and disks slower than those of this machine.
`;
  const charts = operations.map((operation): [string, string] => [
    `growth/${operation}.svg`,
    operation === 'checkout'
      ? curveChart(curves, operation, recording, 820, 380)
      : curveChart(curves, operation, recording, 560, 300),
  ]);
  return new Map([['growth.md', page], ...charts]);
}

if (process.argv[1] === import.meta.filename)
  for (const [name, text] of await growthPages()) {
    await mkdir(path.dirname(path.join(GROWTH_DOCS, name)), { recursive: true });
    await writeFile(path.join(GROWTH_DOCS, name), text);
  }
