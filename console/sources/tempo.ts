import { z } from 'zod';
import { SourceUnavailable } from './problem.ts';
import { parseOtlp } from './traces/otlp.ts';
import type { Span } from './traces/span.ts';

// Tempo's JSON is OTLP with `batches` (v1) or `trace.resourceSpans` (v2), and ids in base64.
const schema = z.union([
  z.object({ trace: z.object({ resourceSpans: z.array(z.unknown()) }) }),
  z.object({ batches: z.array(z.unknown()) }),
]);

const hexIds = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (key, entry) =>
    /^(traceId|spanId|parentSpanId)$/.test(key) &&
    typeof entry === 'string' &&
    !/^([0-9a-f]{16}){1,2}$/i.test(entry)
      ? Buffer.from(entry, 'base64').toString('hex')
      : entry,
  );

/** A trace that the store has lost, from Tempo; undefined when Tempo does not have it. @throws SourceUnavailable */
export async function readTempoTrace(tempoUrl: string, traceId: string): Promise<Span[] | undefined> {
  try {
    const response = await fetch(new URL(`/api/v2/traces/${traceId}`, tempoUrl), {
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(5_000),
    });
    if (response.status === 404) return undefined;
    const body = schema.parse(await response.json());
    const resourceSpans = 'trace' in body ? body.trace.resourceSpans : body.batches;
    return parseOtlp(hexIds({ resourceSpans })).spans;
  } catch (cause) {
    throw new SourceUnavailable(
      'Tempo',
      `No answer from ${new URL(tempoUrl).origin}.`,
      'Look whether Tempo runs and whether TEMPO_URL points at it.',
      { cause },
    );
  }
}
