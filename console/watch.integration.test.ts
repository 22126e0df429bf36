import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exposition } from '../lib/prometheus/exposition.ts';
import { waitFor } from '../lib/waitFor.ts';
import { CONSOLE_TOKEN, startConsole } from '../test/support/console.ts';
import { databaseFor } from '../test/support/database.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { startNode } from '../test/support/process.ts';
import { patient } from '../test/support/unhurried.ts';
import { metricsOf } from '../watch/metrics.ts';
import { readHistory } from '../watch/store.ts';
import { type ObservedDatabase, observeDatabase } from './observed.ts';
import { Gate } from './sources/gate.ts';
import { TraceStore } from './traces/store.ts';

const LOOKUP = 'SELECT sum(fee) FROM loan WHERE book = $1';
const BUDGET_MS = 60_000;

const database = databaseFor('all');
let dir: string;
beforeAll(async () => {
  await database.client.query(`
    CREATE EXTENSION pg_stat_statements;
    CREATE TABLE loan AS SELECT i AS id, i % 5000 AS book, 1 AS fee, repeat('x', 60) AS note FROM generate_series(1, 60000) AS i;
    ANALYZE loan`);
});
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-watch-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const ends = new AbortController();
afterAll(() => ends.abort());

const observe = (url = database.url, turn = new Gate('The diagnosis', 1, 9)): Promise<ObservedDatabase> =>
  observeDatabase(
    { name: 'lending', url },
    {
      traces: new TraceStore({ maxTraces: 10, maxBytes: 1_000_000 }),
      signal: ends.signal,
      turn,
      directory: dir,
      everySeconds: 900,
      settings: patient,
      measure: { windows: 0, windowMs: 0 },
      onChange: () => {},
      log: (message) => expect.unreachable(message),
    },
  );
const lookUp = async (times: number) => {
  for (let at = 0; at < times; at += 1) await database.client.query(LOOKUP, [at]);
};
const runOf = async (observed: ObservedDatabase) => {
  await observed.diagnosis.scheduled(BUDGET_MS);
  const history = await readHistory(dir, 'lending');
  return { history, run: history.runs.at(-1) };
};

describe('a scheduled run', () => {
  it('keeps its findings over restarts, and resolves what is gone', async () => {
    await lookUp(60);
    const { history, run } = await runOf(await observe());
    expect(run, JSON.stringify(run)).toMatchObject({
      outcome: 'complete',
      findings: history.findings.length,
    });
    const id = history.findings.find(({ check }) => check === 'missing-index')?.id ?? '';
    expect(id).toContain('public.loan("book")');
    const stateOf = async (observed: ObservedDatabase) =>
      (await runOf(observed)).history.findings.find((finding) => finding.id === id)?.state;
    // Another process, which knows the file only.
    const again = await observe();
    expect(again.diagnosis.reading.watch?.findings.find((finding) => finding.id === id)?.state).toBe('new');
    expect(await stateOf(again)).toBe('open');
    const metrics = exposition(metricsOf('lending', await readHistory(dir, 'lending')));
    expect(metrics).toContain(
      'sqltrail_finding{database="lending",check="missing-index",severity="critical",state="open",object="public.loan(\\"book\\")"} 1',
    );
    expect(metrics).toContain('sqltrail_diagnosis_complete{database="lending"} 1');
    expect(metrics).toContain('sqltrail_diagnosis_runs_total{database="lending",outcome="complete"} 2');
    await database.client.query('CREATE INDEX loan_book ON loan (book)');
    expect([await stateOf(again), await stateOf(again), await stateOf(again)]).toEqual([
      'open',
      'open',
      'resolved',
    ]);
  });

  it('sees a statement that is slower since its plan changed, and not one that is merely called more', async () => {
    await database.client.query('CREATE INDEX IF NOT EXISTS loan_book ON loan (book)');
    const observed = await observe();
    const ratio = async () => (await runOf(observed)).history;
    for (let run = 0; run < 5; run += 1) {
      await lookUp(run === 3 ? 400 : 40);
      const { plans } = await ratio();
      expect(plans.find(({ summary }) => summary === 'SELECT loan')?.plans.length).toBe(1);
    }
    expect(observed.diagnosis.reading.watch?.slowdowns).toEqual([]);
    await database.client.query('DROP INDEX loan_book');
    for (let run = 0; run < 2; run += 1) {
      await lookUp(40);
      await ratio();
    }
    const [slower] = observed.diagnosis.reading.watch?.slowdowns ?? [];
    expect(slower).toMatchObject({ summary: 'SELECT loan', scans: ['Seq Scan on public.loan'] });
    expect(slower?.formerScans.join()).toContain('loan_book');
    expect(slower?.ratio).toBeGreaterThan(2);
    expect(exposition(metricsOf('lending', await readHistory(dir, 'lending')))).toMatch(
      /sqltrail_plan_slowdown_ratio\{database="lending",db_query_summary="SELECT loan",fingerprint="[0-9a-f]+"\} \d/,
    );
  });

  it('leaves a database alone that has no room for it, and says why', async () => {
    const holder = new pg.Client(database.url);
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE loan');
    const waiting = Array.from({ length: 5 }, () => new pg.Client(database.url));
    await Promise.all(waiting.map((each) => each.connect()));
    const blocked = waiting.map((each) => each.query('SELECT FROM loan LIMIT 1'));
    try {
      await waitFor(
        'five to wait',
        async () => {
          const { rows } = await database.client.query(
            "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
          );
          return rows[0].n === 5;
        },
        { deadlineMs: PATIENCE_MS },
      );
      const { run, history } = await runOf(await observe());
      expect(run).toMatchObject({
        outcome: 'skipped',
        reason: '5 sessions wait for a lock',
        databaseSeconds: 0,
      });
      expect(history.findings).toEqual([]);
    } finally {
      await holder.query('ROLLBACK');
      await Promise.all(blocked);
      await Promise.all([holder, ...waiting].map((each) => each.end()));
    }
  });

  it('of a database that cannot be reached, or refuses, fails with the reason and changes no finding', async () => {
    for (const [url, reason] of [
      ['postgres://nobody@127.0.0.1:1/lending', /127\.0\.0\.1:1\/lending: nothing listens there/],
      [database.url.replace(/\/[^/]+$/, '/not_there'), /there is no such database/],
    ] as const) {
      const { run, history } = await runOf(await observe(url));
      expect(run).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(reason) });
      expect(history.findings).toEqual([]);
    }
  });

  it('without grants finds what may be seen, and is not complete', async () => {
    const role = `${database.name}_reader`;
    await database.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
    try {
      const url = new URL(database.url);
      url.username = role;
      url.password = 'x';
      const observed = await observe(url.href);
      const { run } = await runOf(observed);
      expect(['complete', 'partial']).toContain(run?.outcome);
      expect(observed.diagnosis.reading.last?.blind.map(({ remedy }) => remedy).join()).toMatch(/GRANT/);
    } finally {
      await database.client.query(`DROP ROLE ${role}`);
    }
  });

  it('waits for its turn while another database is diagnosed', async () => {
    const turn = new Gate('The diagnosis', 1, 9);
    let release = () => {};
    const held = turn.run(() => new Promise<void>((resolve) => (release = resolve)));
    const observed = await observe(database.url, turn);
    const running = observed.diagnosis.scheduled(BUDGET_MS);
    expect(observed.diagnosis.reading.running?.check).toBe('waiting for its turn');
    expect(() => observed.diagnosis.start({ part: 'quick' })).toThrow('already running');
    release();
    await Promise.all([held, running]);
    expect((await readHistory(dir, 'lending')).runs.at(-1)?.outcome).toBe('complete');
  });
});

