import type { ActionReading } from '../actions.ts';
import type { TimelineReading } from '../details.ts';
import type { DiagnosisReading } from '../diagnosis.ts';
import type { Phase } from '../phase.ts';

export const phaseNames: Record<Phase, string> = {
  idle: 'Idle',
  ordinary: 'Ordinary load',
  peak: 'Peak',
  diagnosis: 'Diagnosis',
  'short-term': 'Short-term fixes',
  archival: 'Archival',
  'medium-term': 'New data model',
  proof: 'Proof',
};

export const isPhase = (name: string): name is Phase => name in phaseNames;

/** A phase from its beginning to the next one's; times in milliseconds since the epoch. */
export interface Band {
  phase: Phase;
  from: number;
  to: number;
}

/** @param now the end of the phase in force */
export function bandsOf(phases: TimelineReading['phases'], now: number): Band[] {
  return phases.map(({ phase, since }, at) => {
    const next = phases[at + 1];
    return { phase, from: Date.parse(since), to: next ? Date.parse(next.since) : now };
  });
}

export interface StoryEvent {
  /** ISO 8601. */
  at: string;
  kind: 'phase' | 'fires' | 'resolved' | 'diagnosis' | 'action';
  title: string;
  detail: string;
  href: string | null;
}

const actionWords: Partial<Record<ActionReading['state'], string>> = {
  kept: 'Applied and kept',
  applied: 'Applied',
  reverted: 'Reverted',
  failed: 'Failed',
  applying: 'Being applied',
  undoing: 'Being undone',
};

/** What happened, newest first. */
export function eventsOf(
  { phases, alerts }: TimelineReading,
  actions: readonly ActionReading[],
  diagnosis: DiagnosisReading | undefined,
): StoryEvent[] {
  const events: StoryEvent[] = phases.map(({ phase, since }) => ({
    at: since,
    kind: 'phase',
    title: `${phaseNames[phase]} begins`,
    detail: '',
    href: null,
  }));
  for (const { name, severity, summary, statement, startsAt, endsAt } of alerts) {
    const href = statement ? `#/statements/${encodeURIComponent(statement)}` : null;
    events.push({ at: startsAt, kind: 'fires', title: `${name} fires (${severity})`, detail: summary, href });
    if (endsAt)
      events.push({ at: endsAt, kind: 'resolved', title: `${name} is resolved`, detail: summary, href });
  }
  if (diagnosis?.last)
    events.push({
      at: diagnosis.last.startedAt,
      kind: 'diagnosis',
      title: `Diagnosis: ${diagnosis.last.findings.length} findings`,
      detail: diagnosis.last.findings[0]?.title ?? '',
      href: '#/findings',
    });
  for (const { action, state, startedAt, endedAt, note } of actions) {
    const words = actionWords[state];
    if (!words) continue;
    events.push({
      at: endedAt ?? startedAt ?? '',
      kind: 'action',
      title: `${words}: ${action.title}`,
      detail: note ?? '',
      href: `#/actions/${encodeURIComponent(action.id)}`,
    });
  }
  return events.sort((a, b) => b.at.localeCompare(a.at, 'en'));
}
