import { expect, it } from 'vitest';
import { today } from './oldNames.ts';

it.each([
  ['story --exit', 'demo --exit'],
  ['story --until relief --exit', 'demo --until mitigation --exit'],
  ['demo --until=relief', 'demo --until=mitigation'],
  ['model postgres://h/d', 'schema postgres://h/d'],
  ['fix short-term postgres://h/d', 'fix plan postgres://h/d'],
  ['fix short-term u --yes --dry-run', 'fix plan u'],
  ['fix short-term u --json', 'fix plan u --json'],
  ['fix short-term u --only pool --yes', 'fix apply u --only pool --yes'],
  ['fix undo u --yes', 'fix revert u --yes'],
  ['fix rewrite u', 'rewrite u'],
  ['fix medium-term u', 'migrate start u'],
  ['fix medium-term u --status', 'migrate status u'],
  ['fix medium-term --verify u', 'migrate verify u'],
  ['fix medium-term u --until verify --yes', 'migrate start u --until verify --yes'],
  ['fix medium-term u --until contract --yes', 'migrate complete u --yes'],
  ['fix medium-term --rollback-to=none u --yes', 'migrate rollback u --yes --to none'],
  ['fix medium-term u --rollback-to expand', 'migrate rollback u --to expand'],
])('%s is now %s', (before, now) => {
  expect(today(before.split(' ')).join(' ')).toBe(now);
});

it.each(['', '--exit', 'diagnose u', 'fix list u', 'fix', 'archive run u --yes'])('%s stays', (line) => {
  const words = line.split(' ');
  expect(today(words)).toBe(words);
});
