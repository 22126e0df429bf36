/** How often a property is tried: by itself as many times as CI has patience for, more with SQLTRAIL_PROPERTY_RUNS. */
export const propertyRuns = (byDefault: number) => Number(process.env['SQLTRAIL_PROPERTY_RUNS'] ?? byDefault);

const MOST_ROUNDS = 20;

/**
 * Tries a property again until something came up: of a few random cases, none may be of the kind that it is about.
 *
 * @throws Error where nothing did in so many rounds that it cannot be chance
 */
export async function untilMet(assert: () => Promise<void>, met: () => boolean): Promise<void> {
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    await assert();
    if (met()) return;
  }
  throw new Error(`In ${MOST_ROUNDS} rounds the property has not met a case of its kind.`);
}
