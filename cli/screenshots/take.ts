import { plainPhases } from '../../dashboards/pages/stakeholders.ts';
import type { Dashboard } from '../../dashboards/panel.ts';
import { dashboards } from '../../dashboards/panels.ts';
import { asksPrometheus, type PanelReading, readPanel, type TimeRange } from '../../dashboards/reading.ts';
import { prometheusAt } from '../../lib/prometheus/client.ts';
import { phaseTitles } from '../../report/measured.ts';
import type { RecordedPhase, Recording } from '../../report/recording.ts';
import type { Camera } from './browser.ts';
import { type Band, pictureHtml } from './draw.ts';
import { recordedDashboard, shownPhase } from './recorded.ts';

const fileName = (text: string) =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');

/** A phase of the recording, or all of it. */
interface Scene {
  file: string;
  /** Of a single phase. */
  phase?: string;
  range: TimeRange;
  phases: RecordedPhase[];
  dashboards: Dashboard[];
}

/** From the start to the end of the last phase: after it there are no customers, and rates of nothing are no number. */
export function rangeOfRun({ phases, startedAt }: Recording): TimeRange | undefined {
  const end = phases.findLast(({ endedAt }) => endedAt !== null)?.endedAt;
  return end ? { from: new Date(startedAt), to: new Date(end) } : undefined;
}

function scenesOf(recording: Recording): Scene[] {
  const range = rangeOfRun(recording);
  if (!range) return [];
  const ended = recording.phases.filter(({ endedAt }) => endedAt !== null);
  const single = ended.map(
    (phase, at): Scene => ({
      file: `${String(at + 1).padStart(2, '0')}-${fileName(phase.name)}`,
      phase: phase.name,
      range: { from: new Date(phase.startedAt), to: new Date(phase.endedAt ?? phase.startedAt) },
      phases: [phase],
      // One phase has nothing to be compared with.
      dashboards: dashboards.filter(({ id }) => id !== 'comparison'),
    }),
  );
  const whole: Scene = {
    file: '00-whole-run',
    range,
    phases: ended,
    dashboards,
  };
  return [whole, ...single];
}

/** What a phase is called by those who read the page. */
const titleOf = (name: string, { audience }: Dashboard) =>
  (audience === 'stakeholder' ? plainPhases[shownPhase(name)] : phaseTitles[name]) ?? name;

const bandsOf = (phases: readonly RecordedPhase[], dashboard: Dashboard): Band[] =>
  phases.map(({ name, startedAt, endedAt }) => ({
    title: titleOf(name, dashboard),
    from: new Date(startedAt),
    to: new Date(endedAt ?? startedAt),
  }));

async function measured(
  prometheus: string,
  dashboard: Dashboard,
  range: TimeRange,
): Promise<Map<string, PanelReading>> {
  const panels = dashboard.rows.flatMap(({ panels: inRow }) => inRow).filter(asksPrometheus);
  const readings = new Map<string, PanelReading>();
  for (const panel of panels) readings.set(panel.id, await readPanel(prometheus, panel, range));
  return readings;
}

/** Whether a Prometheus answers that has seen the time range. */
async function hasSeen(prometheus: string, { to }: TimeRange): Promise<boolean> {
  const seen = prometheusAt(prometheus, { timeoutMs: 3_000 }).query(
    'count(sqltrail_phase_info)',
    to.getTime() / 1000,
  );
  return seen.then(
    (samples) => samples.length > 0,
    () => false,
  );
}

/**
 * Every dashboard in each phase of a recording and over the whole run: with all its panels from the Prometheus that
 * saw it, else with the KPIs that the recording has.
 *
 * @returns whether Prometheus had it
 */
export async function takeDashboards(
  camera: Camera,
  recording: Recording,
  prometheus: string,
  signal?: AbortSignal,
): Promise<boolean> {
  const scenes = scenesOf(recording);
  const live = scenes[0] !== undefined && (await hasSeen(prometheus, scenes[0].range));
  const phases = [...new Set(recording.phases.map(({ name }) => shownPhase(name)))];
  for (const scene of scenes)
    for (const one of scene.dashboards) {
      signal?.throwIfAborted();
      const { dashboard, readings } = live
        ? { dashboard: one, readings: await measured(prometheus, one, scene.range) }
        : recordedDashboard(recording, scene.phases, one);
      const html = pictureHtml({
        dashboard,
        readings,
        heading: scene.phase ? titleOf(scene.phase, one) : 'the whole run',
        source: live ? 'from Prometheus' : 'KPIs of the recording alone; Prometheus has the rest',
        range: scene.range,
        bands: bandsOf(scene.phases, one),
        phases,
      });
      if (html) await camera.takeHtml(`${scene.file}-${one.id}`, html);
    }
  return live;
}

/** Pages that one navigates to, then one of a kind of those that have a name in their address. */
export const MOST_PAGES = 12;

/** The console as it is now: its overview, and the pages that this leads to, one of each kind. */
export async function takeConsole(
  camera: Camera,
  consoleUrl: string,
  prefix: string,
  most = MOST_PAGES,
): Promise<void> {
  const kindOf = (hash: string) => hash.split('/')[1] ?? '';
  const pageOf = (hash: string) => (hash.split('/').length > 2 ? `one-of-${kindOf(hash)}` : kindOf(hash));
  const waiting = ['#/'];
  const done = new Set<string>();
  while (waiting.length > 0 && done.size < most) {
    const hash = waiting.shift() as string;
    const name = fileName(pageOf(hash)) || 'overview';
    if (done.has(name)) continue;
    done.add(name);
    const links = await camera.takePage(`${prefix}-console-${name}`, `${consoleUrl}/${hash}`);
    waiting.push(...links.filter((link) => !done.has(fileName(pageOf(link)) || 'overview')));
  }
}
