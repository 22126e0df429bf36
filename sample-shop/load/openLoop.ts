import type { PoissonArrivals } from './arrivals.ts';
import type { RateProfile } from './profiles.ts';

/** Milliseconds on the monotonic clock that all intended times use. */
export const now = (): number => performance.now();

/** setTimeout takes 31 bits of milliseconds; a farther arrival is waited for in laps. */
const LONGEST_TIMER_MS = 60_000;

/** The largest value of the last while, in slots, so that several scrapers see the same and none resets it. */
class RecentMaximum {
  readonly #slotMs: number;
  readonly #slots: { slot: number; value: number }[];

  constructor(spanMs: number, slots = 5) {
    this.#slotMs = spanMs / slots;
    this.#slots = Array.from({ length: slots }, () => ({ slot: -1, value: 0 }));
  }

  add(value: number, atMs: number): void {
    const slot = Math.floor(atMs / this.#slotMs);
    const entry = this.#slots[slot % this.#slots.length] as { slot: number; value: number };
    if (entry.slot !== slot) {
      entry.slot = slot;
      entry.value = value;
    } else if (value > entry.value) entry.value = value;
  }

  max(atMs: number): number {
    const oldest = Math.floor(atMs / this.#slotMs) - this.#slots.length;
    return Math.max(0, ...this.#slots.filter(({ slot }) => slot > oldest).map(({ value }) => value));
  }
}

/** How long {@link ScheduleLag} remembers: three scrapes of 5 s. */
const LAG_SPAN_MS = 15_000;

/**
 * How late the generator itself was: start of a step minus its intended start. While this is small the latencies
 * are the shop's; when it is not, this process was short of CPU and the latencies include its own delay.
 */
export class ScheduleLag {
  readonly #recent = new RecentMaximum(LAG_SPAN_MS);

  record(intendedMs: number, startedMs: number): void {
    this.#recent.add(startedMs - intendedMs, startedMs);
  }

  /** Worst lag of the last 15 s, in seconds. */
  seconds(): number {
    return this.#recent.max(now()) / 1000;
  }
}

export interface OpenLoopOptions {
  arrivals: PoissonArrivals;
  /** Journeys that may run at once. More would exhaust sockets and memory, so the rest is refused, and counted. */
  maxInFlight: number;
  lag: ScheduleLag;
  /** Runs journey `index`, due at `intendedMs` (see {@link now}). Must not reject. */
  run(index: number, intendedMs: number): Promise<void>;
  /** Journey `index` met the bound and does not run. */
  refuse(index: number): void;
}

/**
 * Starts journeys at their Poisson times whatever becomes of the ones before (open loop). An arrival that comes
 * late, because this process was busy, still starts and keeps its intended time. Nothing is ever skipped: each
 * arrival is either run or refused.
 */
export class OpenLoop {
  readonly #options: OpenLoopOptions;
  readonly #inFlight = new Set<Promise<void>>();
  #index = 0;
  #timer: NodeJS.Timeout | undefined;
  #running = false;

  constructor(options: OpenLoopOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Journeys that arrived so far, run or refused. */
  get arrived(): number {
    return this.#index;
  }

  /** Journeys a second offered now; 0 when stopped. */
  get offeredRate(): number {
    return this.#running ? this.#options.arrivals.rate(now() / 1000) : 0;
  }

  get profile(): RateProfile {
    return this.#options.arrivals.profile;
  }

  start(): void {
    this.#running = true;
    this.#arm();
  }

  /** Brings another profile into force at once. Arrivals already due start first, under the old one. */
  change(profile: RateProfile): void {
    const at = now();
    if (this.#running) this.#startDue(at);
    this.#options.arrivals.change(profile, at / 1000);
    if (this.#running) this.#arm();
  }

  /** No more arrivals. Journeys in flight go on. */
  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** Resolves when no journey is in flight. */
  async idle(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const waitMs = this.#options.arrivals.nextS * 1000 - now();
    // Rounded up: a journey may start a fraction of a millisecond late (and its latency says so), never early.
    this.#timer = setTimeout(
      () => {
        this.#startDue(now());
        this.#arm();
      },
      Math.min(LONGEST_TIMER_MS, Math.max(0, Math.ceil(waitMs))),
    );
  }

  #startDue(atMs: number): void {
    const { arrivals, lag, maxInFlight, run, refuse } = this.#options;
    while (arrivals.nextS * 1000 <= atMs) {
      const intendedMs = arrivals.take() * 1000;
      const index = this.#index++;
      lag.record(intendedMs, atMs);
      if (this.#inFlight.size >= maxInFlight) {
        refuse(index);
        continue;
      }
      const journey = run(index, intendedMs).finally(() => this.#inFlight.delete(journey));
      this.#inFlight.add(journey);
    }
  }
}
