export const phases = [
  'idle',
  'ordinary',
  'peak',
  'diagnosis',
  'short-term',
  'archival',
  'medium-term',
  'proof',
] as const;
export type Phase = (typeof phases)[number];

export interface PhaseEntry {
  phase: Phase;
  /** ISO 8601. */
  since: string;
}

/** Changes that are remembered; a story has ten. */
const MAX_ENTRIES = 200;

/** The phase of the story that is in force, and those before it, oldest first. */
export class PhaseLog {
  readonly history: PhaseEntry[] = [{ phase: 'idle', since: new Date().toISOString() }];

  get current(): PhaseEntry {
    return this.history.at(-1) as PhaseEntry;
  }

  /** Entering the phase that is in force already changes nothing, so its beginning stays true. */
  enter(phase: Phase): PhaseEntry {
    if (phase !== this.current.phase) {
      this.history.push({ phase, since: new Date().toISOString() });
      if (this.history.length > MAX_ENTRIES) this.history.shift();
    }
    return this.current;
  }
}
