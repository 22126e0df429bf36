import { restMs } from '../lib/dutyCycle.ts';

/** Requests that the shop answered slowly are in its p95 for a while: the share is changed no more often, milliseconds. */
const EVERY_MS = 5_000;
const BEGIN = 0.2;
const RISE = 0.05;
const FALL = 0.6;
/** The aim is below what is promised (a fifth slower), because what is read is noisy and late. */
const AIM = 1.1;

/**
 * The share of time in which the backfill works: additive increase, multiplicative decrease by the shop's own latency,
 * as TCP does by loss (Chiu and Jain, 1989). Without a reading it works at its maximum share.
 */
export class Throttle {
  readonly most: number;
  readonly least: number;
  #duty: number;
  #changedAt = Number.NEGATIVE_INFINITY;

  constructor(most: number, least: number) {
    this.most = most;
    this.least = Math.min(least, most);
    this.#duty = most;
  }

  get duty(): number {
    return this.#duty;
  }

  /** @param impact the shop's p95 over what it was before the migration; undefined when there is no reading */
  read(impact: number | undefined, nowMs = Date.now()): void {
    if (impact === undefined || nowMs - this.#changedAt < EVERY_MS) return;
    // The first reading does not show the backfill's effect yet, so it starts slowly.
    if (this.#changedAt === Number.NEGATIVE_INFINITY)
      this.#duty = Math.min(this.most, Math.max(this.least, BEGIN));
    else if (impact > AIM) this.#duty = Math.max(this.least, this.#duty * FALL);
    else this.#duty = Math.min(this.most, this.#duty + RISE);
    this.#changedAt = nowMs;
  }

  /** How long to rest after work that took so long, milliseconds. */
  restMs(tookMs: number): number {
    return restMs(tookMs, this.#duty);
  }
}
