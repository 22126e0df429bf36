import type pg from 'pg';
import type { Action } from './action.ts';
import type { Effect } from './measure.ts';

/** An action that is not plain SQL (switching the application's queries, archival) is carried out by its handler. */
export interface Handler {
  apply(client: pg.Client, action: Action, signal: AbortSignal): Promise<void>;
  undo(client: pg.Client, action: Action, signal: AbortSignal): Promise<void>;
  /** A measure of its own, where the action's statements are others afterwards. */
  measure?: {
    /** What it measures, as the subject of a sentence. */
    what: string;
    seconds: number;
    run(what: 'before' | 'after', signal: AbortSignal): Promise<Effect>;
  };
}

export type Handlers = Partial<Record<Action['kind'], Handler>>;

/** SQL alone would change the database under an application that goes on as before. */
export const needsHandler = ({ kind }: Action, handlers: Handlers | undefined) =>
  (kind === 'query' || kind === 'pool') && !handlers?.[kind];
export const NEEDS_HANDLER = 'belongs to the application: give its address (--shop)';
