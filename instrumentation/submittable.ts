import { type Context, context } from '@opentelemetry/api';

/** What pg's client runs by itself: `pg.Query`, pg-cursor, pg-query-stream, COPY streams, and whatever else has these. */
export type Submittable = { submit: (connection: unknown) => unknown } & { [name: string]: unknown };

export const isSubmittable = (query: unknown): query is Submittable =>
  typeof (query as Submittable | undefined)?.submit === 'function';

const isText = (value: unknown): value is string => typeof value === 'string';

/** Text and values of what `query` was given; a text that cannot be had is empty. */
export function textOf([config, values]: unknown[]): { text: string; values: unknown[] } {
  if (isText(config)) return { text: config, values: Array.isArray(values) ? values : [] };
  const { text, values: own, cursor } = config as { text?: unknown; values?: unknown; cursor?: Submittable };
  // pg-query-stream keeps both in its cursor.
  const given = [own, cursor?.['values'], values].find((candidate) => Array.isArray(candidate));
  return {
    text: [text, cursor?.['text']].find(isText) ?? '',
    values: (given as unknown[] | undefined) ?? [],
  };
}

/**
 * Calls `end` when the client tells a Submittable that its statement failed, or that the server is ready for the next
 * one, and lets it work in its caller's context, where its own callbacks and events belong: the client calls it from
 * its socket's.
 */
export function watchSubmittable(query: Submittable, caller: Context, end: (error?: unknown) => void): void {
  // pg-native has no message of the server to hand on: its queries say by an event that they are done, and complete an
  // error in their own handler.
  const isNative = typeof query['handleReadyForQuery'] !== 'function';
  for (const name of handlersOf(query)) {
    const original = query[name] as (...args: unknown[]) => unknown;
    query[name] = function handle(this: unknown, ...args: unknown[]) {
      const failed = name === 'handleError' ? (args[0] ?? new Error()) : undefined;
      if (failed && !isNative) end(failed);
      // pg.Query hands an error of its own, as of a type parser, to itself only then.
      if (name === 'handleReadyForQuery') end(query['_canceledDueToError']);
      try {
        return context.with(caller, () => original.apply(this, args));
      } finally {
        if (failed) end(failed);
      }
    };
  }
  if (isNative && typeof query['once'] === 'function')
    (query['once'] as (event: string, listener: () => void) => void)('_done', () => end());
}

function handlersOf(query: Submittable): Set<string> {
  const names = new Set<string>();
  for (let owner: object = query; owner && owner !== Object.prototype; owner = Object.getPrototypeOf(owner))
    for (const name of Object.getOwnPropertyNames(owner))
      if (name.startsWith('handle') && typeof query[name] === 'function') names.add(name);
  return names;
}
