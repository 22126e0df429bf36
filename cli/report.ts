import path from 'node:path';
import { Command } from 'commander';
import { ConfigurationError } from '../lib/errors.ts';
import { AssumptionsError } from '../report/assumptions.ts';
import { printReport } from '../report/pdf.ts';
import { RecordingError } from '../report/recording.ts';
import { changedFiles, writeReport } from '../report/write.ts';

interface Flags {
  out?: string;
  assumptions?: string;
  check: boolean;
  pdf: boolean;
}

/** `sqltrail report`: report, deck and messages from a recording. */
export function reportCommand(): Command {
  return new Command('report')
    .description('write summary, evidence report, five-minute deck and messages, from recorded figures only')
    .argument('[recording]', 'recording.json of the demo', 'out/recording.json')
    .option('--out <directory>', 'where to write (default: beside the recording)')
    .option(
      '--assumptions <file>',
      'file with your own assumptions for the impact model (see report/assumptions.yaml)',
    )
    .option('--check', 'write nothing; exit with 1 if a file differs from what the recording gives', false)
    .option('--no-pdf', 'do not write PDF files')
    .action(async (recording: string, { out, assumptions, check, pdf }: Flags) => {
      const directory = path.resolve(out ?? path.dirname(recording));
      try {
        if (check) {
          const changed = await changedFiles(recording, directory, assumptions);
          for (const name of changed) process.stdout.write(`changed or missing: ${name}\n`);
          if (changed.length === 0) process.stdout.write('Every file is what the recording gives.\n');
          process.exitCode = changed.length > 0 ? 1 : 0;
          return;
        }
        await writeReport(recording, directory, assumptions);
      } catch (error) {
        if (error instanceof AssumptionsError || error instanceof RecordingError)
          throw new ConfigurationError(error.message);
        throw error;
      }
      const problem = pdf ? await printReport(directory) : undefined;
      process.stdout.write(
        `Report, deck and messages are in ${directory}\n  start with summary.html, report.html and deck.html; figures.json says where each figure comes from\n`,
      );
      if (problem) process.stdout.write(`  ${problem}\n`);
    });
}
