import { z } from 'zod';
import { SourceUnavailable } from '../problem.ts';
import { parseOtlp } from '../traces/otlp.ts';
import type { Span } from '../traces/span.ts';
import { Gate } from './gate.ts';
import { readJson } from './http.ts';

// Tempo's JSON is OTLP under `trace.resourceSpans` (v2) or `batches` (v1), with ids in base64.
const v2 = z.object({ trace: z.object({ resourceSpans: z.array(z.unknown()).optional() }).nullish() });
const v1 = z.object({ batches: z.array(z.unknown()).optional() });

const idKeys = new Set(['traceId', 'spanId', 'parentSpanId']);
const isHexId = (id: string) => /^([0-9a-f]{16}){1,2}$/i.test(id);

const hexIds = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (key, entry) =>
    idKeys.has(key) && typeof entry === 'string' && !isHexId(entry)
      ? Buffer.from(entry, 'base64').toString('hex')
      : entry,
  );

/** Traces may be large; whoever asks for ids that nobody knows must not keep Tempo busy. */
const gate = new Gate('Tempo', 4, 50);

/** A trace that the store has not, from Tempo; undefined when Tempo has it not either. @throws SourceUnavailable */
export async function readTempoTrace(
  url: string,
  traceId: string,
  signal: AbortSignal,
): Promise<Span[] | undefined> {
  const source = { name: 'Tempo', url, variable: 'TEMPO_URL' };
  const init = { headers: { accept: 'application/json' }, signal };
  const resourceSpans = await gate.run(
    async () =>
      (await readJson(source, `/api/v2/traces/${traceId}`, v2, init))?.trace?.resourceSpans ??
      // A Tempo before 2.7 has the first version only.
      (await readJson(source, `/api/traces/${traceId}`, v1, init))?.batches,
  );
  if (!resourceSpans?.length) return undefined;
  try {
    return parseOtlp(hexIds({ resourceSpans })).spans;
  } catch (error) {
    throw new SourceUnavailable('Tempo', (error as Error).message, 'Look whether TEMPO_URL points at Tempo.');
  }
}
