import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { commands } from './commands.ts';
import { examples } from './examples.ts';

const { signal } = new AbortController();

/** The words of a line, as a shell has them. */
const wordsOf = (line: string) =>
  [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

describe('the help of each command has examples', () => {
  it.each(Object.keys(commands).filter((name) => name !== 'migrate'))('%s', async (name) => {
    const lines = examples[name] ?? [];
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      const [first, ...words] = wordsOf(line);
      expect(first).toBe(name);
      let command = (await commands[name]?.(signal)) as Command;
      const sub = command.commands.find((each) => each.name() === words[0]);
      if (sub) {
        command = sub;
        words.shift();
      }
      // What they do is tried elsewhere; that they are understood, here.
      let ran = false;
      command.exitOverride().action(() => {
        ran = true;
      });
      await command.parseAsync(words, { from: 'user' });
      expect(ran, line).toBe(true);
    }
  });
});
