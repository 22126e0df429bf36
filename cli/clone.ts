import '../sample-shop/useConfig.ts';
import path from 'node:path';
import { Option } from 'commander';
import { type Stage, stages } from '../demo/stages.ts';
import { type ScaleName, scales } from '../sample-shop/data/scales.ts';
import { wholeNumber } from './arguments.ts';
import { commands } from './commands.ts';
import { runProgram } from './program.ts';

await runProgram({
  commands: {
    ...commands,
    dev: async (signal) => (await import('../demo/dev.ts')).devCommand(signal),
    migrate: async (signal) => (await import('./migrate.ts')).migrateCommand(signal),
    report: async () => (await import('./report.ts')).reportCommand(),
    screenshots: async (signal) => (await import('./screenshots/command.ts')).screenshotsCommand(signal),
  },
  always: (program, signal) => {
    program
      .command('demo', { isDefault: true })
      .description(
        'run the demo on the sample shop: ordinary load, the peak, alerts, the trace and SQL behind them, diagnosis, short-term fixes, archival, a new data model, report',
      )
      .addOption(
        new Option('--scale <name>', 'how much data; default is about 1 GB')
          .choices(Object.keys(scales))
          .default('default'),
      )
      .option('--seed <n>', 'same seed, same data', wholeNumber(0), 1)
      .option('--ordinary <seconds>', 'length of the ordinary load', wholeNumber(10), 75)
      .option('--peak <seconds>', 'maximum length of the peak', wholeNumber(10), 120)
      .addOption(
        new Option('--until <stage>', 'the last stage to run; they take about 4, 10 and 30 minutes')
          .choices([...stages])
          .default('medium-term'),
      )
      .option('--out <directory>', 'directory for the recording and documents', 'out')
      .option('--exit', 'end after the verdict instead of leaving the console open', false)
      .action(
        async (options: {
          scale: ScaleName;
          seed: number;
          ordinary: number;
          peak: number;
          until: Stage;
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
