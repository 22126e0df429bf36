import type { Browser } from 'playwright-core';
import { openBrowser } from '../test/support/browser.ts';
import { startConsole, startTelemetry, type Telemetry } from '../test/support/console.ts';
import { otlpTrace } from '../test/support/otlp.ts';

/**
 * The console's page in a headless Chromium: time until each page can be used, on little and on much data, and the
 * page's heap over many live updates. Prometheus and Alertmanager are test servers, so their time is not in it.
 * node bench/console.ts pages [runs] | node bench/console.ts soak [updates]
 */
const [mode = '', count] = process.argv.slice(2);
const most = Number(count ?? (mode === 'soak' ? 3_600 : 7));
if (!['pages', 'soak'].includes(mode) || !(most >= 1)) {
  process.stderr.write('usage: node bench/console.ts pages [runs] | soak [updates]\n');
  process.exit(2);
}

const SPANS_OF_LONGEST = 5_000;
const traceId = (n: number) => n.toString(16).padStart(32, '0');
const summaryOf = (n: number) => `SELECT table_${n}`;

async function start(traces: number, statements: number, refreshMs: number) {
  const telemetry: Telemetry = {
    statements: Array.from({ length: statements }, (_, n) => summaryOf(n)),
    alerts: Array.from({ length: 5 }, (_, n) => ({
      labels: {
        alertname: `SlowStatements${n}`,
        severity: 'page',
        layer: 'cause',
        db_query_summary: summaryOf(n),
      },
      summary: `${summaryOf(n)} is slow`,
      startsAt: new Date(Date.now() - n * 60_000).toISOString(),
    })),
    bad: true,
    away: false,
    turn: 0,
  };
  const stand = await startTelemetry(telemetry);
  const console = await startConsole({ ...stand, refreshMs });
  const startMs = Date.now() - 60_000;
  for (let from = 0; from < traces; from += 200)
    await console.post('/v1/traces', {
      resourceSpans: Array.from({ length: Math.min(200, traces - from) }, (_, at) => from + at).flatMap(
        (n) =>
          otlpTrace(traceId(n + 1), [
            { id: 1, name: `GET /page/${n % 40}`, kind: 2, startMs: startMs + n, durationMs: 40 + (n % 900) },
            ...Array.from({ length: 8 }, (_, at) => ({
              id: at + 2,
              parent: 1,
              name: summaryOf((n + at) % statements),
              kind: 3,
              startMs: startMs + n + at,
              durationMs: 3 + (n % 50),
              attributes: {
                'db.query.summary': summaryOf((n + at) % statements),
                'db.query.text': `SELECT * FROM table_${(n + at) % statements} WHERE id = $1`,
              },
            })),
          ]).resourceSpans,
      ),
    });
  const longest = traceId(traces + 1);
  await console.post(
    '/v1/traces',
    otlpTrace(longest, [
      { id: 1, name: 'GET /longest', kind: 2, startMs, durationMs: 9_000 },
      ...Array.from({ length: SPANS_OF_LONGEST - 1 }, (_, at) => ({
        id: at + 2,
        parent: 1,
        name: `SELECT table_${at}`,
        startMs: startMs + at,
        durationMs: 1,
      })),
    ]),
  );
  return {
    base: console.base,
    telemetry,
    longest,
    async close() {
      await console.close();
      await stand.close();
    },
  };
}

const quantile = (sorted: number[], q: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

/**
 * Milliseconds from asking for the address to the content that one came for; and the time that the page's main thread
 * worked until then, which other work on the machine does not lengthen.
 */
async function pages(browser: Browser, name: string, traces: number, statements: number) {
  const served = await start(traces, statements, 5_000);
  const wanted: [string, string, string][] = [
    ['incident', '#/', 'section[aria-labelledby="top-statements"] tbody tr'],
    ['statements', '#/statements', 'main tbody tr'],
    ['statement', `#/statements/${encodeURIComponent(summaryOf(0))}`, 'main tbody tr'],
    ['traces', '#/traces', 'main tbody tr'],
    [`trace of ${SPANS_OF_LONGEST} spans`, `#/traces/${served.longest}`, '.waterfall .row'],
  ];
  for (const [what, hash, selector] of wanted) {
    const times: number[] = [];
    const worked: number[] = [];
    for (let run = 0; run < most; run += 1) {
      // A context of its own: nothing is in its cache.
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
      const page = await context.newPage();
      const devtools = await context.newCDPSession(page);
      await devtools.send('Performance.enable', { timeDomain: 'threadTicks' });
      const started = performance.now();
      await page.goto(`${served.base}/${hash}`, { waitUntil: 'commit' });
      await page.locator(selector).first().waitFor({ timeout: 60_000 });
      times.push(performance.now() - started);
      const { metrics } = await devtools.send('Performance.getMetrics');
      worked.push(1000 * (metrics.find((metric) => metric.name === 'TaskDuration')?.value ?? 0));
      await context.close();
    }
    times.sort((a, b) => a - b);
    worked.sort((a, b) => a - b);
    process.stdout.write(
      `${name.padEnd(34)}${what.padEnd(24)}median ${Math.round(quantile(times, 0.5) ?? 0)} ms, longest ${Math.round(times.at(-1) ?? 0)} ms of ${most}; main thread ${Math.round(quantile(worked, 0.5) ?? 0)} ms\n`,
    );
  }
  await served.close();
}

/** The page's JavaScript heap after garbage collection, while everything on it changes again and again. */
async function soak(browser: Browser) {
  const served = await start(200, 30, 20);
  // Tall, so that a dozen panels are asked for and drawn again as well.
  const page = await browser.newPage({ viewport: { width: 1280, height: 3_000 } });
  const devtools = await page.context().newCDPSession(page);
  await page.addInitScript(() => {
    const Source = EventSource;
    Object.assign(globalThis, { updates: 0 });
    globalThis.EventSource = class extends Source {
      constructor(url: string | URL) {
        super(url);
        this.addEventListener('beat', () => {
          (globalThis as unknown as { updates: number }).updates += 1;
        });
      }
    };
  });
  await page.goto(served.base);
  await page.locator('canvas').first().waitFor({ timeout: 60_000 });
  const turning = setInterval(() => {
    served.telemetry.turn += 1;
  }, 10);
  const updates = () => page.evaluate(() => (globalThis as unknown as { updates: number }).updates);
  const heap = async () => {
    for (let times = 0; times < 3; times += 1) await devtools.send('HeapProfiler.collectGarbage');
    const { usedSize } = await devtools.send('Runtime.getHeapUsage');
    const { nodes } = await devtools.send('Memory.getDOMCounters');
    return { usedSize, nodes };
  };
  for (let next = Math.ceil(most / 10); ; next += Math.ceil(most / 10)) {
    while ((await updates()) < Math.min(next, most)) await page.waitForTimeout(100);
    const { usedSize, nodes } = await heap();
    process.stdout.write(
      `${String(await updates()).padStart(6)} updates  heap ${(usedSize / 1e6).toFixed(1)} MB, ${nodes} DOM nodes\n`,
    );
    if (next >= most) break;
  }
  clearInterval(turning);
  await page.close();
  await served.close();
}

const browser = await openBrowser();
try {
  if (mode === 'soak') await soak(browser);
  else {
    await pages(browser, '200 traces, 6 statements', 200, 6);
    await pages(browser, '10,000 traces, 500 statements', 10_000, 500);
  }
} finally {
  await browser.close();
}
