import { useEffect, useState } from 'preact/hooks';
import type { ActionsReading } from '../actions.ts';
import type { TimelineReading } from '../details.ts';
import type { DiagnosisReading } from '../diagnosis.ts';
import type { KpiReading, StatementReading } from '../readings.ts';
import type { Alert } from '../sources/alertmanager.ts';
import { topicOf } from './databases.ts';

export interface Fault {
  title: string;
  detail: string;
  nextStep?: string;
}

export interface Loaded<T> {
  data?: T;
  /** Beside data: what is shown is from before. */
  fault?: Fault;
}

/** What the console tells of its own accord, by topic. */
export interface Topics {
  timeline: TimelineReading;
  alerts: Alert[];
  kpis: KpiReading[];
  statements: StatementReading[];
  actions: ActionsReading;
  diagnosis: DiagnosisReading;
}

const names = ['timeline', 'alerts', 'kpis', 'statements', 'actions', 'diagnosis'] as const;
const REOPEN_MS = 3_000;

const away: Fault = {
  title: 'The console does not answer',
  detail: 'The page shows earlier data.',
  nextStep: 'Check that it is running; this page reconnects automatically.',
};

export type Connection = 'connecting' | 'live' | 'down';

let connection: Connection = 'connecting';
let beats = 0;
const last = new Map<string, Loaded<unknown>>();
const listeners = new Map<string, Set<() => void>>();

function tell(what: string) {
  for (const listener of listeners.get(what) ?? []) listener();
}

function connected(next: Connection) {
  if (next === connection) return;
  connection = next;
  tell('connection');
}

/** One connection for the whole page; every topic replaces what was known of it. */
export function listen(): void {
  const source = new EventSource('/api/events');
  for (const name of names)
    source.addEventListener(topicOf(name), ({ data }) => {
      const next: Loaded<unknown> = JSON.parse(data);
      const before = last.get(name);
      // The last answer stays beside the fault, so that an outage does not blank the page.
      last.set(name, next.fault && before?.data !== undefined ? { ...next, data: before.data } : next);
      connected('live');
      tell(name);
    });
  source.addEventListener('beat', () => {
    beats += 1;
    connected('live');
    tell('beat');
  });
  source.addEventListener('error', () => {
    connected('down');
    // A refusal ends it for good; after a broken connection it tries again by itself.
    if (source.readyState !== EventSource.CLOSED) return;
    source.close();
    setTimeout(listen, REOPEN_MS);
  });
}

function useChanges(what: string): void {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw((count) => count + 1);
    const set = listeners.get(what) ?? new Set();
    listeners.set(what, set);
    set.add(listener);
    // It may have come between the drawing and this.
    listener();
    return () => {
      set.delete(listener);
    };
  }, [what]);
}

export function useTopic<Name extends keyof Topics>(name: Name): Loaded<Topics[Name]> {
  useChanges(name);
  return (last.get(name) ?? {}) as Loaded<Topics[Name]>;
}

export function useConnection(): Connection {
  useChanges('connection');
  return connection;
}

/** Counts up each time the console has looked at its sources, about every five seconds. */
export function useBeat(): number {
  useChanges('beat');
  return beats;
}

export interface Answer<T> extends Loaded<T> {
  /** Of all that match, where a part was asked for. */
  total?: number;
}

/** Reads JSON; a problem that the console tells and one of the network are both a fault. */
export async function load<T>(url: string, init: RequestInit = {}): Promise<Answer<T>> {
  try {
    const response = await fetch(url, init);
    const body = await response.json();
    if (!response.ok) return { fault: body };
    const total = response.headers.get('x-total-count');
    return { data: body, ...(total === null ? {} : { total: Number(total) }) };
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    return { fault: away };
  }
}

/**
 * A resource that is asked for: when the address changes, and again every so many beats.
 *
 * @param every beats; 0 for once
 * @param url null while there is nothing to ask for
 */
export function useFetched<T>(url: string | null, every: number): Answer<T> {
  const beat = useBeat();
  const [state, set] = useState<{ url: string | null; answer: Answer<T> }>({ url, answer: {} });
  const turn = every > 0 ? Math.floor(beat / every) : 0;
  useEffect(() => {
    if (url === null) return;
    const asking = new AbortController();
    load<T>(url, { signal: asking.signal }).then(
      (answer) =>
        set((before) => ({
          url,
          answer:
            answer.fault && before.url === url && before.answer.data !== undefined
              ? { ...before.answer, fault: answer.fault }
              : answer,
        })),
      () => {},
    );
    return () => asking.abort();
  }, [url, turn]);
  return state.url === url ? state.answer : {};
}
