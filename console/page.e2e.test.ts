import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { ensureBinaries } from '../stack/binaries.ts';
import { startProcess } from '../stack/supervisor.ts';
import { openBrowser } from '../test/support/browser.ts';
import { slowRequest } from '../test/support/otlp.ts';
import { startNode, type TestProcess, waitUntilServing } from '../test/support/process.ts';
import type { DashboardDefinition, PanelReading } from './panels.ts';

/** The console as it runs, with the real Prometheus and Alertmanager beside it; nothing else. */
const traceId = 'd'.repeat(32);
const token = 't'.repeat(24);
let dir: string;
let parts: Awaited<ReturnType<typeof startProcess>>[] = [];
let served: TestProcess;
let browser: Browser;
let base: string;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-console-'));
  const binaries = await ensureBinaries(['prometheus', 'alertmanager']);
  const [port, prometheus, alertmanager] = [await freePort(), await freePort(), await freePort()];
  base = `http://127.0.0.1:${port}`;
  await mkdir(path.join(dir, 'data'));
  await writeFile(path.join(dir, 'token'), token);
  await writeFile(
    path.join(dir, 'rules.yml'),
    `groups:
  - name: e2e
    rules:
      - alert: SlowStatements
        expr: sqltrail_phase_info{phase="peak"} == 1
        labels: { severity: page, layer: cause, kpi: statement-latency-p95, db_query_summary: SELECT orders }
        annotations: { summary: SELECT orders is slow, runbook_url: docs/runbooks/SlowStatements.md }
`,
  );
  await writeFile(
    path.join(dir, 'prometheus.yml'),
    `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [rules.yml]
scrape_configs: [{ job_name: console, static_configs: [{ targets: ['127.0.0.1:${port}'] }] }]
alerting: { alertmanagers: [{ static_configs: [{ targets: ['127.0.0.1:${alertmanager}'] }] }] }
`,
  );
  await writeFile(
    path.join(dir, 'alertmanager.yml'),
    `route: { receiver: console, group_wait: 1s, group_interval: 1s }
receivers:
  - name: console
    webhook_configs:
      - url: ${base}/api/alerts/webhook
        http_config: { authorization: { credentials_file: token } }
`,
  );
  const start = (name: string, command: string, args: string[], health: string) =>
    startProcess({
      name,
      command,
      args,
      env: {},
      cwd: dir,
      logFile: path.join(dir, `${name}.log`),
      healthy: async (signal) => (await fetch(health, { signal })).ok,
      readyDeadlineMs: 60_000,
    });
  served = startNode(['console/server.ts'], {
    CONSOLE_PORT: String(port),
    PROMETHEUS_URL: `http://127.0.0.1:${prometheus}`,
    ALERTMANAGER_URL: `http://127.0.0.1:${alertmanager}`,
    DATABASE_URL: 'postgres://sqltrail_monitor@127.0.0.1:1/shop',
    SQLTRAIL_TOKEN: token,
  });
  parts = await Promise.all([
    start(
      'alertmanager',
      binaries.alertmanager,
      [
        '--config.file=alertmanager.yml',
        '--storage.path=data/alertmanager',
        '--cluster.listen-address=',
        `--web.listen-address=127.0.0.1:${alertmanager}`,
      ],
      `http://127.0.0.1:${alertmanager}/-/ready`,
    ),
    start(
      'prometheus',
      binaries.prometheus,
      [
        '--config.file=prometheus.yml',
        '--storage.tsdb.path=data/prometheus',
        `--web.listen-address=127.0.0.1:${prometheus}`,
      ],
      `http://127.0.0.1:${prometheus}/-/ready`,
    ),
  ]);
  [browser] = await Promise.all([openBrowser(), waitUntilServing(`${base}/healthz`, served)]);
});
afterAll(async () => {
  await browser?.close();
  for (const part of parts) await part.stop(5_000);
  expect(await served?.stop()).toBe(0);
  await rm(dir, { recursive: true, force: true });
});

const post = async (url: string, body: unknown) => {
  const response = await fetch(base + url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  expect(response.status).toBe(200);
};

it('Prometheus takes the query of every panel, and no page can ask another', async () => {
  const dashboards: DashboardDefinition[] = await (await fetch(`${base}/api/dashboards`)).json();
  const refused: string[] = [];
  for (const { id, minutes, rows } of dashboards)
    for (const panel of rows.flatMap(({ panels }) => panels)) {
      const response = await fetch(
        `${base}/api/dashboards/${id}/${panel.id}?minutes=${minutes}&statement=${encodeURIComponent('SELECT "a" (b)\\')}`,
      );
      const reading: PanelReading = await response.json();
      if (response.status !== 200 || reading.reason?.includes('refused'))
        refused.push(`${id}/${panel.id}: ${JSON.stringify(reading)}`);
    }
  expect(refused).toEqual([]);
  expect((await fetch(`${base}/api/dashboards/overview/up`)).status).toBe(404);
});

it('an alert goes from Prometheus through Alertmanager onto the open page, and away again', async () => {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await post('/v1/traces', slowRequest(traceId, Date.now() - 10_000));
  await page.goto(base);
  await page.getByText('No alerts are firing').waitFor();
  await post('/api/phase', { phase: 'peak' });
  await page.getByText('SELECT orders is slow').first().waitFor();
  await page.getByText('SlowStatements fires (page)').waitFor();
  await post('/api/phase', { phase: 'idle' });
  await page.getByText('SlowStatements is resolved').waitFor();
  await page.close();
});

it('an unavailable database costs its own parts of the page only', async () => {
  const page = await browser.newPage();
  await page.goto(`${base}/#/traces/${traceId}`);
  await page.getByText('12 ×').waitFor();
  await page.getByRole('button', { name: /SELECT reviews/ }).click();
  await page.getByText('canceling statement due to statement timeout').waitFor();
  await page.goto(`${base}/#/statements/${encodeURIComponent('SELECT orders')}`);
  await page.getByText('Postgres is not available').waitFor();
  await page.getByRole('link', { name: 'GET /orders' }).waitFor();
  await page.goto(`${base}/#/actions`);
  await page.getByText('Look whether the database runs').waitFor();
  await page.close();
});

it('ends with 2 and one line that names the variable on a wrong setting', async () => {
  const wrong = startNode(['console/server.ts'], { CONSOLE_PORT: 'many' });
  expect(await wrong.exited).toBe(2);
  expect(wrong.output()).toMatch(/^console: CONSOLE_PORT is not a number[^\n]*\n$/);
});
