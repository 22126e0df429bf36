#!/usr/bin/env node
import path from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Act, acts } from '../demo/stages.ts';
import { ConfigurationError, describeError } from '../lib/errors.ts';
import { type ScaleName, scales } from '../sample-shop/data/scales.ts';
import { today } from './oldNames.ts';

const whole = (least: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least)
    throw new InvalidArgumentError(`Give a whole number of ${least} or more.`);
  return value;
};

/** The terminal sends Ctrl-C to npm and to this process, and npm hands it on: within this time both are one. */
const SAME_SIGNAL_MS = 1_000;

/** The first Ctrl-C ends things in order; a second one does not wait for that. */
const abort = new AbortController();
let abortedAt = Number.POSITIVE_INFINITY;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (performance.now() - abortedAt > SAME_SIGNAL_MS) process.exit(130);
    abortedAt = Math.min(abortedAt, performance.now());
    abort.abort(new DOMException(signal, 'AbortError'));
  });

// Who reads the output may have seen enough (`sqltrail diagnose | head`): that is no error, and ends the program.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
    process.exitCode = 1;
    if (stream === process.stdout)
      process.stderr.write(`The output could not be written: ${error.message}\n`);
  });
for (const event of ['uncaughtException', 'unhandledRejection'] as const)
  process.on(event, (error: unknown) => {
    process.stderr.write(`${describeError(error)}\n`);
    process.exit(1);
  });

const program = new Command('sqltrail')
  .description('From alert to trace to SQL to cause to fix to proof, for services on PostgreSQL.')
  .showHelpAfterError();

program
  .command('demo', { isDefault: true })
  .description(
    'the sample shop, start to end: ordinary load, the peak, alerts, the trace and SQL behind them, diagnosis, short-term fixes, archival, a new data model, report',
  )
  .addOption(
    new Option('--scale <name>', 'how much data; default is about 1 GB')
      .choices(Object.keys(scales))
      .default('default'),
  )
  .option('--seed <n>', 'same seed, same data', whole(0), 1)
  .option('--ordinary <seconds>', 'length of the ordinary load', whole(10), 75)
  .option('--peak <seconds>', 'longest length of the peak', whole(10), 120)
  .addOption(
    new Option('--until <act>', 'how far it goes: about 4, 10 and 30 minutes')
      .choices([...acts])
      .default('medium-term'),
  )
  .option('--out <directory>', 'where the recording goes', 'out')
  .option('--exit', 'end after the verdict instead of leaving the console open', false)
  .action(
    async (options: {
      scale: ScaleName;
      seed: number;
      ordinary: number;
      peak: number;
      until: Act;
      out: string;
      exit: boolean;
    }) => {
      const { runStory } = await import('../demo/command.ts');
      process.exitCode = await runStory({
        scale: options.scale,
        seed: options.seed,
        until: options.until,
        out: path.resolve(options.out),
        exit: options.exit,
        ordinarySeconds: options.ordinary,
        peakSeconds: options.peak,
        signal: abort.signal,
      });
    },
  );

/** Loaded when it is asked for: all of them take a second of CPU, which a machine that is to be diagnosed may not have. */
const commands: Record<string, () => Promise<Command>> = {
  diagnose: async () => (await import('./diagnose.ts')).diagnoseCommand(abort.signal),
  fix: async () => (await import('./fix.ts')).fixCommand(abort.signal),
  rewrite: async () => (await import('./rewrite.ts')).rewriteCommand(abort.signal),
  archive: async () => (await import('./archive.ts')).archiveCommand(abort.signal),
  migrate: async () => (await import('./migrate.ts')).migrateCommand(abort.signal),
  schema: async () => (await import('./schema.ts')).schemaCommand(abort.signal),
  report: async () => (await import('./report.ts')).reportCommand(),
  screenshots: async () => (await import('./screenshots/command.ts')).screenshotsCommand(abort.signal),
};
const given = process.argv.slice(2);
const words = today(given);
if (words !== given) process.stderr.write(`This is now: sqltrail ${words.join(' ')}\n`);
const [asked = ''] = words;
const load = Object.hasOwn(commands, asked) ? commands[asked] : undefined;
for (const command of load ? [load] : Object.values(commands)) program.addCommand(await command());

try {
  await program.parseAsync(words, { from: 'user' });
} catch (error) {
  if (abort.signal.aborted) {
    process.stderr.write('Interrupted; everything that was started has been stopped.\n');
    process.exitCode = 130;
  } else if (error instanceof ConfigurationError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  } else {
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = 1;
  }
}
