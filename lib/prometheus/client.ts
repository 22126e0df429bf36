import { z } from 'zod';

const labels = z.record(z.string(), z.string());
const point = z.tuple([z.number(), z.string()]);
/** As the API writes a float: Number() knows neither `+Inf` nor `-Inf`. */
const numberOf = (text: string): number => Number(text.endsWith('Inf') ? `${text}inity` : text);

const exemplar = z.object({ labels, value: z.coerce.number(), timestamp: z.number() });

export interface Sample {
  labels: Record<string, string>;
  /** May be infinite; never NaN. */
  value: number;
}

export interface Range {
  labels: Record<string, string>;
  /** Seconds since the epoch, and the value; NaN and infinities are left out. */
  points: [number, number][];
}

export interface Exemplar extends z.infer<typeof exemplar> {
  seriesLabels: Record<string, string>;
}

/** Prometheus answered, and refused this query; the message is its own. */
export class QueryRefused extends Error {
  override readonly name = 'QueryRefused';
}

/** What answers there is no Prometheus. */
export class NotPrometheus extends Error {
  override readonly name = 'NotPrometheus';
}

/**
 * Sends a request to the API and gives the body of the answer, that of a refusal (400, 422, 503) too.
 *
 * @throws when there is no answer, or another status
 */
export type Transport = (path: string, parameters: URLSearchParams) => Promise<unknown>;

/** Statuses whose body explains why Prometheus refused a query, or gave it up. */
export const REFUSALS: readonly number[] = [400, 422, 503];

const TIMEOUT_MS = 20_000;

/** By HTTP, with a timeout; nothing else bounds it. */
export const httpTransport =
  (
    url: string,
    { signal, timeoutMs = TIMEOUT_MS }: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Transport =>
  async (path, body) => {
    const response = await fetch(new URL(path, url), {
      method: 'POST',
      body,
      signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]),
    });
    if (!response.ok && !REFUSALS.includes(response.status))
      throw new NotPrometheus(`${new URL(url).origin} answered with status ${response.status}`);
    return response.json().catch((cause) => {
      throw new NotPrometheus(`${new URL(url).origin} does not answer like Prometheus`, { cause });
    });
  };

/**
 * The HTTP API of Prometheus. Its methods throw what the transport throws, {@link QueryRefused}, and
 * {@link NotPrometheus} for an answer of another form.
 */
export class Prometheus {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The samples of an instant vector; NaN (a ratio without traffic) is left out. @param at seconds since the epoch */
  async query(promql: string, at?: number): Promise<Sample[]> {
    const { result } = await this.#ask(
      '/api/v1/query',
      { query: promql, ...(at === undefined ? {} : { time: String(at) }) },
      z.object({ result: z.array(z.object({ metric: labels, value: point })) }),
    );
    return result
      .map(({ metric, value }) => ({ labels: metric, value: numberOf(value[1]) }))
      .filter(({ value }) => !Number.isNaN(value));
  }

  /** A query's values over a time, at multiples of `step` from `from`; all in seconds (since the epoch). */
  async range(promql: string, from: number, to: number, step: number): Promise<Range[]> {
    const { result } = await this.#ask(
      '/api/v1/query_range',
      { query: promql, start: String(from), end: String(to), step: String(step) },
      z.object({ result: z.array(z.object({ metric: labels, values: z.array(point) })) }),
    );
    return result.map(({ metric, values }) => ({
      labels: metric,
      points: values
        .map(([at, value]): [number, number] => [at, numberOf(value)])
        .filter(([, value]) => Number.isFinite(value)),
    }));
  }

  /** Exemplars of a series selector between two moments, the largest value first. */
  async exemplars(selector: string, from: Date, to: Date): Promise<Exemplar[]> {
    const found = await this.#ask(
      '/api/v1/query_exemplars',
      { query: selector, start: from.toISOString(), end: to.toISOString() },
      z.array(z.object({ seriesLabels: labels, exemplars: z.array(exemplar) })),
    );
    return found
      .flatMap(({ seriesLabels, exemplars }) => exemplars.map((each) => ({ ...each, seriesLabels })))
      .sort((a, b) => b.value - a.value);
  }

  async #ask<T>(path: string, parameters: Record<string, string>, data: z.ZodType<T>): Promise<T> {
    const answer = z.discriminatedUnion('status', [
      z.object({ status: z.literal('success'), data }),
      z.object({ status: z.literal('error'), error: z.string().default('refused without a reason') }),
    ]);
    const parsed = answer.safeParse(await this.#transport(path, new URLSearchParams(parameters)));
    if (!parsed.success)
      throw new NotPrometheus('it does not answer like Prometheus', { cause: parsed.error });
    if (parsed.data.status === 'error') throw new QueryRefused(parsed.data.error);
    return parsed.data.data;
  }
}

/** The API at an address. */
export const prometheusAt = (url: string, options?: Parameters<typeof httpTransport>[1]): Prometheus =>
  new Prometheus(httpTransport(url, options));
