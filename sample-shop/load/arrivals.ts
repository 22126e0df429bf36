import type { RateProfile } from './profiles.ts';
import { type RandomStream, randomStream } from './random.ts';

/** The stream index that arrivals draw from; journeys use 0 and up. */
const ARRIVAL_STREAM = -1;

/**
 * A non-homogeneous Poisson process of journey arrivals, by time rescaling: gaps of a unit-rate Poisson process
 * (exponential, mean 1) are laid on the integral of the offered rate, and the integral is inverted to get the time.
 * (Çınlar 1975; Daley & Vere-Jones, An Introduction to the Theory of Point Processes, 7.4.) The gaps depend on the
 * seed alone, so journey n comes with the same gap whatever the profile and whatever the shop does.
 *
 * Times are seconds on one clock of the caller's choice.
 */
export class PoissonArrivals {
  readonly #random: RandomStream;
  #profile: RateProfile;
  /** When the profile came into force. */
  #epochS: number;
  /** Up to where the integral has been used up, on the profile's own clock. */
  #usedS = 0;
  /** Expected journeys still to pass until the next arrival. */
  #gap: number;

  constructor(seed: number, profile: RateProfile, nowS: number) {
    this.#random = randomStream(seed, ARRIVAL_STREAM);
    this.#profile = profile;
    this.#epochS = nowS;
    this.#gap = this.#random.exponential(1);
  }

  get profile(): RateProfile {
    return this.#profile;
  }

  /** Offered rate at a time, journeys a second. */
  rate(nowS: number): number {
    return this.#profile.rate(nowS - this.#epochS);
  }

  /** When the next journey arrives; Infinity under a rate of zero. */
  get nextS(): number {
    return this.#epochS + this.#profile.timeOf(this.#usedS, this.#gap);
  }

  /** Takes the next arrival and returns its time. */
  take(): number {
    const at = this.nextS;
    this.#usedS = at - this.#epochS;
    this.#gap = this.#random.exponential(1);
    return at;
  }

  /** Brings another profile into force. What was waited for the next arrival so far counts. */
  change(profile: RateProfile, nowS: number): void {
    const passed = this.#profile.expected(this.#usedS, nowS - this.#epochS);
    this.#gap = Math.max(0, this.#gap - Math.max(0, passed));
    this.#profile = profile;
    this.#epochS = nowS;
    this.#usedS = 0;
  }
}
