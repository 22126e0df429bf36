import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { busyLoops } from './support/busyLoops.ts';
import { passedRuns } from './support/passedRuns.ts';
import { projectsOf, runSuite, sayRun, untilInterrupted, whole } from './support/suite.ts';

const HELP = `npm run test:slow -- [options] [files]

The suite with busy loops beside it, several times in a row.

  --times    runs (3)
  --loops    busy loops a core (4)
  --resume   leave out the runs that have passed with the same files and options
  --project  comma-separated: unit, integration, e2e (unit,integration)
  --help
`;

const OUT = path.join(import.meta.dirname, '..', 'out', 'slow');
const say = (text: string) => process.stdout.write(`${text}\n`);

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      times: { type: 'string', default: '3' },
      loops: { type: 'string', default: '4' },
      project: { type: 'string', default: 'unit,integration' },
      resume: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const projects = projectsOf(values.project);
  const times = whole('times', values.times);
  const perCore = whole('loops', values.loops);
  const passedBefore = await passedRuns(path.join(OUT, 'passed.jsonl'), path.join(import.meta.dirname, '..'));
  const signal = untilInterrupted();
  const end = busyLoops(perCore);
  say(`${perCore * os.availableParallelism()} busy loops on ${os.availableParallelism()} cores.`);
  let passed = 0;
  try {
    for (let at = 1; at <= times && !signal.aborted; at += 1) {
      const log = path.join(OUT, `${at}-${projects.join('-')}.log`);
      const what = [at, perCore, projects, positionals].join(' ');
      const before = values.resume ? passedBefore.of(what) : undefined;
      const run = before ?? (await runSuite({ projects, files: positionals, env: process.env, log, signal }));
      sayRun(`[${at}/${times}]`, run, before && 'before');
      if (!before) await passedBefore.add(what, run);
      if (run.ok) passed += 1;
    }
  } finally {
    await end();
  }
  say(
    `${passed} of ${times} runs passed${signal.aborted ? '; interrupted' : ''}${passed < times ? '; output in out/slow' : ''}.`,
  );
  return passed === times ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
