import { spawn } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { waitFor } from '../../lib/waitFor.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
/** A second chance for the runner to stop its servers, before it is ended. */
const END_MS = 30_000;

export interface SuiteRun {
  passed: number;
  failed: number;
  skipped: number;
  seconds: number;
  /** Failed tests and files, with the first line of what they say; also what broke the run as a whole. */
  failures: string[];
  ok: boolean;
}

interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  testResults: {
    name: string;
    status: string;
    message: string;
    assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
  }[];
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid) process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

/**
 * What an interrupted runner leaves: servers that it started in groups of their own, as the product does, so that no
 * interrupt of a terminal ends them.
 */
async function endServers(directory: string): Promise<void> {
  for (const file of await readdir(directory, { recursive: true }).catch(() => [])) {
    if (path.basename(file) !== 'postmaster.pid') continue;
    const lock = path.join(directory, file);
    const pid = Number((await readFile(lock, 'utf8').catch(() => '')).split('\n')[0]);
    if (!pid) continue;
    try {
      process.kill(pid, 'SIGQUIT');
    } catch {
      continue;
    }
    await waitFor(`Postgres ${pid} to end`, () => !existsSync(lock), { deadlineMs: END_MS });
  }
}

const firstLine = (text: string | undefined) => (text ?? '').split('\n')[0]?.slice(0, 300) ?? '';

function failuresOf({ testResults }: Report): string[] {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = path.relative(ROOT, name);
    const tests = assertionResults
      .filter((test) => test.status === 'failed')
      .map((test) => `${file}: ${test.fullName}\n      ${firstLine(test.failureMessages[0])}`);
    return tests.length === 0 && status === 'failed' ? [`${file}\n      ${firstLine(message)}`] : tests;
  });
}

/**
 * One run of the suite in a process of its own.
 *
 * @param options.log file that gets the runner's output
 * @param options.signal ends the run; the runner stops its servers first
 */
export async function runSuite(options: {
  projects: readonly string[];
  files: readonly string[];
  env: NodeJS.ProcessEnv;
  log: string;
  signal: AbortSignal;
}): Promise<SuiteRun> {
  const directory = await mkdtemp(path.join(tmpdir(), 'sqltrail-suite-'));
  // Its servers run as another user where this is root.
  await chmod(directory, 0o755);
  const outputFile = path.join(directory, 'report.json');
  await mkdir(path.dirname(options.log), { recursive: true });
  const began = performance.now();
  try {
    const child = spawn(
      process.execPath,
      [
        path.join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'),
        'run',
        ...options.projects.flatMap((project) => ['--project', project]),
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${outputFile}`,
        ...options.files,
      ],
      // A group of its own: an interrupt from the terminal reaches it once, through the signal.
      {
        cwd: ROOT,
        env: { ...options.env, TMPDIR: directory },
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      },
    );
    const log = createWriteStream(options.log);
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    let late: NodeJS.Timeout | undefined;
    const end = () => {
      child.kill('SIGINT');
      late = setTimeout(() => killGroup(child.pid), END_MS);
    };
    options.signal.addEventListener('abort', end, { once: true });
    if (options.signal.aborted) end();
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    clearTimeout(late);
    options.signal.removeEventListener('abort', end);
    // What of its group is left: workers of a runner that was interrupted.
    if (options.signal.aborted) killGroup(child.pid);
    await new Promise<void>((resolve) => log.end(resolve));
    const text = await readFile(outputFile, 'utf8').catch(() => undefined);
    const seconds = (performance.now() - began) / 1000;
    if (!text)
      return {
        passed: 0,
        failed: 0,
        skipped: 0,
        seconds,
        failures: [
          options.signal.aborted
            ? 'Interrupted.'
            : `The run broke (exit code ${code}); its output: ${options.log}`,
        ],
        ok: false,
      };
    const report = JSON.parse(text) as Report;
    const failures = failuresOf(report);
    if (code !== 0 && failures.length === 0)
      failures.push(`An error outside of any test (exit code ${code}); its output: ${options.log}`);
    return {
      passed: report.numPassedTests,
      failed: report.numFailedTests,
      skipped: report.numPendingTests,
      seconds,
      failures,
      ok: failures.length === 0 && code === 0,
    };
  } finally {
    await endServers(directory);
    await rm(directory, { recursive: true, force: true });
  }
}

/** Aborts at the first interrupt or termination of this process. */
export function untilInterrupted(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => controller.abort(new Error('interrupted')));
  return controller.signal;
}

const say = (text: string) => process.stdout.write(`${text}\n`);

/** A line for a run that has ended, and below it what failed. @param when of one that is not done again */
export function sayRun(title: string, run: SuiteRun, when = ''): void {
  say(
    `${title}  ${run.ok ? 'ok    ' : 'FAILED'}  ${run.passed} passed, ${run.failed} failed, ${run.skipped} skipped  (${Math.round(run.seconds)} s${when && `, ${when}`})`,
  );
  for (const failure of run.failures) say(`    ${failure}`);
}

/** @returns the projects of a comma-separated list @throws Error that names the one there is not */
export function projectsOf(text: string): string[] {
  const projects = text.split(',');
  for (const project of projects)
    if (!['unit', 'integration', 'e2e'].includes(project))
      throw new Error(`--project ${project}: there are unit, integration and e2e`);
  return projects;
}

/** The number that an option names. @throws on anything but a whole number of at least `least` */
export function whole(name: string, text: string, least = 1): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least)
    throw new Error(`--${name} ${text}: is no whole number above ${least - 1}`);
  return value;
}
