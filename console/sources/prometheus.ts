import { z } from 'zod';
import { SourceUnavailable } from '../problem.ts';
import { readJson, type Source } from './http.ts';

const responseSchema = z.object({
  status: z.enum(['success', 'error']),
  error: z.string().optional(),
  data: z
    .object({
      result: z.array(
        z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }),
      ),
    })
    .optional(),
});

export interface Sample {
  labels: Record<string, string>;
  /** May be infinite; never NaN. */
  value: number;
}

/** Prometheus answered, and refused this query; the message is its own. */
export class QueryRefused extends Error {
  override readonly name = 'QueryRefused';
}

/** Queries that run at a time: Prometheus shares two cores with the shop that it watches. */
const MOST_AT_A_TIME = 4;

/** Instant queries, a few at a time. */
export class PrometheusSource {
  readonly #source: Source;
  readonly #signal: AbortSignal;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(url: string, signal: AbortSignal) {
    this.#source = { name: 'Prometheus', url, variable: 'PROMETHEUS_URL' };
    this.#signal = signal;
  }

  /**
   * The samples of an instant vector; NaN (a ratio without traffic) is left out.
   *
   * @throws SourceUnavailable when Prometheus does not answer
   * @throws QueryRefused when it answers that the query is wrong, too long or too large
   */
  async query(promql: string): Promise<Sample[]> {
    if (this.#running >= MOST_AT_A_TIME) await new Promise<void>((next) => this.#waiting.push(next));
    else this.#running += 1;
    try {
      return await this.#query(promql);
    } finally {
      // The place is handed on, so that a newcomer cannot take it in between.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }

  async #query(promql: string): Promise<Sample[]> {
    // 400 and 422 carry Prometheus's own explanation; 503 a query that was given up.
    const body = await readJson(
      this.#source,
      '/api/v1/query',
      responseSchema,
      { method: 'POST', body: new URLSearchParams({ query: promql }), signal: this.#signal },
      [400, 422, 503],
    );
    if (!body)
      throw new SourceUnavailable(
        'Prometheus',
        'Something else than Prometheus answers there.',
        'Set PROMETHEUS_URL to its address.',
      );
    if (body.status === 'error') throw new QueryRefused(body.error ?? 'refused without a reason');
    return (body.data?.result ?? [])
      .map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
      .filter(({ value }) => !Number.isNaN(value));
  }
}
