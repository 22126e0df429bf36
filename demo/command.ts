import path from 'node:path';
import { StoryPictures } from '../cli/screenshots/ofStory.ts';
import { printReport } from '../report/pdf.ts';
import { readRecording } from '../report/recording.ts';
import { writeReport } from '../report/write.ts';
import type { ScaleName } from '../sample-shop/data/scales.ts';
import type { NativeStack } from '../stack/native.ts';
import { makeWritable } from '../stack/runDirectory.ts';
import { assertUntreated, attachedDatabases, attachedTargets } from './attached.ts';
import { bringUp, untilAborted } from './bringUp.ts';
import { type StoryTargets, unlockLink } from './clients.ts';
import { tellStory } from './demo.ts';
import type { Stage } from './stages.ts';

export interface StoryCommand {
  until: Stage;
  scale: ScaleName;
  seed: number;
  out: string;
  exit: boolean;
  ordinarySeconds: number;
  peakSeconds: number;
  signal: AbortSignal;
}

const line = (text: string) => process.stdout.write(`${text}\n`);

/** The last line of a terminal, rewritten; nothing where the output is a file. */
function status(text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${text}`);
}

/**
 * The case to the people, from what was recorded, however far the run came. A report that cannot be written does not
 * spoil the story.
 */
async function report(out: string, pdf: boolean): Promise<void> {
  const file = (name: string) => path.join(out, name);
  try {
    await writeReport(file('recording.json'), out);
    const problem = pdf ? await printReport(out) : 'no PDF files: the run was interrupted';
    line(`\nFiles, in ${path.relative('.', out) || '.'}/:`);
    const both = problem ? '' : ', .pdf';
    for (const [name, what] of [
      [`summary.html${both}`, 'one page for decision makers; start here'],
      [`report.html${both}`, 'the evidence; appendix.html has the source of each figure'],
      [`deck.html${both}`, 'a five-minute presentation; deck-notes.md has the speaker notes'],
      ['messages/', 'for engineers, management, support; status updates; questions and answers'],
      ['roadmap.md', 'phases with owner, gate, way back and measured time'],
      ['recording.json', 'the raw data; figures.json leads from each figure to it'],
    ] as const)
      line(`  ${name.padEnd(20)} ${what}`);
    if (problem) line(`  ${problem}`);
  } catch (error) {
    line(`  The report could not be written: ${(error as Error).message}`);
  }
}

/**
 * `sqltrail demo`: brings the stack up unless one is given by the environment, runs the demo, leaves the console
 * open until Ctrl-C (or not, with --exit).
 *
 * @returns the exit code: 0 when the story reached its verdict complete, 1 when a part of it was missing
 */
export async function runStory(command: StoryCommand): Promise<number> {
  // Now, not after the minutes that everything takes to come up.
  await makeWritable(command.out, 'directory of the recording', 'name another one with --out');
  const attached = attachedTargets(process.env);
  const attachedTo = attached && attachedDatabases(process.env);
  if (attachedTo && command.until !== 'breakdown') await assertUntreated(attachedTo);
  const { scale, seed, signal } = command;
  const stack = attached ? undefined : await bringUp({ scale, seed, signal }, line);
  try {
    const targets: StoryTargets = attached ?? {
      ...(stack as NativeStack).urls,
      token: (stack as NativeStack).secrets.token,
    };
    line(`Console: ${targets.consolePage ?? targets.console}`);
    if (stack && !command.exit)
      line(
        `  to diagnose, apply and undo from the console, open this link (works once, within an hour): ${await unlockLink(targets)}`,
      );
    const say = (text: string) => {
      status('');
      line(text);
    };
    await using pictures = new StoryPictures({
      directory: path.join(command.out, 'screenshots'),
      console: targets.console,
      prometheus: targets.prometheus,
      say,
      signal: command.signal,
    });
    const told = tellStory({
      until: command.until,
      targets,
      databases: stack
        ? { owner: stack.databaseUrl('shop_owner'), monitor: stack.databaseUrl('sqltrail_monitor') }
        : attachedTo,
      out: command.out,
      mode: attached ? 'attached' : 'native',
      scale: attached ? null : command.scale,
      seed: attached ? null : command.seed,
      ordinarySeconds: command.ordinarySeconds,
      peakSeconds: command.peakSeconds,
      signal: command.signal,
      columns: Math.min(140, process.stdout.columns || 110),
      say,
      status,
      onPhaseEnded: (name) => pictures.phaseEnded(name),
    });
    // A run that failed has its report too, which says so first.
    await told.catch(() => {});
    await report(command.out, !command.signal.aborted);
    await pictures.finish(await readRecording(path.join(command.out, 'recording.json')));
    const complete = await told;
    if (stack)
      line(`  All parts together: ${Math.round((await stack.residentBytes()) / 1_048_576)} MiB resident`);
    if (!command.exit && !attached) {
      line(`\nThe console stays open at ${targets.console}. Ctrl-C stops everything.`);
      await untilAborted(signal);
    }
    return complete ? 0 : 1;
  } finally {
    if (stack) {
      line('Stopping all parts …');
      await stack.stop();
    }
  }
}
