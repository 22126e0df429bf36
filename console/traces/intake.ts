import { setImmediate as others } from 'node:timers/promises';
import { largeJson, parseJson } from '../body.ts';
import { BadRequest } from '../problem.ts';
import { OtlpRequest } from './otlp.ts';
import type { TraceStore } from './store.ts';

/** Then other requests have their turn. */
const TURN_MS = 20;

/**
 * Puts the spans of an OTLP/JSON request into the store.
 *
 * @throws BadRequest for a body that is no such request, or beyond the limits
 */
export async function takeSpans(
  body: Uint8Array | undefined,
  store: TraceStore,
): Promise<{ rejected: number; reason: string | null }> {
  const parsed = body?.length ? parseJson(body, largeJson) : {};
  let request: OtlpRequest;
  try {
    request = new OtlpRequest(parsed);
  } catch (error) {
    throw new BadRequest((error as Error).message);
  }
  let since = performance.now();
  for (const span of request.spans()) {
    store.add([span]);
    if (performance.now() - since < TURN_MS) continue;
    await others();
    since = performance.now();
  }
  return { rejected: request.rejected, reason: request.reason };
}
