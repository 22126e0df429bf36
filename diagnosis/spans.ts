import { request } from 'undici';
import { z } from 'zod';
import type { SpanSource } from './check.ts';

const summaries = z.array(
  z.object({
    traceId: z.string(),
    route: z.string().nullable(),
    repeated: z.object({ summary: z.string(), repeats: z.number(), totalMs: z.number() }).nullable(),
  }),
);

const TIMEOUT_MS = 3_000;

/** Traces as sqltrail's console keeps them. @throws Error naming the address when it cannot be read. */
export function consoleSpans(url: string, signal: AbortSignal): SpanSource {
  const read = async (query: Record<string, string>) => {
    const target = new URL('/api/traces', url);
    for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value);
    try {
      const { statusCode, body } = await request(target, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      if (statusCode !== 200) {
        await body.dump();
        throw new Error(`it answered ${statusCode}`);
      }
      return summaries.parse(await body.json());
    } catch (cause) {
      signal.throwIfAborted();
      throw new Error(`traces could not be read from ${target.origin}: ${(cause as Error).message}`, {
        cause,
      });
    }
  };
  return {
    async repeatedStatements() {
      const groups = new Map<
        string,
        { summary: string; route: string | null; repeats: number; traceId: string; totalMs: number }
      >();
      for (const { traceId, route, repeated } of await read({ limit: '200' })) {
        if (!repeated) continue;
        const key = `${route}\0${repeated.summary}`;
        const known = groups.get(key);
        if (!known || known.repeats < repeated.repeats) groups.set(key, { ...repeated, route, traceId });
      }
      return [...groups.values()].sort((a, b) => b.repeats - a.repeats);
    },
    tracesOf: async (summary) =>
      (await read({ statement: summary, limit: '3' })).map(({ traceId }) => traceId),
  };
}
