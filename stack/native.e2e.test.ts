import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alerts } from '../alerts/definitions.ts';
import { queryExemplars, queryVector, type StoryTargets, setPhase } from '../demo/clients.ts';
import { catalogue } from '../kpis/catalogue.ts';
import { waitFor } from '../lib/waitFor.ts';
import { type GivenSpan, otlpTrace } from '../test/support/otlp.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { freePorts } from '../test/support/ports.ts';
import { runbooks } from '../test/support/runbooks.ts';
import { startTestStack, type TestStack } from '../test/support/stack.ts';
import { type NativeStack, startNative } from './native.ts';

let stack: NativeStack;
let targets: StoryTargets;
let close: TestStack['close'] | undefined;
let dir: string;

beforeAll(async () => {
  ({ dir, stack, targets, close } = await startTestStack({
    profile: 'ordinary',
    // Every statement is slow enough for its plan to be captured.
    environment: {
      shop: { SQLTRAIL_PLAN_SLOW_MS: '1' },
      load: { LOAD_ORDINARY_RATE: '5', LOAD_THINK_MS: '100' },
    },
  }));
});
afterAll(() => close?.());

/** Names that the project's own sources export; Prometheus's and Go's are not the project's to keep. */
const metricNames = (text: string) =>
  text.match(/\b(?:http_server_request|db_client|load|shop|sqltrail|pg|nodejs|v8js)_[a-z0-9_]+\b/g) ?? [];
const labels = new Set(['db_client_connection_state', 'db_client_connection_pool_name']);

async function metricsInUse(): Promise<string[]> {
  const texts = [
    ...catalogue.flatMap(({ promql, series }) => [promql(), ...series.map((line) => line.promql)]),
    ...alerts.map(({ expr }) => expr),
    // Of what the shop is observed by.
    ...runbooks
      .filter(({ name }) => alerts.some(({ alert }) => alert === name))
      .flatMap(({ promql }) => promql),
  ];
  const json = path.join(import.meta.dirname, '..', 'dashboards', 'json');
  for (const file of await readdir(json))
    JSON.parse(await readFile(path.join(json, file), 'utf8'), (key, value) => {
      if (key === 'expr' && typeof value === 'string') texts.push(value);
      return value;
    });
  return [...new Set(texts.flatMap(metricNames))].filter((name) => !labels.has(name)).sort();
}

