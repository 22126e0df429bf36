/**
 * What was never seen in `trials` independent trials has at most this share, with 95 % confidence (0..1): the exact form
 * of the rule of three, 3 / trials (Hanley and Lippman-Hand 1983, JAMA 249). 1 without a trial.
 */
export const neverSeen = (trials: number): number => 1 - 0.05 ** (1 / trials);
