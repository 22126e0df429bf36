import type { Dashboard, PromqlPanel } from '../../dashboards/panel.ts';
import { asksPrometheus, type PanelReading, type Series } from '../../dashboards/reading.ts';
import { kpiById } from '../../kpis/catalogue.ts';
import type { RecordedPhase, Recording } from '../../report/recording.ts';

/** What the console calls a recorded phase; both peaks on the mended shop are the proof. */
export const shownPhase = (name: string) => (name.startsWith('peak-after-') ? 'proof' : name);

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

const samplesOf = (phases: readonly RecordedPhase[], kpi: string): [number, number][] =>
  phases.flatMap(({ samples }) =>
    samples.flatMap(({ at, kpis }): [number, number][] => {
      const value = kpis.find(({ id }) => id === kpi)?.value;
      return value === null || value === undefined ? [] : [[Date.parse(at) / 1000, value]];
    }),
  );

function byPhase(recording: Recording, kpi: string): Series[] {
  const groups = Map.groupBy(recording.phases, ({ name }) => shownPhase(name));
  return [...groups].flatMap(([phase, phases]) => {
    const values = samplesOf(phases, kpi).map(([, value]) => value);
    return values.length > 0
      ? [{ labels: { phase }, points: [[0, mean(values)]] as [number, number][] }]
      : [];
  });
}

function readingOf(
  recording: Recording,
  phases: readonly RecordedPhase[],
  panel: PromqlPanel,
): PanelReading | undefined {
  if (panel.labels?.['phase'])
    return {
      queries: panel.queries.map(({ kpi }) => (kpi ? byPhase(recording, kpi) : [])),
    };
  if (!panel.kpi) return undefined;
  if (panel.kind === 'bars') return { queries: [byPhase(recording, panel.kpi)] };
  const points = samplesOf(phases, panel.kpi);
  if (points.length === 0) return { queries: [[]] };
  return { queries: [[{ labels: {}, points }]] };
}

/**
 * A dashboard with what a recording alone can tell: the KPIs, not broken down, and their means by phase. Panels that
 * need more are left out.
 */
export function recordedDashboard(
  recording: Recording,
  phases: readonly RecordedPhase[],
  dashboard: Dashboard,
): { dashboard: Dashboard; readings: Map<string, PanelReading> } {
  const readings = new Map<string, PanelReading>();
  const rows = dashboard.rows.map((row) => ({
    ...row,
    panels: row.panels.filter(asksPrometheus).map((panel) => {
      const reading = readingOf(recording, phases, panel);
      if (reading) readings.set(panel.id, reading);
      if (panel.kind !== 'lines' || !panel.kpi) return panel;
      const { promql, unit, objective } = kpiById(panel.kpi);
      return {
        ...panel,
        unit,
        objective,
        queries: [{ promql, legend: panel.title }] as PromqlPanel['queries'],
      };
    }),
  }));
  return { dashboard: { ...dashboard, rows }, readings };
}
