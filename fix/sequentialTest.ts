import { comparable, type Effect, isPlain, joinEffects, judge, type Verdict } from './measure.ts';

/** As many windows again, this often, before an action that shows no gain is reverted. */
export const MAX_REPEATS = 3;
/** Gain or harm in as many observations one after the other is no chance, and no burst of something else on the machine. */
const ALIKE = 2;

export type Sides = ReturnType<typeof comparable>;

const less = ({ is }: Verdict) => is === 'better' || is === 'mixed';
const slower = ({ is }: Verdict) => is === 'worse' || is === 'mixed';

/**
 * Observations after an action, judged as they come in: as many as it takes to be sure of a gain or a harm, and no more than
 * bounded. A few windows of one and the same load come apart by chance often enough, so a gain counts when two observations
 * one after the other show it, or one does beyond doubt. Less asked of the database is a gain, unless the time is worse
 * in each of them.
 */
export class SequentialTest {
  readonly #before: Effect;
  #after: Effect | undefined;
  #seen = 0;
  #gained = 0;
  #harmed = 0;

  constructor(before: Effect) {
    this.#before = before;
  }

  /** @returns undefined while another observation is worth its time */
  add(latest: Effect): { verdict: Verdict; sides: Sides } | undefined {
    const before = this.#before;
    this.#seen += 1;
    this.#after = this.#after ? joinEffects(this.#after, latest) : latest;
    const alone = comparable(before, latest);
    const latestVerdict = judge(alone.before, alone.after);
    const sides = comparable(before, this.#after);
    const verdict = judge(sides.before, sides.after);
    this.#harmed = slower(latestVerdict) ? this.#harmed + 1 : 0;
    this.#gained = less(latestVerdict) && less(verdict) ? this.#gained + 1 : 0;
    const sure = this.#gained >= ALIKE || isPlain(sides.before, sides.after, verdict);
    if (verdict.is === 'better' && sure) return { verdict, sides };
    if (verdict.is === 'worse' && this.#harmed >= ALIKE) return { verdict, sides };
    const hopeless = before.meanMs.length === 0 || (before.nothingToGain && this.#harmed === 0);
    if (!hopeless && this.#seen <= MAX_REPEATS) return undefined;
    if (verdict.is === 'mixed' && this.#harmed === this.#seen)
      return { verdict: { ...verdict, is: 'worse' }, sides };
    return less(verdict)
      ? { verdict: { ...verdict, is: sure ? 'better' : 'unshown' }, sides }
      : { verdict, sides };
  }
}
