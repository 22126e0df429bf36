import { Command, InvalidArgumentError, Option } from 'commander';
import { allChecks } from '../diagnosis/checks/index.ts';
import type { Diagnosis } from '../diagnosis/diagnosis.ts';
import type { Severity } from '../diagnosis/finding.ts';
import { atLeast } from '../diagnosis/finding.ts';
import { fixSql } from '../diagnosis/fixSql.ts';
import { toHtml } from '../diagnosis/format/html.ts';
import { toSarif } from '../diagnosis/format/sarif.ts';
import { toText } from '../diagnosis/format/text.ts';
import { chooseChecks, defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { ConnectionFailed } from '../diagnosis/session.ts';
import { consoleSpans } from '../diagnosis/spans.ts';
import { ConfigurationError } from '../lib/errors.ts';
import { seconds } from './arguments.ts';
import { databaseUrl } from './database.ts';
import { budgetOption, deadlineOption, type LimitFlags, limitsOf } from './diagnosisLimits.ts';
import { writeOutput } from './output.ts';

const bytes = (text: string) => {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(k|M|G|T)?B?$/.exec(text.trim()) ?? [];
  const value = Number(number) * 1000 ** ['', 'k', 'M', 'G', 'T'].indexOf(unit);
  if (!(value > 0)) throw new InvalidArgumentError('Give a size such as 500G or 2T (decimal), or bytes.');
  return value;
};

/** With the SQL of each fix, for who reads the JSON. */
const withSql = (diagnosis: Diagnosis) => ({
  ...diagnosis,
  findings: diagnosis.findings.map((finding) =>
    finding.fix ? { ...finding, fix: { ...finding.fix, ...fixSql(finding.fix) } } : finding,
  ),
});

const formats: Record<string, (diagnosis: Diagnosis, verbose: boolean) => string> = {
  text: (diagnosis, verbose) =>
    toText(diagnosis, { columns: Math.min(110, process.stdout.columns || 100), verbose }),
  json: (diagnosis) => `${JSON.stringify(withSql(diagnosis), null, 2)}\n`,
  html: (diagnosis) => toHtml(diagnosis),
  sarif: (diagnosis) => `${JSON.stringify(toSarif(diagnosis), null, 2)}\n`,
};

interface Options extends LimitFlags {
  format: string;
  output?: string;
  only?: string[];
  skip?: string[];
  console?: string;
  observe: number;
  duty: number;
  diskBytes?: number;
  failOn: 'never' | Severity;
  verbose: boolean;
  list: boolean;
}

/** `sqltrail diagnose`. Exit code: 0, 1 when a finding reaches --fail-on, 2 for wrong input, 3 when partial. */
export function diagnoseCommand(signal: AbortSignal): Command {
  return new Command('diagnose')
    .description(
      'find out why a Postgres database is slow or at risk: read-only, within a budget, on version 14 or newer',
    )
    .argument(
      '[url]',
      'postgres://user@host:port/database; or set DATABASE_URL; the password may come from PGPASSWORD',
    )
    .addOption(new Option('--format <format>', 'output format').choices(Object.keys(formats)).default('text'))
    .option('--output <file>', 'write to this file instead of the terminal')
    .option('--only <check...>', 'run only these checks or groups (model, indexes, queries, size, set-up)')
    .option('--skip <check...>', 'not these')
    .option('--console <url>', 'URL of the sqltrail console, for N+1 and for traces of findings')
    .addOption(
      new Option(
        '--observe <seconds>',
        'how long to observe the workload; 0 uses all statistics since their last reset',
      )
        .argParser(seconds(0))
        .default(defaultDiagnosis.observeMs, String(defaultDiagnosis.observeMs / 1000)),
    )
    .addOption(deadlineOption())
    .addOption(budgetOption())
    .option(
      '--duty <share>',
      'maximum share of the time to keep the server busy, 0 to 1',
      (text) => {
        const value = Number(text);
        if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('Give a number above 0, at most 1.');
        return value;
      },
      defaultDiagnosis.dutyCycle,
    )
    .option('--disk-bytes <size>', 'size of the server’s disk, to predict when it is full', bytes)
    .addOption(
      new Option('--fail-on <severity>', 'exit with 1 if a finding has at least this severity')
        .choices(['never', 'info', 'warning', 'critical'])
        .default('never'),
    )
    .option('--verbose', 'show all findings with all evidence', false)
    .option('--list', 'list the checks and exit', false)
    .addHelpText(
      'after',
      '\nExit code: 0; 1 when a finding reaches --fail-on; 2 for wrong input or no connection; 3 when the result is partial.',
    )
    .action(async (given: string | undefined, options: Options) => {
      if (options.list) {
        for (const { id, group, description } of allChecks)
          process.stdout.write(`${id.padEnd(28)}${group.padEnd(9)}${description}\n`);
        return;
      }
      const url = databaseUrl(given, 'diagnose postgres://reader');
      if (options.console !== undefined && !/^https?:\/\//.test(options.console))
        throw new ConfigurationError('--console: give a URL such as http://127.0.0.1:8088.');
      try {
        chooseChecks(options.only, options.skip);
      } catch (error) {
        throw new ConfigurationError((error as Error).message);
      }
      const live = process.stderr.isTTY;
      let diagnosis: Diagnosis;
      try {
        diagnosis = await diagnose({
          ...defaultDiagnosis,
          url,
          observeMs: options.observe,
          ...limitsOf(options),
          dutyCycle: options.duty,
          ...(options.diskBytes ? { diskBytes: options.diskBytes } : {}),
          ...(options.only ? { only: options.only } : {}),
          ...(options.skip ? { skip: options.skip } : {}),
          ...(options.console ? { spans: consoleSpans(options.console, signal) } : {}),
          signal,
          onProgress: ({ check, at, of, findings }) => {
            if (live) process.stderr.write(`\r\x1b[K  ${at + 1} of ${of}: ${check} (${findings} findings)`);
          },
        });
      } catch (error) {
        if (error instanceof ConnectionFailed) throw new ConfigurationError(error.message);
        throw error;
      } finally {
        if (live) process.stderr.write('\r\x1b[K');
      }
      const text = formats[options.format]?.(diagnosis, options.verbose) ?? '';
      if (options.output) {
        await writeOutput(options.output, text);
        process.stderr.write(`${diagnosis.findings.length} findings in ${options.output}\n`);
      } else process.stdout.write(text);
      const { failOn } = options;
      if (failOn !== 'never' && diagnosis.findings.some(({ severity }) => atLeast(severity, failOn)))
        process.exitCode = 1;
      else if (diagnosis.partial) process.exitCode = 3;
    });
}
