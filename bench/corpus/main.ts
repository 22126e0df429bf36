import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command, Option } from 'commander';
import { diagnoseWhatWasDone } from '../thirdParty/database.ts';
import { startJudgeServer } from '../thirdParty/server.ts';
import { databases } from './databases/index.ts';
import { halfOf } from './half.ts';
import { type CorpusVerdict, detailsOf, judgeCorpus, tableOf } from './judgeCorpus.ts';
import { prepare, scaled } from './prepare.ts';

/** Precision and recall of the diagnosis on public schemas; see README.md. */
const {
  only,
  half,
  source,
  scratch,
  scale,
  prepare: onlyPrepare,
  json,
} = new Command('bench:corpus')
  .description('Judges the diagnosis on databases with public schemas. See bench/corpus/README.md.')
  .option('--only <names...>', 'these databases', [] as string[])
  .addOption(new Option('--half <half>', 'one half of them').choices(['dev', 'held-out']))
  .option('--source <directory>', 'where the DDL is or is downloaded to, a directory for each database')
  .option(
    '--scratch <directory>',
    'keeps the server with its loaded databases for the next run',
    process.env['CORPUS_DIR'] ?? path.join(tmpdir(), 'sqltrail-corpus'),
  )
  .option(
    '--scale <share>',
    'of the rows and calls, to try a database out; what is measured with less than 1 says nothing',
    Number,
    1,
  )
  .option('--prepare', 'load and run the workloads, and stop before the diagnosis')
  .option('--json <file>', 'write all verdicts to this file as well')
  .parse()
  .opts<{
    only: string[];
    half?: 'dev' | 'held-out';
    source?: string;
    scratch: string;
    scale: number;
    prepare?: true;
    json?: string;
  }>();

const unknown = only.filter((name) => !databases.some((database) => database.name === name));
if (unknown.length > 0) {
  process.stderr.write(
    `There is no ${unknown.join(', ')}. There are: ${databases.map(({ name }) => name).join(', ')}.\n`,
  );
  process.exit(2);
}
const wanted = databases.filter(
  ({ name }) =>
    (only.length === 0 || only.includes(name)) &&
    (half === undefined || halfOf(name) === (half === 'dev' ? 'development' : 'held-out')),
);

const server = await startJudgeServer(path.join(scratch, 'cluster'));
const verdicts: CorpusVerdict[] = [];
const failures: string[] = [];
try {
  for (const database of wanted) {
    const started = performance.now();
    process.stderr.write(`${database.name} (${halfOf(database.name)})\n`);
    try {
      const { url, ran } = await prepare(
        server,
        scaled(database, scale),
        scratch,
        source ?? path.join(scratch, 'sources'),
      );
      process.stderr.write(
        `  ${database.name}: prepared in ${((performance.now() - started) / 1000).toFixed(0)} s, ${ran.calls} calls in ${ran.seconds.toFixed(0)} s\n`,
      );
      if (ran.failed.size > 0) failures.push(`${database.name}: ${ran.failed.size} statements failed`);
      if (onlyPrepare) continue;
      const verdict = judgeCorpus(database, await diagnoseWhatWasDone(url));
      verdicts.push(verdict);
      process.stderr.write(`${detailsOf(verdict)}\n`);
      if (json) await writeFile(json, `${JSON.stringify(verdicts, null, 2)}\n`);
    } catch (error) {
      failures.push(`${database.name}: ${(error as Error).message}`);
      process.stderr.write(`  ${failures.at(-1)}\n`);
    }
  }
  if (verdicts.length > 0) process.stdout.write(`${tableOf(verdicts)}\n`);
} finally {
  await server.stop();
}
for (const failure of failures) process.stderr.write(`${failure}\n`);
if (failures.length > 0) process.exitCode = 1;
