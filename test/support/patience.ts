/**
 * How long a test waits for a condition that comes within a second or two on a machine with nothing else to do. It only
 * ends what hangs; how fast the machine is, no test asserts. Below the limits of vitest.config.ts, so that the message
 * says what was waited for.
 */
export const PATIENCE_MS = 100_000;
