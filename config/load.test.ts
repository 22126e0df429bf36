import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ConfigurationError } from '../lib/errors.ts';
import { LEAST, LIBRARY } from '../test/support/configs.ts';
import { propertyRuns } from '../test/support/property.ts';
import { configurationPage } from './docsPage.ts';
import { parseConfig, readConfig } from './load.ts';

const SHOP = readFileSync(path.join(import.meta.dirname, '..', 'sample-shop', 'sqltrail.yaml'), 'utf8');

const complaint = (text: string): string => {
  try {
    parseConfig(text, 'sqltrail.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as Error).message;
  }
  return '';
};

describe('a configuration', () => {
  it('is read, with its defaults', () => {
    const { system, window, interval, databases, urls } = parseConfig(LEAST, 'sqltrail.yaml');
    expect({ system, window, interval }).toEqual({ system: 'service', window: '5m', interval: '15s' });
    expect(databases[0]?.url_env).toBe('DATABASE_URL');
    expect(urls.console).toBe('http://127.0.0.1:8088');
  });

  it.each([
    ['an unknown key', 'version: 1\nservice: []\n', 'sqltrail.yaml:2: service is not known'],
    ['a key that is missing', 'version: 1\nservices:\n  - metrics: []\n', ':3: services[0].name is missing'],
    ['a wrong type', `${LEAST}window: 5\n`, ':4: window is invalid'],
    ['a wrong value', `${LEAST}urls: { console: nowhere }\n`, ':4: urls.console is not an http address'],
    ['an interval that is too long', `${LEAST}interval: 2m\n`, ':4: interval 2m is more than a quarter'],
    ['no services', 'version: 1\nservices: []\n', ':2: services names no service'],
    [
      'a service twice',
      'version: 1\nservices:\n  - name: a\n  - name: a\ndatabases: [{ name: b }]\n',
      ':4: ',
    ],
    [
      'one address for two databases',
      'version: 1\nservices: [{ name: a }]\ndatabases:\n  - name: b\n  - name: c\n',
      ':5: databases[1].url_env: DATABASE_URL holds the address of b already',
    ],
    [
      'a transaction that no service answers',
      `${LEAST.replace('name: worker', 'name: worker, requests: false')}business: { name: Job, route: /jobs }\n`,
      ':4: business: its requests are counted from spans, and no service answers requests',
    ],
    ['a schedule that never rests', `${LEAST}diagnosis: { every: 20s }\n`, 'is less than a minute'],
    [
      'the name of another job',
      LEAST.replace('worker', 'postgres'),
      ':2: services[0].name: postgres is the job',
    ],
    [
      'a class that is not there',
      LIBRARY.replace('retention: visits }', 'retention: vists }'),
      'retention class vists does not exist; classes: loans, visits',
    ],
    [
      'a receiver that is not there',
      LIBRARY.replace('page: desk', 'page: disk'),
      'no receiver is called disk',
    ],
    [
      'what Alertmanager has not',
      LIBRARY.replace('email_configs', 'email_config'),
      'that Alertmanager does not know',
    ],
    ['no YAML', 'version: 1\nservices: [\n', 'this is not YAML'],
    ['an alias of nothing', 'version: 1\nservices: *all\n', 'sqltrail.yaml:2: this is not YAML'],
    ['nothing', '', ':1: '],
    ['a list', '- 1\n', ':1: '],
    [
      'a quote in a label',
      LIBRARY.replace('"/loans/:id"', `'/loans"'`),
      'business.route must not contain a quote',
    ],
  ])('%s is refused with its line', (_name, text, says) => {
    expect(complaint(text)).toContain(says);
  });

  it('an error gives an example', () => {
    expect(complaint('version: 1\nservices:\n  - metrics: []\n')).toContain('Example: name: "tickets-api"');
  });

  it('a file that is not there says how to make one', () => {
    expect(() => readConfig('/nowhere/sqltrail.yaml')).toThrow(/sqltrail init/);
  });

  it('that is mangled is refused with a line, and is no accident', () => {
    const sources = [SHOP, LIBRARY].map((text) => text.split('\n'));
    fc.assert(
      fc.property(
        fc.constantFrom(...sources),
        fc.nat(),
        fc.oneof(
          fc.string(),
          fc.constantFrom('', '  x: 1', '- a', '{', 'null: null', '&a *a', 'x: *a', '<<: {}'),
        ),
        (lines, at, text) => {
          const mangled = lines.with(at % lines.length, text).join('\n');
          const found = complaint(mangled);
          if (found) expect(found).toMatch(/^sqltrail\.yaml:\d+: /);
        },
      ),
      { numRuns: propertyRuns(200) },
    );
  });
});

it('the page explains every key', () => {
  const page = configurationPage();
  expect(page).toContain('`databases[].tables[].copy_of`');
  for (const line of page.split('\n').filter((text) => text.startsWith('- `')))
    expect(line, line).toMatch(/^- `[^`]+` \([^)]+\): [A-Z`].{4,}/);
  for (const key of Object.keys(parse(SHOP))) expect(page).toContain(`- \`${key}\` (`);
});
