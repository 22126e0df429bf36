import { z } from 'zod';
import { SourceUnavailable } from '../problem.ts';
import { Gate } from './gate.ts';
import { readJson, type Source } from './http.ts';

const responseOf = <T extends z.ZodType>(result: T) =>
  z.object({
    status: z.enum(['success', 'error']),
    error: z.string().optional(),
    data: z.object({ result: z.array(result) }).optional(),
  });

const labels = z.record(z.string(), z.string());
const point = z.tuple([z.number(), z.string()]);
const vectorSchema = responseOf(z.object({ metric: labels, value: point }));
const matrixSchema = responseOf(z.object({ metric: labels, values: z.array(point) }));

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

/** Prometheus answered, and refused this query; the message is its own. */
export class QueryRefused extends Error {
  override readonly name = 'QueryRefused';
}

/** Queries that run at a time: Prometheus shares two cores with the shop that it watches. */
const MOST_AT_A_TIME = 4;
/** Ten pages of panels have as many. */
const MAX_WAITING = 500;

/** Queries, a few at a time. */
export class PrometheusSource {
  readonly #source: Source;
  readonly #signal: AbortSignal;
  readonly #gate = new Gate('Prometheus', MOST_AT_A_TIME, MAX_WAITING);

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
    const result = await this.#ask('/api/v1/query', { query: promql }, vectorSchema);
    return result
      .map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
      .filter(({ value }) => !Number.isNaN(value));
  }

  /**
   * A query's values over a time, at multiples of `step`.
   *
   * @param from seconds since the epoch, as `to`; `step` in seconds
   * @throws SourceUnavailable
   * @throws QueryRefused
   */
  async range(promql: string, from: number, to: number, step: number): Promise<Range[]> {
    const parameters = { query: promql, start: String(from), end: String(to), step: String(step) };
    const result = await this.#ask('/api/v1/query_range', parameters, matrixSchema);
    return result.map(({ metric, values }) => ({
      labels: metric,
      points: values
        .map(([at, value]): [number, number] => [at, Number(value)])
        .filter(([, value]) => Number.isFinite(value)),
    }));
  }

  async #ask<T>(
    path: string,
    parameters: Record<string, string>,
    schema: z.ZodType<{
      status: 'success' | 'error';
      error?: string | undefined;
      data?: { result: T[] } | undefined;
    }>,
  ): Promise<T[]> {
    return this.#gate.run(async () => {
      // 400 and 422 carry Prometheus's own explanation; 503 a query that was given up.
      const body = await readJson(
        this.#source,
        path,
        schema,
        { method: 'POST', body: new URLSearchParams(parameters), signal: this.#signal },
        [400, 422, 503],
      );
      if (!body)
        throw new SourceUnavailable(
          'Prometheus',
          'Something else than Prometheus answers there.',
          'Set PROMETHEUS_URL to its address.',
        );
      if (body.status === 'error') throw new QueryRefused(body.error ?? 'refused without a reason');
      return body.data?.result ?? [];
    });
  }
}
