import { phaseTitles } from './measured.ts';
import { type Recording, WINDOW_SECONDS } from './recording.ts';

const clock = (at: string | null) => (at === null ? 'not ended' : at.slice(11, 19));
const between = (from: string, to: string | null) => `${clock(from)}–${clock(to)} UTC`;

/** The time that a JSON pointer of the recording is about; undefined for what has none (an assumption, an objective). */
function windowOf(recording: Recording, pointer: string): string | undefined {
  if (!pointer.startsWith('/')) return undefined;
  const [, part, name, below] = pointer.split('/');
  const at = Number(name);
  switch (part) {
    case 'phases': {
      const phase = recording.phases[at];
      if (!phase) return 'the compared phases';
      const windows = below === 'windows' ? `, ${phase.windows.length} windows of ${WINDOW_SECONDS} s` : '';
      return `${phaseTitles[phase.name] ?? phase.name}, ${between(phase.startedAt, phase.endedAt)}${windows}`;
    }
    case 'diagnosis': {
      const { diagnosis } = recording;
      return diagnosis
        ? `diagnosis, from ${clock(diagnosis.startedAt)} UTC${diagnosis.windowSeconds ? `, workload of ${Math.round(diagnosis.windowSeconds)} s` : ''}`
        : undefined;
    }
    case 'actions': {
      const action = recording.actions[at];
      return action ? `action, ${between(action.startedAt, action.endedAt)}` : 'short-term fixes';
    }
    case 'alerts': {
      const alert = recording.alerts[at];
      return alert
        ? `${phaseTitles[alert.phase] ?? alert.phase}, at ${clock(alert.firstSeenAt)} UTC`
        : 'the run';
    }
    case 'migration': {
      const phase = name === 'phases' ? recording.migration?.phases[Number(below)] : undefined;
      return phase ? `${phase.phase}, ${between(phase.startedAt, phase.endedAt)}` : 'the migration';
    }
    case 'archival':
      return 'the archival';
    default:
      return `the run, ${between(recording.startedAt, recording.endedAt)}`;
  }
}

const fileOf = (source: string) =>
  source.startsWith('/')
    ? 'recording.json'
    : source.startsWith('assumptions.')
      ? 'assumptions file'
      : `${source.replace(/:.*/, '')}`;

/** Where a figure's raw data is, and what time it is about. */
export function provenance(recording: Recording, source: readonly string[]) {
  const windows = source.flatMap((pointer) => windowOf(recording, pointer) ?? []);
  return { files: [...new Set(source.map(fileOf))], windows: [...new Set(windows)] };
}
