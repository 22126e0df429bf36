import type { Dashboard, PromqlPanel } from '../../dashboards/panel.ts';
import { asksPrometheus, type PanelReading, type Series } from '../../dashboards/reading.ts';
import { kpiById } from '../../kpis/catalogue.ts';
import type { RecordedPhase, Recording } from '../../report/recording.ts';

/** What the console calls a recorded phase; both peaks on the fixed shop are the proof. */
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

/** The panel as the recording can fill it, and with what; undefined where it has nothing of it in any phase. */
function recordedPanel(
  recording: Recording,
  phases: readonly RecordedPhase[],
  panel: PromqlPanel,
): { panel: PromqlPanel; reading: PanelReading } | undefined {
  const known = (kpi: string | undefined): kpi is string =>
    kpi !== undefined && samplesOf(recording.phases, kpi).length > 0;
  if (panel.labels?.['phase']) {
    const [first, ...rest] = panel.queries.filter(({ kpi }) => known(kpi));
    if (!first) return undefined;
    const queries: PromqlPanel['queries'] = [first, ...rest];
    return {
      panel: { ...panel, queries },
      reading: { queries: queries.map(({ kpi = '' }) => byPhase(recording, kpi)) },
    };
  }
  if (!known(panel.kpi)) return undefined;
  if (panel.kind === 'bars') return { panel, reading: { queries: [byPhase(recording, panel.kpi)] } };
  const points = samplesOf(phases, panel.kpi);
  const reading = { queries: [points.length > 0 ? [{ labels: {}, points }] : []] };
  if (panel.kind !== 'lines') return { panel, reading };
  const { promql, unit, objective } = kpiById(panel.kpi);
  return {
    panel: { ...panel, unit, objective, queries: [{ promql: promql(), legend: panel.title }] },
    reading,
  };
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
    panels: row.panels.filter(asksPrometheus).flatMap((asked) => {
      const recorded = recordedPanel(recording, phases, asked);
      if (!recorded) return [];
      readings.set(asked.id, recorded.reading);
      return recorded.panel;
    }),
  }));
  return { dashboard: { ...dashboard, rows }, readings };
}
