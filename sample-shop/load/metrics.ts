import type { IncomingMessage, ServerResponse } from 'node:http';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import type { RequestOutcome } from './client.ts';

export type CheckoutOutcome = 'completed' | 'failed' | 'abandoned';

/** Seconds; fine up to what customers notice, then up to the customer's own timeout. */
const BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 6, 8, 10, 15];

export interface Gauges {
  offeredRate(): number;
  lagSeconds(): number;
  inFlight(): number;
}

/** What customers lived through, as they would measure it: from the intended start, whoever caused the wait. */
export class LoadMetrics {
  readonly #exporter = new PrometheusExporter({
    preventServerStart: true,
    withoutScopeInfo: true,
    withoutTargetInfo: true,
  });
  readonly #provider: MeterProvider;
  readonly #duration;
  readonly #requests;
  readonly #checkouts;
  readonly #lost;
  readonly #refused;

  constructor(gauges: Gauges) {
    this.#provider = new MeterProvider({ resource: resourceFromAttributes({}), readers: [this.#exporter] });
    const meter = this.#provider.getMeter('load');
    this.#duration = meter.createHistogram('load_request_duration_seconds', {
      description: 'From the intended start of a step to the end of its answer',
      advice: { explicitBucketBoundaries: BUCKETS },
    });
    this.#requests = meter.createCounter('load_requests', { description: 'Requests by outcome' });
    this.#checkouts = meter.createCounter('load_checkouts', {
      description: 'Customers who wanted to buy, by what became of it',
    });
    this.#lost = meter.createCounter('load_lost_basket_value', {
      description: 'Value of baskets whose checkout failed or was given up',
    });
    this.#refused = meter.createCounter('load_arrivals_refused', {
      description: 'Arrivals that the generator could not start: too many journeys in flight',
    });
    for (const outcome of ['completed', 'failed', 'abandoned']) this.#checkouts.add(0, { outcome });
    this.#lost.add(0, { currency: 'EUR' });
    this.#refused.add(0);
    const gauge = (name: string, description: string, value: () => number) =>
      meter.createObservableGauge(name, { description }).addCallback((result) => result.observe(value()));
    gauge('load_offered_rate', 'Journeys a second offered now', gauges.offeredRate);
    gauge('load_schedule_lag_seconds', 'How late the generator itself was, worst of 15 s', gauges.lagSeconds);
    gauge('load_journeys_in_flight', 'Journeys under way', gauges.inFlight);
  }

  request(journey: string, step: string, outcome: RequestOutcome, seconds: number): void {
    const labels = { journey, step, outcome };
    this.#duration.record(seconds, labels);
    this.#requests.add(1, labels);
  }

  checkout(outcome: CheckoutOutcome): void {
    this.#checkouts.add(1, { outcome });
  }

  lostBasket(value: number, currency: string): void {
    this.#lost.add(value, { currency });
  }

  refused(): void {
    this.#refused.add(1);
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    this.#exporter.getMetricsRequestHandler(request, response);
  }

  shutdown(): Promise<void> {
    return this.#provider.shutdown();
  }
}
