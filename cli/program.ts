import { setFlagsFromString } from 'node:v8';
import { Command } from 'commander';
import { ConfigurationError, describeError } from '../lib/errors.ts';
import { exampleText } from './examples.ts';
import { whyNotHere } from './notHere.ts';
import { today } from './oldNames.ts';

/** The terminal sends Ctrl-C to npm and to this process, and npm hands it on: within this time both are one. */
const SAME_SIGNAL_MS = 1_000;

/** The first Ctrl-C ends things in order; a second one does not wait for that. */
function abortBySignal(): AbortSignal {
  const abort = new AbortController();
  let abortedAt = Number.POSITIVE_INFINITY;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (performance.now() - abortedAt > SAME_SIGNAL_MS) process.exit(130);
      abortedAt = Math.min(abortedAt, performance.now());
      abort.abort(new DOMException(signal, 'AbortError'));
    });
  return abort.signal;
}

function reportFaults(): void {
  // Who reads the output may have seen enough (`sqltrail diagnose | head`): that is no error, and ends the program.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
      process.exitCode = 1;
      if (stream === process.stdout)
        process.stderr.write(`The output could not be written: ${error.message}\n`);
    });
  for (const event of ['uncaughtException', 'unhandledRejection'] as const)
    process.on(event, (error: unknown) => {
      process.stderr.write(`${describeError(error)}\n`);
      process.exit(1);
    });
}

/** Stands in the list for a command that cannot be loaded here. @throws the error when it is another one */
async function notHere(name: string, error: unknown): Promise<Command> {
  const why = await whyNotHere(error);
  if (why === undefined) throw error;
  return new Command(name).description(why);
}

/**
 * Runs the command line of this process, and sets the exit code: 2 for what the caller can put right, 130 when
 * interrupted, 1 for any other failure, else what the command set.
 *
 * @param options.commands loaded when asked for: all of them take a second of CPU, which a machine that is to be
 *   diagnosed may not have
 * @param options.always what is there at once
 */
export async function runProgram({
  commands,
  always = () => {},
}: {
  commands: Record<string, (signal: AbortSignal) => Promise<Command>>;
  always?: (program: Command, signal: AbortSignal) => void;
}): Promise<void> {
  // V8's optimising compiler takes 600 MB for a second when it comes to Postgres's parser, which is WebAssembly and is
  // loaded after this (bench/parserMemory.ts).
  setFlagsFromString('--liftoff-only');
  const signal = abortBySignal();
  reportFaults();
  const program = new Command('sqltrail')
    .description('From alert to trace, SQL, cause, fix and proof, for services on PostgreSQL.')
    .showHelpAfterError();
  always(program, signal);
  const given = process.argv.slice(2);
  const words = today(given);
  if (words !== given) process.stderr.write(`The new name of this command is: sqltrail ${words.join(' ')}\n`);
  const [asked = ''] = words;
  try {
    const load = Object.hasOwn(commands, asked) ? commands[asked] : undefined;
    if (load) program.addCommand((await load(signal)).addHelpText('afterAll', exampleText(asked)));
    else
      for (const [name, each] of Object.entries(commands))
        program.addCommand(await each(signal).catch((error) => notHere(name, error)));
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    const why = await whyNotHere(error);
    if (signal.aborted) {
      process.stderr.write('Interrupted; everything that was started has been stopped.\n');
      process.exitCode = 130;
    } else if (why !== undefined) {
      process.stderr.write(`${why}\n`);
      process.exitCode = 2;
    } else if (error instanceof ConfigurationError) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 2;
    } else {
      process.stderr.write(`${describeError(error)}\n`);
      process.exitCode = 1;
    }
  }
}
