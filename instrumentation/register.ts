// Preload 2 of 2; see hook.mjs.
import { readEnvironment, type TelemetryEnvironment } from './environment.ts';
import { startTelemetry } from './sdk.ts';

let env: TelemetryEnvironment;
try {
  env = readEnvironment(process.env);
} catch (error) {
  process.stderr.write(`telemetry: ${(error as Error).message}\n`);
  process.exit(2);
}
const telemetry = await startTelemetry(env);

process.on('beforeExit', () => void telemetry.shutdown());
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  const onSignal = () => {
    // An application that handles the signal ends by itself, and beforeExit flushes. One that does not would live on
    // because of this listener, so the signal is raised again once the spans are out.
    if (process.listenerCount(signal) > 1) return;
    void telemetry.shutdown().then(() => {
      process.off(signal, onSignal);
      process.kill(process.pid, signal);
    });
  };
  process.on(signal, onSignal);
}