it('the console shows each database, and the schedule goes on while one cannot be reached', async () => {
  const started = await startConsole({
    prometheusUrl: 'http://127.0.0.1:1',
    alertmanagerUrl: 'http://127.0.0.1:1',
    databases: [
      { name: 'books', url: 'postgres://nobody@127.0.0.1:1/books' },
      { name: 'lending', url: database.url },
    ],
    directory: dir,
    schedule: { everySeconds: 3_600, budgetSeconds: 60, firstMs: 0 },
    diagnosis: patient,
  });
  try {
    const metrics = async () => (await fetch(`${started.base}/metrics`)).text();
    const read = async (query: string) => (await fetch(`${started.base}/api/diagnosis${query}`)).json();
    const counted = (name: string, outcome: string) =>
      `sqltrail_diagnosis_runs_total{database="${name}",outcome="${outcome}"} 1\n`;
    await waitFor(
      'both to have run',
      async () => {
        const text = await metrics();
        const counts = [counted('books', 'failed'), counted('lending', 'complete')];
        // It is counted before it is written, and can be asked for again after that.
        return counts.every((count) => text.includes(count)) && !(await read('?database=lending')).running;
      },
      { deadlineMs: PATIENCE_MS },
    );
    expect(await read('')).toMatchObject({ last: null, watch: { lastRun: { outcome: 'failed' } } });
    expect(await read('?database=lending')).toMatchObject({
      last: { tables: 1 },
      watch: { everySeconds: 3_600, lastRun: { outcome: 'complete' } },
    });
    expect(await (await fetch(`${started.base}/`)).text()).toContain('content="books lending"');
    const missing = await fetch(`${started.base}/api/diagnosis?database=films`);
    expect([missing.status, await missing.text()]).toEqual([404, expect.stringContaining('books, lending')]);
    const asked = await fetch(`${started.base}/api/diagnosis?database=lending`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${CONSOLE_TOKEN}` },
      body: '{"part":"quick"}',
    });
    expect(asked.status).toBe(202);
    expect(started.faults).toEqual([]);
  } finally {
    await started.close();
  }
});

it('a history is whole whenever the process that writes it is killed', async () => {
  for (const dots of [1, 4, 9]) {
    const writer = startNode(['test/support/recordFindings.ts', dir], {});
    await waitFor('it to write', () => writer.output().length >= dots, {
      deadlineMs: PATIENCE_MS,
      everyMs: 1,
    });
    expect(await writer.stop('SIGKILL'), writer.output()).toBe('SIGKILL');
    const { findings, runs } = await readHistory(dir, 'lending');
    expect(findings.length).toBe(300);
    expect(runs.length).toBeGreaterThan(0);
  }
});
