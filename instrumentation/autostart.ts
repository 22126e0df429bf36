import { endBySignal } from './signals.ts';
import { start, type Telemetry } from './start.ts';

/**
 * Starts telemetry by what the environment says, and ends it with the process. Whatever is wrong costs the telemetry,
 * never the service: it is said in one line, and the service goes on.
 */
export function autostart(): Telemetry | undefined {
  try {
    const telemetry = start();
    process.on('beforeExit', () => void telemetry.shutdown());
    for (const signal of ['SIGTERM', 'SIGINT'] as const) endBySignal(signal, () => telemetry.shutdown());
    return telemetry;
  } catch (error) {
    process.stderr.write(`telemetry: not started: ${(error as Error).message}\n`);
    return undefined;
  }
}
