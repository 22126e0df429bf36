import { z } from 'zod';
import { NotPrometheus, Prometheus, type Range, REFUSALS, type Sample } from '../../lib/prometheus/client.ts';
import { SourceUnavailable } from '../problem.ts';
import { Gate } from './gate.ts';
import { readJson, type Source } from './http.ts';

/** Queries that run at a time: Prometheus shares two cores with the shop that it watches. */
const MAX_AT_A_TIME = 4;
/** Ten pages of panels have as many. */
const MAX_WAITING = 500;

/** What every answer of the API has; without it something before Prometheus answers, or nothing yet. */
const anyAnswer = z.looseObject({ status: z.enum(['success', 'error']) });

const wrong = (cause?: unknown) =>
  new SourceUnavailable(
    'Prometheus',
    'Something else than Prometheus answers there.',
    'Set PROMETHEUS_URL to its address.',
    { cause },
  );

/** Queries, a few at a time, whose answers are bounded. */
export class PrometheusSource {
  readonly #prometheus: Prometheus;

  constructor(url: string, signal: AbortSignal) {
    const source: Source = { name: 'Prometheus', url, variable: 'PROMETHEUS_URL' };
    const gate = new Gate('Prometheus', MAX_AT_A_TIME, MAX_WAITING);
    this.#prometheus = new Prometheus((path, body) =>
      gate.run(async () => {
        const answer = await readJson(source, path, anyAnswer, { method: 'POST', body, signal }, [
          ...REFUSALS,
        ]);
        if (answer === undefined) throw wrong();
        return answer;
      }),
    );
  }

  /**
   * @throws SourceUnavailable when Prometheus does not answer
   * @throws QueryRefused when it answers that the query is wrong, too long or too large
   */
  query(promql: string): Promise<Sample[]> {
    return this.#prometheus.query(promql).catch(unavailable);
  }

  /** As {@link Prometheus.range}. @throws SourceUnavailable @throws QueryRefused */
  range(promql: string, from: number, to: number, step: number): Promise<Range[]> {
    return this.#prometheus.range(promql, from, to, step).catch(unavailable);
  }
}

function unavailable(error: unknown): never {
  throw error instanceof NotPrometheus ? wrong(error) : error;
}
