import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { projectsOf, runSuite, sayRun, untilInterrupted } from './support/suite.ts';

const HELP = `npm run test:slow -- [options] [files]

The suite with busy loops beside it, several times in a row.

  --times    runs (3)
  --loops    busy loops a core (4)
  --project  comma-separated: unit, integration, e2e (unit,integration)
  --help
`;

const say = (text: string) => process.stdout.write(`${text}\n`);

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text}: is no whole number above 0`);
  return value;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      times: { type: 'string', default: '3' },
      loops: { type: 'string', default: '4' },
      project: { type: 'string', default: 'unit,integration' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    say(HELP);
    return 0;
  }
  const projects = projectsOf(values.project);
  const times = whole('times', values.times);
  const count = whole('loops', values.loops) * os.availableParallelism();
  const signal = untilInterrupted();
  // Threads of this process: whatever ends it, also kill -9, ends them.
  const loops = Array.from({ length: count }, () => new Worker('for (;;);', { eval: true }));
  say(`${count} busy loops on ${os.availableParallelism()} cores.`);
  let passed = 0;
  try {
    for (let at = 1; at <= times && !signal.aborted; at += 1) {
      const log = path.join(import.meta.dirname, '..', 'out', 'slow', `${at}-${projects.join('-')}.log`);
      const run = await runSuite({ projects, files: positionals, env: process.env, log, signal });
      sayRun(`[${at}/${times}]`, run);
      if (run.ok) passed += 1;
    }
  } finally {
    await Promise.all(loops.map((loop) => loop.terminate()));
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
