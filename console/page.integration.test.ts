import pg from 'pg';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeStatement, loadParser } from '../instrumentation/statement.ts';
import { LegacyStore } from '../sample-shop/stores/legacy.ts';
import { seriousViolations } from '../test/support/accessibility.ts';
import { openBrowser } from '../test/support/browser.ts';
import { CONSOLE_TOKEN, startConsole, startTelemetry, type Telemetry } from '../test/support/console.ts';
import { otlpTrace } from '../test/support/otlp.ts';
import { createShopTestDatabase, type ShopDatabase } from '../test/support/shop.ts';
import { patient } from '../test/support/unhurried.ts';

const TRACE = 'a'.repeat(32);
const telemetry: Telemetry = { statements: [], alerts: [], bad: true, away: false, turn: 0 };
let database: ShopDatabase;
let stand: Awaited<ReturnType<typeof startTelemetry>>;
let served: Awaited<ReturnType<typeof startConsole>>;
let browser: Browser;
let admin: pg.Client;
/** The statement that everything is about: the orders of a customer, by e-mail address without regard to case. */
let summary: string;

beforeAll(async () => {
  await loadParser();
  [database, browser] = await Promise.all([createShopTestDatabase('small'), openBrowser()]);
  admin = new pg.Client(database.url('postgres'));
  await admin.connect();
  await admin.query(
    'CREATE EXTENSION IF NOT EXISTS pg_stat_statements; SELECT pg_stat_statements_reset(dbid => (SELECT oid FROM pg_database WHERE datname = current_database()))',
  );
  const pool = new pg.Pool({ connectionString: database.url('shop_app'), max: 2 });
  const shop = new LegacyStore(pool);
  for (let customer = 1; customer <= 8; customer += 1) await shop.history(customer, 1);
  await pool.end();
  const { rows } = await admin.query<{ query: string }>(
    "SELECT query FROM pg_stat_statements WHERE query LIKE '%lower(customer_email)%' AND query LIKE '%ORDER BY%' AND query NOT LIKE '%pg_stat_statements%'",
  );
  const text = rows[0]?.query ?? '';
  const statement = describeStatement(text);
  ({ summary } = statement);
  const { rows: plans } = await admin.query(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`);
  telemetry.statements = [summary];
  telemetry.alerts = [
    {
      labels: {
        alertname: 'SlowStatements',
        severity: 'page',
        layer: 'cause',
        kpi: 'statement-latency-p95',
        db_query_summary: summary,
      },
      summary: `${summary} takes 1.4s (p95)`,
      startsAt: new Date(Date.now() - 60_000).toISOString(),
    },
  ];
  stand = await startTelemetry(telemetry);
  served = await startConsole({
    ...stand,
    databases: [
      { name: 'shop', url: database.url('sqltrail_monitor'), ownerUrl: database.url('shop_owner') },
    ],
    refreshMs: 300,
    diagnosis: patient,
    measure: { windows: 0, windowMs: 0 },
  });
  const startMs = Date.now() - 30_000;
  const query = { 'db.query.summary': summary, 'db.query.text': statement.text };
  await served.post(
    '/v1/traces',
    otlpTrace(TRACE, [
      { id: 1, name: 'GET /customers/:id/orders', kind: 2, startMs, durationMs: 1_500 },
      {
        id: 2,
        parent: 1,
        name: summary,
        kind: 3,
        startMs: startMs + 9,
        durationMs: 1_400,
        attributes: query,
      },
      {
        id: 3,
        parent: 2,
        name: `EXPLAIN ${summary}`,
        startMs: startMs + 1_600,
        durationMs: 2,
        attributes: {
          'db.query.summary': summary,
          'sqltrail.plan': JSON.stringify(plans[0]['QUERY PLAN']),
          'sqltrail.query.fingerprint': statement.fingerprint ?? '',
        },
      },
    ]),
  );
});
afterAll(async () => {
  await browser?.close();
  await served?.close();
  await stand?.close();
  await admin?.end();
  await database?.drop();
});

/** A page whose errors, and violations of its content security policy, are noted. */
async function open(colorScheme: 'light' | 'dark' = 'light') {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1280, height: 900 } });
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.text().includes('Content Security') || message.text().includes('Refused'))
      errors.push(message.text());
  });
  return { page, errors };
}

const indexes = async () =>
  (
    await admin.query(
      "SELECT indexname FROM pg_indexes WHERE tablename = 'orders' AND indexdef LIKE '%lower%'",
    )
  ).rowCount;

async function unlockIn(page: Page) {
  await page.getByLabel('Console token').fill(CONSOLE_TOKEN);
  await page.getByRole('button', { name: 'Unlock' }).click();
}

describe('from the alert to the fix and back', () => {
  it('alert, trace, SQL, plan, finding, fix, undo', async () => {
    const { page, errors } = await open();
    await page.goto(served.base);
    await page.getByText('● live').waitFor();
    await page.getByText('Customers are affected').waitFor();

    // The alert, its runbook, and the trace.
    const alert = page
      .getByRole('listitem')
      .filter({ hasText: `${summary} takes 1.4s` })
      .first();
    expect(await alert.getByRole('link', { name: /^Runbook/ }).getAttribute('href')).toBe(
      '/runbooks/SlowStatements',
    );
    await alert.getByRole('link', { name: /^Slowest trace/ }).click();
    await page.getByRole('heading', { name: 'GET /customers/:id/orders' }).waitFor();

    // SQL and plan: the most expensive scan; estimated against counted rows.
    expect((await page.locator('#sql').textContent())?.toLowerCase()).toContain('lower(customer_email)');
    const dear = page.locator('#plan .node.dear');
    await dear.waitFor();
    expect(await dear.textContent()).toMatch(/Seq Scan on orders.*most expensive/s);
    await page.locator('#plan').getByText('actual rows, mean over all calls').waitFor();
    expect(await dear.textContent()).toContain('rows in the table, all read');

    // Nothing is known of the cause yet; the diagnosis needs the token once.
    await page.getByText('No diagnosis has been run yet.').waitFor();
    await page.getByRole('link', { name: 'Findings' }).first().click();
    await page.getByRole('button', { name: 'Diagnose now' }).click();
    await page.getByLabel('Console token').fill('not the token, but long enough');
    await page.getByRole('button', { name: 'Unlock' }).click();
    await page.getByText('Token missing or wrong').waitFor();
    await unlockIn(page);
    await page.getByText('it changed nothing').waitFor();

    // From the span to the finding, and from there to the action.
    await page.goto(`${served.base}/#/traces/${TRACE}`);
    await page.getByRole('link', { name: /orders is read whole to find rows by customer_email/ }).click();
    await page.getByText('rows of the table').waitFor();
    await page.getByRole('link', { name: 'Review and apply' }).click();
    expect(await indexes()).toBe(0);
    await page.getByRole('button', { name: 'Apply …' }).click();
    await page.getByRole('dialog').getByText('Way back').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(await indexes()).toBe(0);
    await page.getByRole('button', { name: 'Apply …' }).click();
    await page.getByRole('button', { name: 'Apply now' }).click();
    await page.getByText('✓ in force').waitFor();
    expect(await indexes()).toBe(1);

    // Also while its effect is measured, what it answers is not what to do next.
    await admin.query("UPDATE sqltrail.action SET state = 'applied'");
    await page.getByRole('link', { name: 'Incident' }).click();
    const mitigated = page.locator('details').filter({ hasText: '1 with a fix in force' });
    await mitigated.getByText('… applied, being measured').waitFor({ state: 'attached' });
    await admin.query("UPDATE sqltrail.action SET state = 'kept'");
    await page.goBack();
    await page.getByText('✓ in force').waitFor();

    // It is part of the story, and can be reverted.
    await page.getByRole('button', { name: 'Undo …' }).click();
    await page.getByRole('button', { name: 'Undo now' }).click();
    await page.getByText('↩ reverted').waitFor();
    expect(await indexes()).toBe(0);
    await page.getByRole('link', { name: 'Incident' }).click();
    await page.getByRole('link', { name: /^Reverted: index on orders/ }).waitFor();
    expect(errors).toEqual([]);
    expect(served.faults).toEqual([]);
    await page.close();
  });

  it('tells what happens without being loaded again: phases, alerts that come and go', async () => {
    const { page } = await open();
    await page.goto(served.base);
    await page.getByText('1 firing').waitFor();
    await served.post('/api/phase', { phase: 'proof' });
    await page.locator('header').getByText('Proof').waitFor();
    await page.getByText('Proof begins').waitFor();
    const [alert] = telemetry.alerts.splice(0);
    await page.getByText('No alerts are firing').waitFor();
    await page.getByText('SlowStatements is resolved').waitFor();
    if (alert) telemetry.alerts.push(alert);
    await page.getByText('1 firing').waitFor();
    await page.close();
  });

  it('a one-time link unlocks one tab, once, and leaves the address bar', async () => {
    const { code } = await served.post('/api/session/link', {});
    const { page } = await open();
    await page.goto(`${served.base}/#/unlock/${code}`);
    await page.getByText('This tab may now').waitFor();
    expect(page.url()).not.toContain(code);
    const again = await open();
    await again.page.goto(`${served.base}/#/unlock/${code}`);
    await again.page.getByText('The link was already used').waitFor();
    await again.page.close();
    await page.close();
  });
});

