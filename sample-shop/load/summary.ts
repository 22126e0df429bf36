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

function summarise(samples: readonly Sample[]): StepSummary {
  const sorted = samples.map(({ seconds }) => seconds).sort((a, b) => a - b);
  // Nearest rank, which always is a value that was measured.
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  const count = (outcome: RequestOutcome) => samples.filter((sample) => sample.outcome === outcome).length;
  return {
    requests: samples.length,
    ok: count('ok'),
    error: count('error'),
    timeout: count('timeout'),
    p50: rank(0.5),
    p95: rank(0.95),
    p99: rank(0.99),
    max: rank(1),
  };
}

/** Exact percentiles a step over the last while, for people and for tests; dashboards use the histograms. */
export class Summary {
  readonly #windowMs: number;
  #samples: Sample[] = [];
  #dropped = false;

  constructor(windowSeconds: number) {
    this.#windowMs = windowSeconds * 1000;
  }

  add(step: string, outcome: RequestOutcome, seconds: number): void {
    this.#samples.push({ atMs: now(), step, outcome, seconds });
    if (this.#samples.length <= MOST_SAMPLES) return;
    this.#samples = this.#samples.slice(-MOST_SAMPLES / 2);
    this.#dropped = true;
  }

  #last(windowMs: number): Sample[] {
    const from = now() - windowMs;
    return this.#samples.filter(({ atMs }) => atMs >= from);
  }

  /** All steps together; undefined without requests, or where samples of that time are no longer held. */
  readAll(seconds: number): StepSummary | undefined {
    const [oldest] = this.#samples;
    if (this.#dropped && oldest && oldest.atMs > now() - seconds * 1000) return undefined;
    const samples = this.#last(seconds * 1000);
    return samples.length > 0 ? summarise(samples) : undefined;
  }

  read(): Record<string, StepSummary> {
    const steps = Object.groupBy(this.#last(this.#windowMs), ({ step }) => step);
    return Object.fromEntries(
      Object.entries(steps).map(([step, samples = []]) => [step, summarise(samples)]),
    );
  }
}
