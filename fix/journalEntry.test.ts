import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { journalEntrySchema } from './journalEntry.ts';

it('entries of a recording of version 1 are read, with their outcomes', async () => {
  const { actions } = JSON.parse(
    await readFile(new URL('../test/fixtures/recording-of-version-1.json', import.meta.url), 'utf8'),
  );
  const read = actions.map((entry: unknown) => journalEntrySchema.parse(entry));
  for (const [at, { note, outcome, state, action, changes }] of read.entries()) {
    expect({ state, action, changes }).toEqual({ state: 'kept', action: actions[at].action, changes: null });
    expect(outcome).toBe(note.startsWith('not measured') ? 'unmeasured' : 'better');
  }
  // What was upgraded is read as it is.
  expect(JSON.parse(JSON.stringify(read)).map((entry: unknown) => journalEntrySchema.parse(entry))).toEqual(
    read,
  );
});