const pages = () => [
  '',
  'findings',
  'actions',
  `findings/${encodeURIComponent('missing-index:public.orders(lower("customer_email"))')}`,
  `actions/${encodeURIComponent('index:public.orders_customer_email_5dfade_idx')}`,
  'statements',
  `statements/${encodeURIComponent(summary)}`,
  'traces',
  `traces/${TRACE}`,
  'dashboards/overview',
  'dashboards/comparison',
  'business',
  'kpis/statement-latency-p95',
];

it.each(['light', 'dark'] as const)('axe finds nothing serious on any page (%s)', async (scheme) => {
  const { page, errors } = await open(scheme);
  await page.goto(served.base);
  await page.getByText('● live').waitFor();
  const found: string[] = [];
  for (const hash of pages()) {
    await page.goto(`${served.base}/#/${hash}`);
    await page.locator('main h2').first().waitFor();
    await page.waitForLoadState('networkidle');
    for (const violation of await seriousViolations(page)) found.push(`${hash}: ${violation}`);
  }
  await page.goto(`${served.base}/runbooks/SlowStatements`);
  for (const violation of await seriousViolations(page)) found.push(`runbook: ${violation}`);
  expect(found).toEqual([]);
  expect(errors).toEqual([]);
  await page.close();
});

it('no page is wider than a telephone', async () => {
  const { page } = await open();
  await page.setViewportSize({ width: 390, height: 800 });
  const wide: string[] = [];
  for (const hash of pages()) {
    await page.goto(`${served.base}/#/${hash}`);
    await page.locator('main h2').first().waitFor();
    await page.waitForLoadState('networkidle');
    if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) wide.push(hash);
  }
  expect(wide).toEqual([]);
  await page.close();
});

