import { type Config, durationText, secondsOf } from '../config/schema.ts';
import { catalogueFor, kpiOf } from '../kpis/catalogue.ts';
import type { Kpi } from '../kpis/kpi.ts';
import { type Observed, observedBy } from '../kpis/observed.ts';

/** promtool input: a selector and its values in promtool's notation, one sample each {@link Pace.sample}. */
export interface InputSeries {
  series: string;
  values: string;
}

export interface AlertDefinition {
  alert: string;
  /** Id of the KPI whose objective it guards. */
  kpi: string;
  severity: 'page' | 'ticket';
  /** A cause mutes its symptoms (alertmanager.ts). */
  layer: 'cause' | 'symptom';
  expr: string;
  for: string;
  keepFiringFor?: string;
  summary: string;
  description: string;
  /** What promtool holds it to: series on which it fires at `at`, and series on which it must not. */
  tests: { at: string; fires: InputSeries[]; silent: InputSeries[] };
}

/** How fast alerts are. Each wait is given as it is with a window of one minute, and grows with the window. */
export interface Pace {
  /** The window in minutes. */
  minutes: number;
  /** The window in words. */
  window: string;
  /** A duration of so many seconds with a window of one minute. */
  wait(seconds: number): string;
  /** Between two samples of promtool's input: a twelfth of the window. */
  sample: string;
}

export interface Guarded {
  observed: Observed;
  pace: Pace;
  kpi(id: string): Kpi;
  /** Whether this configuration has the KPI. */
  has(id: string): boolean;
}

function paceOf(config: Config): Pace {
  const minutes = secondsOf(config.window) / 60;
  const wait = (seconds: number) => durationText(seconds * minutes);
  return { minutes, window: minutes === 1 ? 'a minute' : `${minutes} minutes`, wait, sample: wait(5) };
}

export function guardedBy(config: Config): Guarded {
  const observed = observedBy(config);
  const kpis = catalogueFor(config, observed);
  return {
    observed,
    pace: paceOf(config),
    kpi: (id) => kpiOf(kpis, id),
    has: (id) => kpis.some((kpi) => kpi.id === id),
  };
}

/** A gauge that stays so. */
export const steady = (value: number, samples: number) => `${value}x${samples}`;
/** A counter that grows by `step` each sample. */
export const grows = (step: number, samples: number) => `0+${step}x${samples}`;

/** The matchers of one service in promtool's input. */
export const ofOneService = ({ config }: Observed) => `service_name="${config.services[0]?.name}"`;
export const ofItsProcess = ({ config }: Observed) => `job="${config.services[0]?.name}"`;
export const ofOneDatabase = ({ config }: Observed) => `database="${config.databases[0]?.name}"`;
