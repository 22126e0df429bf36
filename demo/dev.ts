import { Command, Option } from 'commander';
import { PROFILE_NAMES, type ProfileName } from '../sample-shop/load/profiles.ts';
import { bringUp, untilAborted } from './bringUp.ts';

const line = (text: string) => process.stdout.write(`${text}\n`);

/** `sqltrail dev`: the demo's stack without its stages, for whoever changes the code of its parts. */
export const devCommand = (signal: AbortSignal): Command =>
  new Command('dev')
    .description(
      'run the shop, its load and the console with the whole stack, and restart what changes in the checkout',
    )
    .addOption(
      new Option('--scale <name>', 'how much data').choices(['tiny', 'small', 'default']).default('small'),
    )
    .addOption(
      new Option('--load <profile>', 'what the load generator does')
        .choices([...PROFILE_NAMES])
        .default('ordinary'),
    )
    .action(async ({ scale, load }: { scale: 'tiny' | 'small' | 'default'; load: ProfileName }) => {
      const stack = await bringUp(
        {
          scale,
          seed: 1,
          profile: load,
          signal,
          onSourceChange: (part, file) => line(`  ${file} changed: ${part} starts again`),
        },
        line,
      );
      try {
        for (const [name, url] of Object.entries(stack.urls)) line(`  ${name.padEnd(12)} ${url}`);
        line('Changes in the checkout restart the parts that they belong to. Ctrl-C stops everything.');
        await untilAborted(signal);
      } finally {
        line('Stopping all parts …');
        await stack.stop();
      }
    });
