import { kpiById } from '../kpis/catalogue.ts';
import { type Interval, intervalOf } from '../lib/stats/interval.ts';
import { type Effect, effectOf } from './effect.ts';
import { type Figures, formats } from './figures.ts';
import { COMPARED, COMPARED_KPIS, kpiFormat, windowsOf } from './measured.ts';
import { type Recording, WINDOW_SECONDS } from './recording.ts';

/** The peaks after each step, against the peak before. */
export const AFTER = ['peak-after-short-term', 'peak-after-medium-term'] as const;

export interface Row {
  /** A KPI's id, or `step:` and a step of the customers' journeys. */
  id: string;
  name: string;
  cells: { phase: string; interval: Interval | undefined }[];
  effects: (Effect & { phase: string })[];
}

/** The KPI that the load generator counts as well. */
const COUNTED = 'checkout-failure-ratio';

/** Steps that customers came for. */
const STEPS: Record<string, string> = { checkout: 'Checkout, p95', history: 'Order history, p95' };

/** p95 of a step in each window of a phase, seconds. */
export const stepWindows = (recording: Recording, phase: string, step: string): number[] =>
  recording.phases
    .filter(({ name }) => name === phase)
    .flatMap(({ windows }) => windows.flatMap(({ steps }) => steps.find((s) => s.step === step)?.p95 ?? []));

interface Compared {
  id: string;
  name: string;
  format: (value: number) => string;
  /** JSON pointer below a window. */
  path: string;
  query: string;
  windows: (phase: string) => number[];
}

const compared = (recording: Recording): Compared[] => [
  ...COMPARED_KPIS.map((id) => ({
    id,
    name: kpiById(id).name,
    format: kpiFormat(id),
    path: `kpis/${id}`,
    query: kpiById(id).promql(`[${WINDOW_SECONDS}s]`),
    windows: (phase: string) => windowsOf(recording, phase, id),
  })),
  ...Object.entries(STEPS).map(([step, name]) => ({
    id: `step:${step}`,
    name,
    format: formats.duration,
    path: `steps/${step}`,
    query: `histogram_quantile(0.95, sum by (le, step) (rate(load_request_duration_seconds_bucket[${WINDOW_SECONDS}s])))`,
    windows: (phase: string) => stepWindows(recording, phase, step),
  })),
];

/** The phases side by side, with a figure for each cell, its interval, and each effect. */
export function comparisonRows(figures: Figures, recording: Recording): Row[] {
  const phases = COMPARED.filter((name) => recording.phases.some((phase) => phase.name === name));
  for (const phase of phases) {
    const at = recording.phases.findIndex(({ name }) => name === phase);
    figures.define(
      `windows:${phase}`,
      recording.phases[at]?.windows.length,
      formats.count,
      [`/phases/${at}/windows/*`],
      'windows that do not overlap',
    );
  }
  return compared(recording).flatMap(({ id, name, format, path, query, windows }) => {
    const source = (phase: string) =>
      `/phases/${recording.phases.findIndex((each) => each.name === phase)}/windows/*/${path}`;
    const cells = phases.map((phase) => {
      const interval = intervalOf(windows(phase));
      const counted = id === COUNTED ? figures.get(`checkouts:${phase}:lost`) : undefined;
      if (counted) {
        // One quantity has one value: the count over the whole phase, not the mean of the windows.
        figures.define(`${id}:${phase}`, counted.value, format, counted.source, counted.how, {
          quantity: counted.id,
        });
        return { phase, interval };
      }
      figures.defineInterval(
        `${id}:${phase}`,
        interval,
        format,
        [source(phase)],
        `mean over the windows of: ${query}`,
      );
      return { phase, interval };
    });
    const effects = AFTER.flatMap((phase) => {
      const effect = effectOf(windows('peak'), windows(phase));
      if (!effect) return [];
      const sources = [source('peak'), source(phase)];
      const { ratio, delta } = effect;
      figures.defineInterval(
        `${id}:effect:${phase}`,
        ratio,
        formats.factor,
        sources,
        `mean before / mean after, of: ${query}`,
      );
      figures.define(
        `${id}:effect:${phase}:delta`,
        delta,
        (number) => number.toFixed(2).replace('-', '−'),
        sources,
        `Cliff’s delta of the windows before and after, of: ${query}`,
      );
      return [{ phase, ...effect }];
    });
    return cells.some(({ interval }) => interval) ? [{ id, name, cells, effects }] : [];
  });
}

/** Rows in which something became worse for certain, each named once. */
export const worsened = (rows: readonly Row[]): string[] =>
  rows.filter(({ effects }) => effects.some(({ worse }) => worse)).map(({ name }) => name);
