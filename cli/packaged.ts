import { Command } from 'commander';
import { commands } from './commands.ts';
import { OnlyInClone } from './notHere.ts';
import { runProgram } from './program.ts';

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
    demo: inClone('demo', 'the demo, from the first alert to the report', 'npm start'),
    report: inClone('report', 'report, deck and messages from a recording of the demo', 'npm run report'),
    screenshots: inClone('screenshots', 'pictures of the demo’s console', 'npm run screenshots'),
  },
});
