import { z } from 'zod';
import { SourceUnavailable } from '../problem.ts';

/** Who is asked, and what its reader can do when it does not answer. */
export interface Source {
  name: string;
  url: string;
  /** The variable that holds the URL. */
  variable: string;
}

const TIMEOUT_MS = 5_000;

function unavailable(source: Source, what: string, cause?: unknown): SourceUnavailable {
  return new SourceUnavailable(
    source.name,
    `${new URL(source.url).origin} ${what}.`,
    `Look whether ${source.name} runs and whether ${source.variable} points at it.`,
    { cause },
  );
}

function faultOf(error: unknown): string {
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
    body = await response.json().catch((error) => {
      if (error instanceof SyntaxError) return undefined;
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
