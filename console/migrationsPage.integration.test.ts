import pg from 'pg';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type MediumTerm, mediumTermSchema } from '../fix/mediumTerm.ts';
import { waitFor } from '../lib/waitFor.ts';
import { seriousViolations } from '../test/support/accessibility.ts';
import { openBrowser } from '../test/support/browser.ts';
import { startConsole } from '../test/support/console.ts';
import { createTestDatabase, type TestDatabase } from '../test/support/database.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { patient } from '../test/support/unhurried.ts';
import type { DiagnosisReading } from './diagnosis.ts';

let browser: Browser;
let database: TestDatabase;
let served: Awaited<ReturnType<typeof startConsole>>;

beforeAll(async () => {
  [database, browser] = await Promise.all([createTestDatabase(), openBrowser()]);
  const client = new pg.Client(database.url);
  await client.connect();
  await client.query(`
    CREATE TABLE "My stays" (id bigint PRIMARY KEY, day text NOT NULL);
    INSERT INTO "My stays" SELECT i, to_char(date '2024-01-01' + i % 500, 'DD.MM.YYYY') FROM generate_series(1, 2000) AS i;
    CREATE TABLE events (id bigint, at timestamptz NOT NULL, PRIMARY KEY (id, at));
    INSERT INTO events SELECT i, now() - i * interval '1 hour' FROM generate_series(1, 20000) AS i;
    ANALYZE;
    -- As large as it would have to be for partitions to pay.
    UPDATE pg_class SET reltuples = 40000000 WHERE relname = 'events'`);
  await client.end();
  served = await startConsole({
    prometheusUrl: 'http://127.0.0.1:1',
    alertmanagerUrl: 'http://127.0.0.1:1',
    databases: [{ name: 'lending', url: database.url, ownerUrl: database.url }],
    diagnosis: patient,
    refreshMs: 300,
  });
});
afterAll(async () => {
  await browser?.close();
  await served?.close();
  await database?.drop();
});

async function diagnosisEnded(): Promise<DiagnosisReading | undefined> {
  const reading: DiagnosisReading = await (await fetch(`${served.base}/api/diagnosis`)).json();
  return reading.running ? undefined : reading;
}

it('online migrations stand apart from actions, with what each takes and its command, and are not started', async () => {
  const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  await page.goto(`${served.base}/#/actions`);
  await page.getByText('● live').waitFor();
  expect(await page.getByRole('heading', { name: /^Medium term/ }).count()).toBe(0);
  for (const part of ['model', 'quick']) {
    await served.post('/api/diagnosis', { part });
    const { failure } = await waitFor('the diagnosis to end', diagnosisEnded, { deadlineMs: PATIENCE_MS });
    expect(failure).toBeNull();
  }
  const medium = page.getByRole('region', { name: /^Medium term/ });
  await medium.getByText('retype \'public."My stays".day\' date --format DD.MM.YYYY').waitFor();
  const events = medium.getByRole('listitem').filter({ hasText: 'partition public.events by at' });
  await events.waitFor();
  const text = (await events.textContent()) ?? '';
  for (const part of [
    /40,000,000 rows, .* with indexes/,
    /of the order of 2\.22 h \(5,000 rows a second/,
    /about .* until it is complete/,
    /ACCESS EXCLUSIVE for milliseconds/,
  ])
    expect(text).toMatch(part);
  expect(await medium.getByRole('button', { name: /Apply|Undo/ }).count()).toBe(0);
  const command = 'npm run sqltrail -- migrate plan partition public.events --by at --interval month';
  await events.getByRole('button', { name: 'Copy' }).click();
  await events.getByText('✓ Copied').waitFor();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(command);
  expect(await seriousViolations(page)).toEqual([]);
  await page.setViewportSize({ width: 390, height: 800 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);

  // The finding that it answers has the command too.
  await events.getByRole('link').first().click();
  await page.getByText(command).waitFor();

  const { mediumTerm } = (await (await fetch(`${served.base}/api/actions`)).json()) as {
    mediumTerm: MediumTerm[];
  };
  expect(mediumTermSchema.array().parse(mediumTerm)).toEqual(mediumTerm);
  expect(mediumTerm.map((each) => each.command)).toContain(command);
  await context.close();
});
