import { setFlagsFromString } from 'node:v8';
import { Command } from 'commander';
import { commands } from './commands.ts';
import { OnlyInClone } from './notHere.ts';
import { runProgram } from './program.ts';

// V8's optimising compiler takes 600 MB for a second when it comes to Postgres's parser, which is WebAssembly and is
// loaded after this (bench/parserMemory.ts); in a clone the flag is part of the command line.
setFlagsFromString('--liftoff-only');

/** A command of the demo, which stays in the repository: it says where it is. */
const inClone = (name: string, what: string, script: string) => async () => {
  const fault = new OnlyInClone(`${what};`, `npm ci && ${script}`);
  return new Command(name)
    .description(fault.message)
    .allowUnknownOption()
    .allowExcessArguments()
    .action(() => {
      throw fault;
    });
};

await runProgram({
  commands: {
    ...commands,
    demo: inClone('demo', 'the sample shop, from the first alert to the report', 'npm start'),
    report: inClone('report', 'report, deck and messages from a recording of the demo', 'npm run report'),
    screenshots: inClone('screenshots', 'pictures of the demo’s console', 'npm run screenshots'),
  },
});
