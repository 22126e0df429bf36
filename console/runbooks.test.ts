import { expect, it } from 'vitest';
import { observedBy } from '../kpis/observed.ts';
import { libraryConfig } from '../test/support/configs.ts';
import { runbooks } from '../test/support/runbooks.ts';
import { type RunbookTargets, renderRunbook } from './runbooks.ts';

const SECRET = 'hidden-secret';
const two: RunbookTargets = {
  prometheusUrl: `https://reader:${SECRET}@metrics.library.example/prometheus/`,
  spans: observedBy(libraryConfig).spans,
  databases: [
    {
      url: `postgres://sqltrail_monitor:${SECRET}@db.library.example:6432/lending?sslmode=verify-full&password=${SECRET}`,
      ownerUrl: `postgres://lending_owner:${SECRET}@db.library.example/lending`,
    },
    { url: `postgres://sqltrail_monitor:${SECRET}@books.library.example/it's%20books` },
  ],
};

/** What the page says, as it is read and copied. */
const textOf = (html: string) =>
  html
    .replace(/^[\s\S]*<main[^>]*>|<\/main>[\s\S]*$|<[^>]+>/g, '')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
const rendered = async (name: string, targets = two) => textOf((await renderRunbook(name, targets)) ?? '');

it.each(runbooks.map(({ name }) => name))(
  '%s names the addresses of its console, and no other',
  async (name) => {
    const text = await rendered(name);
    expect(text.length).toBeGreaterThan(500);
    expect(text).not.toMatch(/127\.0\.0\.1|localhost|\$\w*URL|service_name!=""/);
    expect(text).not.toContain(SECRET);
    const hosts = [...text.matchAll(/\b(?:https?|postgres):\/\/(?:[^@\s/']*@)?([\w.]+)/g)].map(
      ([, host]) => host,
    );
    for (const host of hosts)
      expect([
        'metrics.library.example',
        'db.library.example',
        'books.library.example',
        // Placeholders, which the text explains.
        'HOST',
        'INSTANCE',
      ]).toContain(host);
  },
);

it('a command of a database is there for each of them, with the role that it takes, and as a shell reads it', async () => {
  const text = await rendered('SlowStatements');
  expect(text).toContain(
    'curl -s https://reader@metrics.library.example/prometheus/api/v1/query --data-urlencode',
  );
  expect(text).toContain('service_name=~"lending\\\\.api|catalogue-web"');
  expect(text).toContain(`
npm run sqltrail -- diagnose 'postgres://sqltrail_monitor@db.library.example:6432/lending?sslmode=verify-full' --only queries indexes
npm run sqltrail -- diagnose 'postgres://sqltrail_monitor@books.library.example/it'\\''s%20books' --only queries indexes
`);
  expect(text).toContain(`
npm run sqltrail -- fix plan postgres://lending_owner@db.library.example/lending
npm run sqltrail -- fix plan 'postgres://OWNER@books.library.example/it'\\''s%20books'
`);
});

it('says how to run the commands, and nothing for what is no runbook', async () => {
  expect(await renderRunbook('SlowStatements', two)).toContain('href="/runbooks/README"');
  expect(await rendered('README')).toContain('OWNER in a command');
  expect(await renderRunbook('Nothing', two)).toBeUndefined();
});
