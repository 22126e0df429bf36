#!/usr/bin/env node
import '../sample-shop/useConfig.ts';
import path from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { type Act, acts } from '../demo/stages.ts';
import { type ScaleName, scales } from '../sample-shop/data/scales.ts';
import { commands } from './commands.ts';
import { runProgram } from './program.ts';

const whole = (least: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least)
    throw new InvalidArgumentError(`Give a whole number of ${least} or more.`);
  return value;
};

await runProgram({
  commands: {
    ...commands,
    migrate: async (signal) => (await import('./migrate.ts')).migrateCommand(signal),
    up: async (signal) => (await import('./up.ts')).upCommand(signal),
    report: async () => (await import('./report.ts')).reportCommand(),
    screenshots: async (signal) => (await import('./screenshots/command.ts')).screenshotsCommand(signal),
  },
  always: (program, signal) => {
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
            signal: signal,
          });
        },
      );
  },
});
