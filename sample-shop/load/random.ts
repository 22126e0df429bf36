import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** MurmurHash3's 32-bit finaliser: every input bit changes about half of the output bits. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

/** A seeded stream of random values (xoroshiro128+). The same seed and index give the same values, in any process. */
export interface RandomStream {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Exponential with the given mean, in the mean's unit. */
  exponential(mean: number): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** Uniform integer in [0, size). */
  below(size: number): number;
}

/**
 * The stream numbered `index` of a seed. Streams are independent of each other, so each journey draws from its
 * own: what one customer does never depends on how fast the shop answered another.
 *
 * @param seed any 32-bit integer
 * @param index which stream; -1 is the arrival clock, 0 and up are journeys
 */
export function randomStream(seed: number, index: number): RandomStream {
  // pure-rand's seeding leaves neighbouring seeds correlated in their first values, so the state is hashed here.
  let word = mix(seed) ^ mix(index + 0x9e3779b9);
  const state = Array.from({ length: 4 }, () => {
    word = (word + 0x9e3779b9) | 0;
    return mix(word);
  });
  const generator = xoroshiro128plusFromState(state);
  const uniform = () => uniformFloat64(generator);
  return {
    uniform,
    exponential: (mean) => -mean * Math.log1p(-uniform()),
    normal: () => Math.sqrt(-2 * Math.log1p(-uniform())) * Math.cos(2 * Math.PI * uniform()),
    below: (size) => Math.floor(uniform() * size),
  };
}

/**
 * Picks by weight.
 *
 * @throws RangeError when no weight is above zero
 */
export function weightedPicker<T>(choices: readonly (readonly [T, number])[]): (random: RandomStream) => T {
  let total = 0;
  const bounds = choices
    .filter(([, weight]) => weight > 0)
    .map(([choice, weight]) => {
      total += weight;
      return { choice, upTo: total };
    });
  const last = bounds.at(-1);
  if (!last) throw new RangeError('at least one weight must be above zero');
  return (random) => {
    const at = random.uniform() * total;
    return (bounds.find(({ upTo }) => at < upTo) ?? last).choice;
  };
}

/**
 * Zipf's law over ranks 1..size: P(rank) is proportional to rank^-exponent. A table of the cumulative
 * distribution and a binary search: exact, one draw a value, 8 bytes a rank.
 *
 * @throws RangeError when size is not a positive integer or the exponent is negative
 */
export function zipf(size: number, exponent: number): (random: RandomStream) => number {
  if (!Number.isInteger(size) || size < 1)
    throw new RangeError(`size must be a positive integer, not ${size}`);
  if (!(exponent >= 0)) throw new RangeError(`exponent must be 0 or more, not ${exponent}`);
  const cumulative = new Float64Array(size);
  let total = 0;
  for (let rank = 1; rank <= size; rank++) {
    total += rank ** -exponent;
    cumulative[rank - 1] = total;
  }
  return (random) => {
    const at = random.uniform() * total;
    let low = 0;
    let high = size - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cumulative[middle] as number) > at) high = middle;
      else low = middle + 1;
    }
    return low + 1;
  };
}
