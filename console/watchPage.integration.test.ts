import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { seriousViolations } from '../test/support/accessibility.ts';
import { openBrowser } from '../test/support/browser.ts';
import { startConsole } from '../test/support/console.ts';
import { diagnosisOf, findingOf } from '../test/support/diagnosis.ts';
import { emptyHistory, recordFindings, recordRun } from '../watch/history.ts';
import { HistoryStore } from '../watch/store.ts';

let dir: string;
let browser: Browser;
let served: Awaited<ReturnType<typeof startConsole>>;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-page-'));
  browser = await openBrowser();
  const store = await HistoryStore.open(dir, 'books', (text) => expect.unreachable(text));
  const startedAt = new Date(Date.now() - 36_000_000).toISOString();
  const shapes = { A: 'Index Scan using loan_book on public.loan', B: 'Seq Scan on public.loan' };
  const plan = (shape: 'A' | 'B', meanMs: number) => ({
    shape,
    scans: [shapes[shape]],
    lastSeenAt: startedAt,
    meansMs: [meanMs, meanMs, meanMs],
  });
  const finding = findingOf({ id: 'x:book', severity: 'critical', title: 'Title <b>has no index</b>' });
  await store.change(() =>
    recordRun(
      {
        ...emptyHistory(),
        findings: recordFindings([], diagnosisOf({ startedAt, findings: [finding] }), new Set()),
        plans: [
          {
            fingerprint: 'f',
            summary: 'SELECT loan',
            queryid: '1',
            calls: 1,
            totalMs: 1,
            plans: [plan('A', 2), plan('B', 40)],
          },
        ],
      },
      {
        startedAt,
        outcome: 'skipped',
        seconds: 1,
        databaseSeconds: 0,
        findings: 0,
        reason: '5 sessions wait',
      },
    ),
  );
  served = await startConsole({
    prometheusUrl: 'http://127.0.0.1:1',
    alertmanagerUrl: 'http://127.0.0.1:1',
    databases: ['lending', 'books'].map((name) => ({ name, url: `postgres://nobody@127.0.0.1:1/${name}` })),
    directory: dir,
    schedule: { everySeconds: 900, budgetSeconds: 20, firstMs: 3_600_000 },
  });
});
afterAll(async () => {
  await served?.close();
  await browser?.close();
  await rm(dir, { recursive: true, force: true });
});

it('one database is chosen, and its findings have their state over time', async () => {
  const page = await browser.newPage();
  await page.goto(`${served.base}/#/findings`);
  await page.getByText('no run yet').waitFor();
  expect(await page.getByText('has no index').count()).toBe(0);
  await page.getByLabel('Database').selectOption('books');
  await page.getByText('last run 10 h ago, skipped: 5 sessions wait').waitFor();
  await page.getByText('● new for 10 h').waitFor();
  await page.getByRole('link', { name: 'Title <b>has no index</b>' }).waitFor();
  await page.getByText('20 × as long: 2 ms before, 40 ms now').waitFor();
  await page.getByText('Now: Seq Scan on public.loan').waitFor();
  expect(await page.getByLabel('Database').inputValue()).toBe('books');
  expect(await seriousViolations(page)).toEqual([]);
  await page.close();
});
