import path from 'node:path';
import { Command } from 'commander';
import { ConfigurationError } from '../../lib/errors.ts';
import { type Recording, RecordingError, readRecording } from '../../report/recording.ts';
import { resolvePorts } from '../../stack/ports.ts';
import { Camera, NoBrowser } from './browser.ts';
import { takeConsole, takeDashboards } from './take.ts';

interface Flags {
  recording: string;
  out?: string;
}

const urlOf = (variable: string, port: number) => process.env[variable] ?? `http://127.0.0.1:${port}`;

/** The phase that the console is in; undefined where none answers. */
async function currentPhase(consoleUrl: string): Promise<string | undefined> {
  try {
    const response = await fetch(new URL('/api/phase', consoleUrl), { signal: AbortSignal.timeout(3_000) });
    return ((await response.json()) as { phase?: string }).phase;
  } catch {
    return undefined;
  }
}

/** `sqltrail screenshots`: pictures for those who were not there, named by phase. */
export function screenshotsCommand(signal: AbortSignal): Command {
  return new Command('screenshots')
    .description('take pictures of every dashboard in each phase of a recording, and of the running console')
    .option('--recording <file>', 'recording.json of the demo', 'out/recording.json')
    .option('--out <directory>', 'where to write (default: screenshots/ beside the recording)')
    .action(async ({ recording: file, out }: Flags) => {
      const ports = resolvePorts();
      const consoleUrl = urlOf('CONSOLE_URL', ports.console);
      const phase = await currentPhase(consoleUrl);
      let recording: Recording | undefined;
      try {
        recording = await readRecording(file);
      } catch (error) {
        if (!(error instanceof RecordingError)) throw error;
        if (!phase)
          throw new ConfigurationError(
            `${error.message}. No console answers at ${consoleUrl} either: start one with npm start, or set CONSOLE_URL.`,
          );
        process.stdout.write(`${error.message}; only pictures of the console are taken.\n`);
      }
      const directory = path.resolve(out ?? path.join(path.dirname(file), 'screenshots'));
      let camera: Camera;
      try {
        camera = await Camera.open(directory);
      } catch (error) {
        throw error instanceof NoBrowser ? new ConfigurationError(`No pictures: ${error.message}`) : error;
      }
      try {
        if (recording) {
          const prometheus = urlOf('PROMETHEUS_URL', ports.prometheus);
          if (!(await takeDashboards(camera, recording, prometheus, signal)))
            process.stdout.write(
              `No Prometheus at ${prometheus} has seen this run, so the pictures show its KPIs alone. PROMETHEUS_URL names another.\n`,
            );
        }
        if (phase) await takeConsole(camera, consoleUrl, `now-${phase}`);
        process.stdout.write(`${camera.taken.length} pictures in ${directory}\n`);
      } finally {
        await camera.close();
      }
    });
}
