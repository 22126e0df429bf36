import type { z } from 'zod';
import { type JsonLimits, parseJson } from '../body.ts';
import { BadRequest, SourceUnavailable } from '../problem.ts';

/** Who is asked, and what its reader can do when it does not answer. */
export interface Source {
  name: string;
  url: string;
  /** The variable that holds the URL. */
  variable: string;
}

const TIMEOUT_MS = 5_000;
/** Of an answer. A range query of five hundred series has two megabytes. */
const LIMITS: JsonLimits = {
  bytes: 32_000_000,
  depth: 64,
  containers: 800_000,
  values: 1_600_000,
  shapes: 50_000,
};

/** @throws BadRequest when it is too large, or not JSON */
async function readBody(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > LIMITS.bytes) break;
  }
  return parseJson(Buffer.concat(chunks), LIMITS);
}

function unavailable(source: Source, what: string, cause?: unknown): SourceUnavailable {
  return new SourceUnavailable(
    source.name,
    `${new URL(source.url).origin} ${what}.`,
    `Look whether ${source.name} runs and whether ${source.variable} points at it.`,
    { cause },
  );
}

function faultOf(error: unknown): string {
  if (error instanceof BadRequest) return `gave an answer that is too large (${error.message})`;
  if (error instanceof Error && error.name === 'TimeoutError')
    return `did not answer in ${TIMEOUT_MS / 1000} s`;
  const code = (error as { cause?: { code?: unknown } }).cause?.code;
  if (code === 'ECONNREFUSED') return 'refuses connections';
  return `cannot be reached${typeof code === 'string' ? ` (${code})` : ''}`;
}

/**
 * Reads JSON from a source.
 *
 * @param accepted statuses besides 2xx whose body is wanted too
 * @returns undefined for a 404
 * @throws SourceUnavailable when it does not answer, or not with what `schema` says
 */
export async function readJson<T>(
  source: Source,
  path: string,
  schema: z.ZodType<T>,
  init: RequestInit = {},
  accepted: number[] = [],
): Promise<T | undefined> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(new URL(path, source.url), {
      ...init,
      signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), ...(init.signal ? [init.signal] : [])]),
    });
    if (response.status === 404) return undefined;
    body = await readBody(response).catch((error) => {
      if (error instanceof BadRequest && error.status === 400) return undefined;
      throw error;
    });
  } catch (error) {
    throw unavailable(source, faultOf(error), error);
  }
  if (!response.ok && !accepted.includes(response.status))
    throw unavailable(source, `answered with status ${response.status}`);
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw unavailable(source, `does not answer like ${source.name}`, parsed.error);
  return parsed.data;
}