describe('the running stack', () => {
  it('exports every metric that a KPI, a rule or a dashboard uses', async () => {
    // A statement timeout has no series until there is one.
    const locker = new pg.Client(stack.databaseUrl('postgres'));
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE reviews');
    expect((await fetch(`${stack.urls.shop}/products/1`)).status).toBe(504);
    await locker.query('ROLLBACK');
    await locker.end();
    const wanted = await metricsInUse();
    expect(wanted.length).toBeGreaterThan(30);
    await waitFor(
      'every metric to be there',
      async () => {
        const response = await fetch(`${stack.urls.prometheus}/api/v1/label/__name__/values`);
        const { data } = (await response.json()) as { data: string[] };
        const missing = wanted.filter((name) => !data.includes(name));
        if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}`);
        return true;
      },
      { deadlineMs: PATIENCE_MS, everyMs: 1_000 },
    );
  });

  it('leads from the exemplar of a metric to one trace: HTTP span, query span, plan', async () => {
    interface Fetched {
      traceId: string;
      spans: {
        spanId: string;
        parentSpanId: string | null;
        kind: string;
        name: string;
        attributes: Record<string, unknown>;
      }[];
    }
    await waitFor(
      'an exemplar whose trace has a plan',
      async () => {
        const exemplars = await queryExemplars(
          targets,
          'db_client_operation_duration_seconds_bucket',
          new Date(Date.now() - 300_000),
          new Date(),
        );
        for (const { labels: exemplar } of exemplars) {
          const response = await fetch(`${stack.urls.console}/api/traces/${exemplar['trace_id']}`);
          if (!response.ok) continue;
          const { traceId, spans } = (await response.json()) as Fetched;
          const plan = spans.find((span) => 'sqltrail.plan' in span.attributes);
          const query = spans.find((span) => span.spanId === plan?.parentSpanId);
          const request = spans.find((span) => span.spanId === query?.parentSpanId);
          if (!plan || !query || request?.kind !== 'server') continue;
          expect(traceId).toBe(exemplar['trace_id']);
          expect(plan.name).toBe(`EXPLAIN ${query.attributes['db.query.summary']}`);
          expect(query.kind).toBe('client');
          expect(query.attributes['http.route']).toBe(request.attributes['http.route']);
          expect(JSON.parse(String(plan.attributes['sqltrail.plan']))[0].Plan).toBeDefined();
          return true;
        }
        return false;
      },
      { deadlineMs: 120_000, everyMs: 2_000 },
    );
  });

  it.each(runbooks.flatMap(({ name, promql }) => promql.map((query) => [name, query])))(
    'answers the query of a runbook: %s, %s',
    async (_name, query) => {
      const url = new URL('/api/v1/query', stack.urls.prometheus);
      url.searchParams.set('query', query as string);
      const response = await fetch(url);
      expect(response.status, await response.text()).toBe(200);
    },
  );

  it('shows the phase as a metric', async () => {
    await setPhase(targets, 'ordinary');
    await waitFor(
      'the phase',
      async () => (await queryVector(targets, 'sqltrail_phase_info{phase="ordinary"} == 1')).length === 1,
      { deadlineMs: PATIENCE_MS, everyMs: 1_000 },
    );
  });

  it('mutes a symptom while its cause fires', async () => {
    const alertmanager = `${stack.urls.alertmanager}/api/v2/alerts`;
    const fire = (labels: Record<string, string>) =>
      fetch(alertmanager, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify([{ labels: { ...labels, test: 'inhibition' } }]),
      });
    const mutedBy = async () => {
      const alerts = (await (await fetch(`${alertmanager}?filter=test="inhibition"`)).json()) as {
        labels: { alertname: string };
        status: { state: string; inhibitedBy: string[] };
      }[];
      return alerts.find(({ labels }) => labels.alertname === 'CheckoutFailures')?.status;
    };
    await fire({ alertname: 'CheckoutFailures', severity: 'page', layer: 'symptom' });
    await fire({ alertname: 'PoolExhausted', severity: 'page', layer: 'cause' });
    await waitFor(
      'the symptom to be muted',
      async () => {
        const status = await mutedBy();
        return status?.state === 'suppressed' && status.inhibitedBy.length > 0;
      },
      { deadlineMs: PATIENCE_MS, everyMs: 500 },
    );
  });

  it.each(['otelcol', 'prometheus', 'postgres'])(
    'brings %s back when it is killed, while the shop stays up',
    async (name) => {
      const part = () => stack.parts().find((candidate) => candidate.name === name);
      const before = part()?.pid as number;
      process.kill(before, 'SIGKILL');
      if (name !== 'postgres') expect((await fetch(`${stack.urls.shop}/products/1`)).status).toBe(200);
      await waitFor(`${name} to run again`, () => part()?.state === 'ready' && part()?.pid !== before, {
        deadlineMs: PATIENCE_MS,
      });
      await waitFor(
        'the shop to serve',
        async () => (await fetch(`${stack.urls.shop}/products/1`)).status === 200,
        { deadlineMs: PATIENCE_MS },
      );
    },
  );
});

describe('the collector', () => {
  const send = (traceId: string, span: Partial<GivenSpan>) =>
    fetch(`http://127.0.0.1:${stack.ports.collector}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(
        otlpTrace(traceId, [
          { id: 1, name: 'GET /x', kind: 2, startMs: Date.now() - 1_000, durationMs: 5, ...span },
        ]),
      ),
    });
  const ids = (letter: string, count: number) =>
    Array.from({ length: count }, (_, i) => `${letter}${i}`.padEnd(32, letter));
  const kept = async (traceIds: string[]) => {
    const found = await Promise.all(
      traceIds.map(async (id) => (await fetch(`${stack.urls.console}/api/traces/${id}`)).ok),
    );
    return found.filter(Boolean).length;
  };

  it('keeps every trace with an error and every slow one, and a share of the rest', async () => {
    const [errors, failures, slow, rest] = [ids('a', 30), ids('b', 30), ids('c', 30), ids('d', 100)];
    for (const id of errors) await send(id, { error: 'no' });
    for (const id of failures) await send(id, { attributes: { 'http.response.status_code': 503 } });
    for (const id of slow) await send(id, { durationMs: 260 });
    for (const id of rest) await send(id, {});
    await waitFor(
      'every trace of interest',
      async () => (await kept([...errors, ...failures, ...slow])) === 90,
      { deadlineMs: PATIENCE_MS, everyMs: 1_000 },
    );
    // A tenth: that 40 of 100 are kept by chance does not happen.
    expect(await kept(rest)).toBeLessThan(40);
  });

  it('delivers what it had taken, though it is killed while the console is unavailable', async () => {
    const part = (name: string) => stack.parts().find((candidate) => candidate.name === name);
    const [id] = ids('f', 1) as [string];
    const away = part('console')?.pid as number;
    const killed = part('otelcol')?.pid as number;
    const queue = path.join(stack.directory, 'data', 'otelcol');
    process.kill(away, 'SIGSTOP');
    try {
      await send(id, { error: 'no' });
      await waitFor(
        'the trace to be in the queue on disk',
        async () => {
          for (const file of await readdir(queue))
            if ((await readFile(path.join(queue, file))).includes(Buffer.from(id, 'hex'))) return true;
          return false;
        },
        { deadlineMs: PATIENCE_MS, everyMs: 250 },
      );
      process.kill(killed, 'SIGKILL');
      await waitFor(
        'the collector to run again',
        () => part('otelcol')?.state === 'ready' && part('otelcol')?.pid !== killed,
        { deadlineMs: PATIENCE_MS },
      );
    } finally {
      process.kill(away, 'SIGCONT');
    }
    await waitFor('the trace', async () => (await kept([id])) === 1, {
      deadlineMs: PATIENCE_MS,
      everyMs: 1_000,
    });
  });

  it('takes values out of spans of whoever did not', async () => {
    const [id] = ids('e', 1) as [string];
    await send(id, {
      error: 'Key (email)=(anna@example.com) already exists',
      attributes: {
        'url.query': 'q=anna',
        'db.query.text': "SELECT * FROM customers WHERE email = 'anna@example.com'",
      },
    });
    await waitFor('the trace', async () => (await kept([id])) === 1, {
      deadlineMs: PATIENCE_MS,
      everyMs: 1_000,
    });
    const text = await (await fetch(`${stack.urls.console}/api/traces/${id}`)).text();
    expect(text).toContain('SELECT * FROM customers');
    expect(text).not.toContain('anna');
  });
});

describe('starting', () => {
  it('refuses a second stack on the same directory, and a port that is taken, by name', async () => {
    await expect(
      startNative({ dir: stack.directory, scale: 'tiny', seed: 1, ports: await freePorts() }),
    ).rejects.toThrow(/already running.*SQLTRAIL_DIR/s);
    const ports = { ...(await freePorts()), shop: stack.ports.shop };
    await expect(
      startNative({ dir: path.join(dir, 'other'), scale: 'tiny', seed: 1, ports }),
    ).rejects.toThrow(/SQLTRAIL_PORT_SHOP/);
  });

  it('names the directory that cannot be written', async () => {
    await expect(startNative({ dir: '/dev/null/sqltrail', scale: 'tiny', seed: 1 })).rejects.toThrow(
      /\/dev\/null\/sqltrail.*SQLTRAIL_DIR/s,
    );
  });
});
