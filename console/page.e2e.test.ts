import { createRequire } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../stack/freePort.ts';
import { openBrowser } from '../test/support/browser.ts';
import { slowRequest } from '../test/support/otlp.ts';
import { startNode, type TestProcess, waitUntilServing } from '../test/support/process.ts';

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const traceId = 'd'.repeat(32);
let served: TestProcess;
let browser: Browser;
let base: string;

beforeAll(async () => {
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  served = startNode(['console/server.ts'], {
    CONSOLE_PORT: String(port),
    PROMETHEUS_URL: process.env['CONSOLE_TEST_PROMETHEUS_URL'] ?? `http://127.0.0.1:${await freePort()}`,
    ALERTMANAGER_URL: process.env['CONSOLE_TEST_ALERTMANAGER_URL'] ?? `http://127.0.0.1:${await freePort()}`,
    DATABASE_URL: 'postgres://sqltrail_monitor@127.0.0.1:1/shop',
    SQLTRAIL_TOKEN: 't'.repeat(24),
  });
  [browser] = await Promise.all([openBrowser(), waitUntilServing(`${base}/healthz`, served)]);
  const response = await fetch(`${base}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(slowRequest(traceId, Date.now() - 10_000)),
  });
  expect(response.status).toBe(200);
});
afterAll(async () => {
  await browser?.close();
  expect(await served?.stop()).toBe(0);
});

async function seriousViolations(page: Page): Promise<string[]> {
  const source = await import('node:fs/promises').then(({ readFile }) => readFile(axe, 'utf8'));
  await page.evaluate(source);
  return page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof import('axe-core') }).axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
}

it.each(['light', 'dark'] as const)(
  'goes from statement to trace to SQL and plan (%s)',
  async (colorScheme) => {
    const page = await browser.newPage({ colorScheme, viewport: { width: 1400, height: 1000 } });
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('console', (message) => {
      if (message.type() === 'error' && message.text().includes('Content Security'))
        errors.push(message.text());
    });
    await page.goto(base);
    await page.getByText('live, every 5 s').waitFor();
    await page.getByRole('heading', { name: 'Alerts' }).waitFor();
    if (!process.env['CONSOLE_TEST_PROMETHEUS_URL'])
      await page.getByText('Look whether Prometheus runs').first().waitFor();
    await page.waitForLoadState('networkidle');
    if (process.env['CONSOLE_TEST_SHOTS']) {
      await page.waitForTimeout(1_500);
      await page.screenshot({
        path: `${process.env['CONSOLE_TEST_SHOTS']}-overview-${colorScheme}.png`,
        fullPage: true,
      });
    }
    expect(await seriousViolations(page)).toEqual([]);

    await page.goto(`${base}/#/statements/${encodeURIComponent('SELECT orders')}`);
    await page.getByRole('link', { name: 'GET /orders' }).click();
    await page.getByText('12 ×').waitFor();
    expect(await page.locator('#sql').textContent()).toContain('LOWER(customer_email)'.toLowerCase());
    expect(await page.locator('#plan').textContent()).toContain('Seq Scan on orders');
    await page.getByRole('button', { name: /SELECT reviews/ }).click();
    await page.getByText('canceling statement due to statement timeout').waitFor();
    await page.getByRole('button', { name: /^\s*SELECT orders/ }).click();
    if (process.env['CONSOLE_TEST_SHOTS'])
      await page.screenshot({
        path: `${process.env['CONSOLE_TEST_SHOTS']}-trace-${colorScheme}.png`,
        fullPage: true,
      });
    expect(await seriousViolations(page)).toEqual([]);
    expect(errors).toEqual([]);
    await page.close();
  },
);

it('ends with 2 and one line that names the variable on a wrong setting', async () => {
  const wrong = startNode(['console/server.ts'], { CONSOLE_PORT: 'many' });
  expect(await wrong.exited).toBe(2);
  expect(wrong.output()).toMatch(/^console: CONSOLE_PORT is not a number[^\n]*\n$/);
});
