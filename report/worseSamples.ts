import type { Figures } from './figures.ts';
import { kpiFormat, uncomparedKpis } from './measured.ts';
import type { Recording } from './recording.ts';

export interface WorseSample {
  id: string;
  name: string;
  /** The peak after the last step. */
  phase: string;
}

/**
 * KPIs of which no windows were read: the last sample of the peak before beside that of the peak after the last step.
 * One is called worse when it met its objective before and misses it after; a single sample bears no interval.
 */
export function worseSamples(figures: Figures, { phases }: Recording): WorseSample[] {
  const indexOf = (name: string) => phases.findIndex((phase) => phase.name === name);
  const after = phases.findLastIndex(({ name }) => name.startsWith('peak-after'));
  const phase = phases[after]?.name;
  if (phase === undefined || indexOf('peak') < 0) return [];
  const last = (at: number, id: string) =>
    phases[at]?.samples.flatMap(({ kpis }) => kpis.find((kpi) => kpi.id === id) ?? []).at(-1);
  return uncomparedKpis.flatMap(({ id, name }) => {
    const [before, now] = [last(indexOf('peak'), id), last(after, id)];
    if (before?.met !== true || now?.met !== false) return [];
    for (const [at, sample] of [
      [indexOf('peak'), before],
      [after, now],
    ] as const)
      figures.define(
        `sampled:${id}:${phases[at]?.name}`,
        sample.value,
        kpiFormat(id),
        [`/phases/${at}/samples`],
        'last sample of the phase',
      );
    return [{ id, name, phase }];
  });
}
