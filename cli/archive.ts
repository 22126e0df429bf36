import { constants, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { ArchiveProgress } from '../archive/archival.ts';
import { expireArchive, keepUntil, planExpiry } from '../archive/expire.ts';
import { tighten } from '../archive/files.ts';
import { printable } from '../archive/names.ts';
import { planPolicy, restorePolicy, runPolicy } from '../archive/partitions.ts';
import type { UnitPlan } from '../archive/plan.ts';
import { readPolicy } from '../archive/policy.ts';
import { listArchive, type QueryResult, queryArchive, verifyArchive } from '../archive/read.ts';
import { bytesText } from '../lib/units/format.ts';
import { databaseUrl, reported } from './database.ts';

const ownerUrl = (given: string | undefined) => databaseUrl(given, 'archive plan postgres://owner');
const write = (text: string) => process.stdout.write(`${text}\n`);
const count = (n: number) => n.toLocaleString('en');

const whole = (text: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('Give a whole number.');
  return value;
};
const hours = (text: string) => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Give a number of hours above 0.');
  return value;
};
const collected = (value: string, before: string[] = []) => [...before, value];

/** A unit of the plan as one reads it before saying yes. */
export function describeUnitPlan({
  unit,
  cutoff,
  total,
  eligible,
  held,
  oldest,
  bytes,
  childRows,
  left,
  notes,
  problems,
}: UnitPlan): string {
  const table = `${unit.table.schema}.${unit.table.table}`;
  return [
    styleText('bold', unit.name),
    `  Moves:   ${count(eligible)} of ${count(total)} rows of ${table} (${total === 0 ? 0 : Math.round((100 * eligible) / total)} %)${unit.children.length > 0 ? `, with ${count(childRows)} rows of ${unit.children.map((child) => `${child.table.schema}.${child.table.table}`).join(', ')}` : ''}; all of it takes ${bytesText(bytes)} today`,
    `  Which:   ${unit.age} before ${cutoff}${unit.where ? `, ${unit.where}` : ''}${oldest ? `; the oldest is of ${oldest.slice(0, 10)}` : ''}`,
    `  Stays:   ${unit.holds.length === 0 ? 'no holds' : `${count(held)} held: ${unit.holds.map(({ reason }) => reason).join('; ')}`}`,
    ...left.map(({ reason, units }) => `           ${count(units)} due, but ${reason}`),
    ...notes.map((note) => `  Note:    ${note}`),
    `  Why:     ${unit.reason.trim()}`,
    `  Keep:    ${unit.retention.months} months: ${unit.retention.rule}`,
    unit.partition
      ? '  Lock:    none while a partition is detached (CONCURRENTLY); the table for milliseconds when it is dropped, giving way after 300 ms of waiting'
      : '  Lock:    rows, for about 150 ms at a time; backs off after 300 ms of waiting',
    '  Undo:    sqltrail archive restore',
    ...problems.map((problem) => styleText('yellow', `  First:   ${problem}`)),
  ].join('\n');
}

export function describeArchiveProgress(progress: ArchiveProgress): string | undefined {
  switch (progress.event) {
    case 'dropped':
      return `segment ${progress.segment} of ${progress.unit} is dropped: ${progress.why}`;
    case 'exported':
      return `segment ${progress.segment} of ${progress.unit}: ${count(progress.units)} units written and compared, ${bytesText(progress.bytes)} in ${progress.seconds.toFixed(1)} s`;
    case 'archived':
      return `segment ${progress.segment} of ${progress.unit}: removed from the database${progress.kept > 0 ? `, but for ${progress.kept} that stay` : ''}`;
    case 'detached':
      return `${progress.table} is detached from ${progress.unit}`;
    case 'vacuum':
      return `vacuum of ${progress.table}`;
    case 'removing':
      return undefined;
  }
}

function table({ columns, rows }: QueryResult): string {
  // A value must not move the cursor of whoever reads it, or look like another line.
  const cell = (value: unknown) =>
    printable(value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value));
  const width = columns.map((column) =>
    rows.reduce((widest, row) => Math.max(widest, cell(row[column]).length), printable(column).length),
  );
  const line = (cells: string[]) =>
    cells
      .map((text, i) => text.padEnd(width[i] as number))
      .join('  ')
      .trimEnd();
  return [
    line(columns.map(printable)),
    line(width.map((n) => '-'.repeat(n))),
    ...rows.map((row) => line(columns.map((column) => cell(row[column])))),
    `(${rows.length} rows)`,
  ].join('\n');
}

/** Files of before could be read by others; says what was changed. */
async function tightened(...directories: string[]): Promise<void> {
  for (const place of directories)
    for (const note of await tighten(place)) process.stderr.write(`Note: ${note}\n`);
}

