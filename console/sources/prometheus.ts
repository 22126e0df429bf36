import { z } from 'zod';
import { SourceUnavailable } from '../problem.ts';

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
  value: number;
}

const NEXT_STEP = 'Look whether Prometheus runs and whether PROMETHEUS_URL points at it.';
const TIMEOUT_MS = 5_000;

/** Instant queries. NaN (a ratio without traffic) is left out. */
export class PrometheusSource {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /**
   * @throws SourceUnavailable when Prometheus does not answer
   * @throws Error with Prometheus's own text for a query that it refuses
   */
  async query(promql: string): Promise<Sample[]> {
    const url = new URL('/api/v1/query', this.#url);
    let body: z.infer<typeof responseSchema>;
    try {
      const response = await fetch(url, {
        method: 'POST',
        body: new URLSearchParams({ query: promql }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      body = responseSchema.parse(await response.json());
    } catch (cause) {
      throw new SourceUnavailable('Prometheus', `No answer from ${url.origin}.`, NEXT_STEP, { cause });
    }
    if (body.status === 'error') throw new Error(body.error);
    return (body.data?.result ?? [])
      .map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
      .filter(({ value }) => !Number.isNaN(value));
  }
}
