import type { RequestOutcome } from './client.ts';
import { now } from './openLoop.ts';

interface Sample {
  atMs: number;
  step: string;
  outcome: RequestOutcome;
  seconds: number;
}

/** Bound on what the window holds; the oldest samples go first. */
const MOST_SAMPLES = 50_000;

export interface StepSummary {
  requests: number;
  ok: number;
  error: number;
  timeout: number;
  /** Exact percentiles of the window, seconds. */
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** Exact percentiles a step over the last while, for people and for tests; dashboards use the histograms. */
export class Summary {
  readonly #windowMs: number;
  #samples: Sample[] = [];

  constructor(windowSeconds: number) {
    this.#windowMs = windowSeconds * 1000;
  }

  add(step: string, outcome: RequestOutcome, seconds: number): void {
    this.#samples.push({ atMs: now(), step, outcome, seconds });
    if (this.#samples.length > MOST_SAMPLES) this.#prune();
  }

  #prune(): void {
    const from = now() - this.#windowMs;
    this.#samples = this.#samples.filter(({ atMs }) => atMs >= from).slice(-MOST_SAMPLES / 2);
  }

  read(): Record<string, StepSummary> {
    const from = now() - this.#windowMs;
    const steps = Object.groupBy(
      this.#samples.filter(({ atMs }) => atMs >= from),
      ({ step }) => step,
    );
    return Object.fromEntries(
      Object.entries(steps).map(([step, samples = []]) => {
        const sorted = samples.map(({ seconds }) => seconds).sort((a, b) => a - b);
        // Nearest rank, which always is a value that was measured.
        const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
        const count = (outcome: RequestOutcome) =>
          samples.filter((sample) => sample.outcome === outcome).length;
        return [
          step,
          {
            requests: samples.length,
            ok: count('ok'),
            error: count('error'),
            timeout: count('timeout'),
            p50: rank(0.5),
            p95: rank(0.95),
            p99: rank(0.99),
            max: rank(1),
          },
        ];
      }),
    );
  }
}
