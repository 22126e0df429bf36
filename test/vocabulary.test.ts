import { expect, it } from 'vitest';
import { sources } from './support/sources.ts';

/** Words of our own for which the field has one; each with the one to use. */
const OWN_WORDS: [RegExp, string][] = [
  [/\brelief\b/i, 'mitigation, short-term fixes'],
  [/\bmended\b/i, 'fixed, resolved'],
  [/\btake[ns]? back\b|\btaken-back\b/i, 'reverted, rolled back'],
  [/\bdearest\b/i, 'most expensive'],
  [/\bsightings?\b/i, 'sample, observation'],
  [/\bstand-ins?\b/i, 'placeholder row, test server'],
  [/\bgives? way\b/i, 'back off, pause'],
  [/\bis away\b|\bnot to be had\b/i, 'failed, unavailable'],
  [/\brigs?\b/i, 'harness'],
];

/** Where an old word is what is read: names in earlier recordings, journals and command lines, and this list. */
const READS_OLD = [
  'CHANGELOG.md',
  'cli/oldNames.ts',
  'cli/oldNames.test.ts',
  'dashboards/changes.ts',
  'fix/journal.integration.test.ts',
  'fix/journalEntry.ts',
  'fix/journalMigrations.ts',
  'report/recording.ts',
  'test/vocabulary.test.ts',
];

it('the words are those of the field (CONTRIBUTING.md, Words)', async () => {
  const found: string[] = [];
  for await (const { file, text } of sources('**/*.{ts,tsx,md,sql}', ['fixtures', 'measured', 'dist'])) {
    if (READS_OLD.includes(file)) continue;
    for (const [at, line] of text.split('\n').entries())
      for (const [word, use] of OWN_WORDS)
        if (word.test(line)) found.push(`${file}:${at + 1}: ${word.exec(line)?.[0]} (use: ${use})`);
  }
  expect(found).toEqual([]);
});
