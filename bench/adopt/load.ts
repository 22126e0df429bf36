import { setTimeout as sleep } from 'node:timers/promises';
import type { Work } from './application.ts';

/** Clients that work until they are stopped. */
export interface Load {
  /** How often each outcome came, such as `GET 200`. */
  outcomes(): Map<string, number>;
  stop(): Promise<void>;
}

/** Each client does one piece of work after the other, each beginning with another one. */
export function startLoad(works: readonly Work[], clients: number, pauseMs: number): Load {
  const stopping = new AbortController();
  const outcomes = new Map<string, number>();
  const client = async (first: number) => {
    for (let at = first; !stopping.signal.aborted; at += 1) {
      const outcome = await works[at % works.length]?.(stopping.signal).catch(
        (error: Error) => `${error.name}: ${(error.cause as Error | undefined)?.message ?? error.message}`,
      );
      if (stopping.signal.aborted) return;
      outcomes.set(outcome ?? '', (outcomes.get(outcome ?? '') ?? 0) + 1);
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };
  const all = Promise.all(Array.from({ length: works.length > 0 ? clients : 0 }, (_, at) => client(at)));
  return {
    outcomes: () => outcomes,
    stop: async () => {
      stopping.abort();
      await all;
    },
  };
}
