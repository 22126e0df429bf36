// Preload 2 of 2; see hook.mjs.
import { readEnvironment, type TelemetryEnvironment } from './environment.ts';
import { startTelemetry } from './sdk.ts';
import { endBySignal } from './signals.ts';

let env: TelemetryEnvironment;
try {
  env = readEnvironment(process.env);
} catch (error) {
  process.stderr.write(`telemetry: ${(error as Error).message}\n`);
  process.exit(2);
}
const telemetry = await startTelemetry(env);

process.on('beforeExit', () => void telemetry.shutdown());
for (const signal of ['SIGTERM', 'SIGINT'] as const) endBySignal(signal, () => telemetry.shutdown());
