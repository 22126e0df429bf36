import type { DiagnosisOptions } from '../diagnosis/run.ts';
import { HistoryStore } from '../watch/store.ts';
import { ActionService } from './actions.ts';
import { DiagnosisService } from './diagnosis.ts';
import type { TargetDatabase } from './environment.ts';
import { type Shared, shared } from './shared.ts';
import { DatabaseSource } from './sources/database.ts';
import type { Gate } from './sources/gate.ts';
import type { TraceStore } from './traces/store.ts';

/** One database of the console, with what is known and done of it. */
export interface ObservedDatabase {
  name: string;
  source: DatabaseSource;
  diagnosis: DiagnosisService;
  actions: ActionService;
  /** For whoever asks; a page that looks on costs no more. */
  readActions: Shared<Awaited<ReturnType<ActionService['read']>>>;
  /** Undefined where no history is kept. */
  store: HistoryStore | undefined;
}

export interface ObserveOptions {
  traces: TraceStore;
  signal: AbortSignal;
  /** Lets one diagnosis run at a time, whichever database it is of. */
  turn: Gate;
  /** Where histories lie; none is kept without it. */
  directory: string | undefined;
  everySeconds: number | undefined;
  settings: Partial<DiagnosisOptions> | undefined;
  measure: { windows: number; windowMs: number };
  /** What of this database has changed. */
  onChange: (topics: ('diagnosis' | 'actions')[]) => void;
  log: (message: string) => void;
}

/** @throws Error when the directory of the histories cannot be written */
export async function observeDatabase(
  { name, url, ownerUrl }: TargetDatabase,
  { traces, signal, turn, directory, everySeconds, settings, measure, onChange, log }: ObserveOptions,
): Promise<ObservedDatabase> {
  const source = new DatabaseSource(url, signal);
  const store = directory === undefined ? undefined : await HistoryStore.open(directory, name, log);
  const diagnosis: DiagnosisService = new DiagnosisService({
    database: source,
    ownerUrl,
    traces,
    signal,
    turn,
    store,
    everySeconds,
    settings,
    // What can be done follows from what was found.
    onChange: () => {
      readActions.forget();
      onChange(['diagnosis', 'actions']);
    },
    log,
  });
  const actions: ActionService = new ActionService({
    database: source,
    ownerUrl,
    diagnosis,
    signal,
    ...measure,
    onChange: () => {
      readActions.forget();
      onChange(['actions']);
    },
    log,
  });
  const readActions = shared(() => actions.read());
  return { name, source, diagnosis, actions, readActions, store };
}
