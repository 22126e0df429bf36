/** The longest pause at once, milliseconds: a single slow statement must not stall a run. */
const MAX_REST_MS = 5_000;

/**
 * How long to rest after work of `tookMs`, so that work takes the share `dutyCycle` (0 to 1) of the time.
 *
 * @returns milliseconds, at most 5,000
 */
export const restMs = (tookMs: number, dutyCycle: number): number =>
  Math.min(MAX_REST_MS, tookMs * (1 / dutyCycle - 1));