describe('bad input and outages', () => {
  const hostile = '<img src=x onerror="window.hit=1">\'"><script>window.hit=1</script>{{constructor}}';

  it('a statement of 100 kB, hostile names and a trace of 5,000 spans are shown, and no script of theirs runs', async () => {
    const startMs = Date.now() - 20_000;
    const traceId = 'b'.repeat(32);
    const attributes = {
      'db.query.summary': hostile,
      'db.query.text': `SELECT ${'very_long_column, '.repeat(6_000)}1 FROM "${hostile}"`,
      'sqltrail.plan': `[{"Plan": {"Node Type": ${JSON.stringify(hostile)}, "Total Cost": 1, "Plan Rows": 1}}]`,
    };
    await served.post(
      '/v1/traces',
      otlpTrace(traceId, [
        { id: 1, name: hostile, kind: 2, startMs, durationMs: 9_000, error: hostile },
        ...Array.from({ length: 4_998 }, (_, at) => ({
          id: at + 2,
          parent: 1,
          name: `call ${at}`,
          startMs: startMs + at,
          durationMs: 1,
        })),
        {
          id: 9_000,
          parent: 1,
          name: hostile,
          kind: 3,
          startMs: startMs + 10,
          durationMs: 5_000,
          attributes,
        },
      ]),
    );
    telemetry.statements = [summary, hostile];
    const { page, errors } = await open();
    await page.goto(`${served.base}/#/traces/${traceId}`);
    await page.getByText('5,000 spans').waitFor();
    expect(await page.locator('.waterfall .row').count()).toBeLessThan(400);
    await page.getByText('Page 1 of 34').waitFor();
    await page.getByRole('button', { name: 'Next →' }).click();
    await page.getByText('Page 2 of 34').waitFor();
    await page.getByText('its end was left out when it arrived').waitFor();
    await page.goto(`${served.base}/#/statements`);
    await page.getByRole('link', { name: hostile }).first().waitFor();
    await page.getByLabel('Find').fill(hostile);
    await page.getByText('1 of 2').waitFor();
    await page.goto(`${served.base}/#/statements/${encodeURIComponent(hostile)}`);
    await page.getByRole('heading', { name: hostile }).waitFor();
    await page.goto(`${served.base}/#/findings/%E0%A4%A`);
    await page.getByText('has no finding %E0%A4%A').waitFor();
    // An alert, as Alertmanager's API and its webhook have it; a URL of a script is no link.
    const labels = { alertname: hostile, severity: 'page', layer: 'cause', db_query_summary: hostile };
    telemetry.alerts.push({ labels, summary: hostile, startsAt: new Date().toISOString() });
    const annotations = { summary: hostile, description: hostile, runbook_url: 'javascript:window.hit=1' };
    await served.post('/api/alerts/webhook', {
      alerts: [{ status: 'firing', labels, annotations, startsAt: new Date().toISOString() }],
    });
    await page.goto(`${served.base}/#/`);
    await page.getByRole('listitem').filter({ hasText: hostile }).first().waitFor();
    expect(await page.locator('a[href^="javascript:" i]').count()).toBe(0);
    telemetry.alerts.pop();
    expect(await page.evaluate(() => 'hit' in globalThis)).toBe(false);
    expect(errors).toEqual([]);
    telemetry.statements = [summary];
    await page.close();
  });

  it('an expired trace, an unknown page and a statement that nobody knows say so', async () => {
    const { page } = await open();
    await page.goto(`${served.base}/#/traces/${'f'.repeat(32)}`);
    await page.getByText('was removed to make room for newer ones').waitFor();
    await page.goto(`${served.base}/#/nowhere`);
    await page.getByText('There is no such page').waitFor();
    await page.goto(`${served.base}/#/statements/unknown`);
    await page.getByText('Not seen in the last five minutes').waitFor();
    await page.getByText('None is kept').waitFor();
    await page.close();
  });

  it('while Prometheus is unavailable the last figures stay beside the notice, and it recovers by itself', async () => {
    const { page } = await open();
    await page.goto(`${served.base}/#/statements`);
    await page.getByRole('link', { name: summary }).first().waitFor();
    telemetry.away = true;
    await page.getByText('Look whether Prometheus runs').first().waitFor();
    expect(await page.getByRole('link', { name: summary }).count()).toBeGreaterThan(0);
    telemetry.away = false;
    await page.getByText('Look whether Prometheus runs').first().waitFor({ state: 'detached' });
    await page.close();
  });

  it('without a role that may change, actions show the command and no button', async () => {
    const looking = await startConsole({
      ...stand,
      databases: [{ name: 'shop', url: database.url('sqltrail_monitor') }],
      diagnosis: patient,
    });
    await looking.post('/api/diagnosis', {});
    const { page } = await open();
    await page.goto(`${looking.base}/#/findings`);
    await page.getByText('it changed nothing').waitFor();
    await page.goto(
      `${looking.base}/#/actions/${encodeURIComponent('index:public.orders_customer_email_5dfade_idx')}`,
    );
    await page.getByText('fix apply "$OWNER_DATABASE_URL" --only').waitFor();
    expect(await page.getByRole('button', { name: /Apply|Undo/ }).count()).toBe(0);
    await page.close();
    await looking.close();
  });
});