/** `sqltrail archive`: plan, run, list, verify, query, restore, expire. */
export function archiveCommand(signal: AbortSignal): Command {
  const archive = new Command('archive').description(
    'move closed and old rows to Parquet files by a policy, search them, restore them',
  );
  const database = (command: Command) =>
    command.argument('[url]', 'URL with the owner of the tables; or set DATABASE_URL');
  const directory = (command: Command) =>
    command.option('--dir <directory>', 'directory with the files', 'archive');
  const policy = (command: Command) =>
    command
      .requiredOption('--policy <file>', 'what may be archived, and when (docs/archival.md)')
      .option('--only <unit...>', 'only these units');

  policy(
    database(archive.command('plan').description('show what the policy would move today; changes nothing')),
  ).action((given: string | undefined, flags: { policy: string; only?: string[] }) =>
    reported(async () => {
      const plans = await planPolicy({
        url: ownerUrl(given),
        policy: await readPolicy(flags.policy),
        ...(flags.only ? { only: flags.only } : {}),
      });
      for (const plan of plans) write(`${describeUnitPlan(plan)}\n`);
    }),
  );

  directory(policy(database(archive.command('run').description('move it; resumes a run that was killed'))))
    .option(
      '--copy-dir <directory>',
      'another directory, on another disk, for a copy; may be repeated',
      collected,
    )
    .option(
      '--duty <share>',
      'share of the time to spend writing files and deleting rows',
      (text) => {
        const value = Number(text);
        if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('Give a number above 0, at most 1.');
        return value;
      },
      0.25,
    )
    .option('--every <hours>', 'repeat after this many hours, until stopped (Ctrl-C)', hours)
    .option('--yes', 'do it', false)
    .action(
      (
        given: string | undefined,
        flags: {
          dir: string;
          policy: string;
          only?: string[];
          copyDir?: string[];
          duty: number;
          every?: number;
          yes: boolean;
        },
      ) =>
        reported(async () => {
          // Compressing and hashing take a core: whatever else runs on this machine goes first.
          if (flags.yes) setPriority(constants.priority.PRIORITY_LOW);
          const run = async () => {
            const options = {
              url: ownerUrl(given),
              policy: await readPolicy(flags.policy),
              ...(flags.only ? { only: flags.only } : {}),
            };
            if (!flags.yes) {
              for (const plan of await planPolicy(options)) write(`${describeUnitPlan(plan)}\n`);
              write('Nothing was changed. Run it again with --yes to do this.');
              return;
            }
            await tightened(flags.dir, ...(flags.copyDir ?? []));
            const tty = process.stderr.isTTY;
            const results = await runPolicy({
              ...options,
              directory: flags.dir,
              copies: flags.copyDir ?? [],
              dutyCycle: flags.duty,
              signal,
              onProgress: (progress) => {
                const text = describeArchiveProgress(progress);
                if (tty) process.stderr.write('\r\u001B[K');
                if (text) write(text);
                else if (tty && progress.event === 'removing')
                  process.stderr.write(
                    `segment ${progress.segment}: ${count(progress.removed)} of ${count(progress.units)} removed`,
                  );
              },
            });
            for (const { unit, units, rows, bytes, kept, left, problems } of results) {
              write(
                `${unit}: ${count(units)} units (${count(rows)} rows) are archived in ${bytesText(bytes)} of files${kept > 0 ? `; ${count(kept)} stayed in the database` : ''}`,
              );
              for (const { reason, units: staying } of left) write(`  ${count(staying)} stay: ${reason}`);
              for (const problem of problems) process.stderr.write(`${unit}: ${problem}\n`);
              if (problems.length > 0) process.exitCode = 1;
            }
          };
          if (!flags.yes || flags.every === undefined) return run();
          while (!signal.aborted) {
            // A failed run is reported, and the next one continues what it had begun.
            await run().catch((error: Error) => {
              if (!signal.aborted) process.stderr.write(`archive: ${error.message}\n`);
            });
            await sleep(flags.every * 3_600_000, undefined, { signal }).catch(() => {});
          }
        }),
    );

  database(
    archive.command('list').description('list what is archived, and how long its files are to be kept'),
  ).action((given: string | undefined) =>
    reported(async () => {
      const segments = await listArchive({ url: ownerUrl(given) });
      if (segments.length === 0) write('Nothing is archived from this database.');
      for (const {
        id,
        unit,
        state,
        units,
        removed,
        excluded,
        files,
        policy: rule,
        cutoff,
        createdAt,
      } of segments) {
        write(
          `${String(id).padStart(5)}  ${unit.padEnd(16)} ${state.padEnd(9)} ${count(state === 'exported' ? removed : units).padStart(9)} units before ${cutoff}  ${bytesText(files.reduce((sum, { bytes }) => sum + bytes, 0)).padStart(10)}  ${state === 'expired' ? 'files deleted, retention was over' : `keep until ${keepUntil(createdAt, rule.retention.months)}`}${excluded > 0 ? `  (${excluded} not in force)` : ''}`,
        );
      }
    }),
  );

  directory(
    database(
      archive
        .command('verify')
        .description('read all files and compare them with what was written; exit code 1 if one differs'),
    ),
  ).action((given: string | undefined, flags: { dir: string }) =>
    reported(async () => {
      await tightened(flags.dir);
      const verdicts = await verifyArchive({
        url: ownerUrl(given),
        directory: flags.dir,
      });
      const bad = verdicts.filter(({ problem }) => problem);
      for (const { segment, file, problem } of bad) write(`segment ${segment}: ${file}: ${problem}`);
      write(
        `${verdicts.length} files read, ${bad.length === 0 ? 'all as they were written' : `${bad.length} not as they were written`}.`,
      );
      if (bad.length > 0) process.exitCode = 1;
    }),
  );

  directory(
    database(
      archive
        .command('expire')
        .description(
          'delete files whose retention is over, by today’s policy or the one in force when they were written, whichever is longer',
        ),
    ),
  )
    .requiredOption('--policy <file>', 'what may be archived, and when (docs/archival.md)')
    .option('--copy-dir <directory>', 'a directory with a copy; may be repeated', collected)
    .option('--yes', 'do it', false)
    .action(
      (given: string | undefined, flags: { dir: string; policy: string; copyDir?: string[]; yes: boolean }) =>
        reported(async () => {
          const options = {
            url: ownerUrl(given),
            policy: await readPolicy(flags.policy),
          };
          const plan = await planExpiry(options);
          for (const { segment, keepUntil: until, over, hold } of plan)
            write(
              `segment ${segment.id} of ${segment.unit}: to be kept until ${until}${over ? (hold ? `; over, but held: ${hold}` : '; over, its files can go') : ''}`,
            );
          const due = plan.filter(({ over, hold }) => over && !hold).length;
          if (due === 0 && !flags.yes) write('No file can be deleted.');
          else if (!flags.yes)
            write(
              `Nothing was changed. Run it again with --yes to delete the files of ${due} ${due === 1 ? 'segment' : 'segments'}; that cannot be undone.`,
            );
          else {
            const gone = await expireArchive({
              ...options,
              directory: flags.dir,
              copies: flags.copyDir ?? [],
            });
            write(
              gone.length === 0
                ? 'No file was deleted.'
                : `Deleted: the files of ${gone.length === 1 ? 'segment' : 'segments'} ${gone.join(', ')}; their manifests stay.`,
            );
          }
        }),
    );

  directory(
    archive
      .command('query')
      .description("run one SELECT over the archived tables (DuckDB's dialect); SHOW TABLES lists them")
      .argument('<sql>', "for example: SELECT id, total FROM orders WHERE customer_email = 'a@example.org'")
      .argument('[url]', 'URL of the database that the rows were archived from; or set DATABASE_URL'),
  )
    .addOption(new Option('--format <format>', 'output format').choices(['table', 'json']).default('table'))
    .option('--max-rows <n>', 'maximum rows of the result; more are reported', whole, 100_000)
    .option('--timeout <seconds>', 'maximum time of the query', whole, 600)
    .action(
      (
        sql: string,
        given: string | undefined,
        flags: { dir: string; format: 'table' | 'json'; maxRows: number; timeout: number },
      ) =>
        reported(async () => {
          await tightened(flags.dir);
          const result = await queryArchive({
            url: ownerUrl(given),
            directory: flags.dir,
            sql,
            maxRows: flags.maxRows,
            timeoutSeconds: flags.timeout,
            signal,
          });
          write(flags.format === 'json' ? JSON.stringify(result.rows, null, 1) : table(result));
          if (result.truncated)
            process.stderr.write(
              `Only the first ${count(result.rows.length)} rows: there are more. Narrow the query, or give it --max-rows.\n`,
            );
        }),
    );

  directory(
    database(archive.command('restore').description('restore a segment, or units of it, to the tables'))
      .requiredOption('--segment <n>', 'number of the segment, as in sqltrail archive list', whole)
      .option('--keys <key...>', 'only these units')
      .option('--hold-days <n>', 'days before the restored units may be archived again', whole, 90)
      .option('--reason <text>', 'reason for the journal', 'restored by hand')
      .option('--yes', 'do it', false),
  ).action(
    (
      given: string | undefined,
      flags: {
        dir: string;
        segment: number;
        keys?: string[];
        holdDays: number;
        reason: string;
        yes: boolean;
      },
    ) =>
      reported(async () => {
        const url = ownerUrl(given);
        if (!flags.yes) {
          write(
            `It would bring ${flags.keys ? `${flags.keys.length} units of` : 'all units of'} segment ${flags.segment} back, in one transaction. Nothing was changed. Run it again with --yes to do this.`,
          );
          return;
        }
        await tightened(flags.dir);
        const restored = await restorePolicy({
          url,
          directory: flags.dir,
          signal,
          segment: flags.segment,
          ...(flags.keys ? { keys: flags.keys } : {}),
          holdDays: flags.holdDays,
          reason: flags.reason,
        });
        write(`${count(restored)} units are back.`);
      }),
  );
  return archive;
}
