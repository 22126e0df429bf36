import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { catalogue } from '../kpis/catalogue.ts';
import { diagnosisOf } from '../test/support/diagnosis.ts';
import { slowRequest } from '../test/support/otlp.ts';
import { serve } from '../test/support/serve.ts';
import { createConsole } from './app.ts';

type Answer = { status: number; body: unknown };
const vector = (...result: unknown[]): Answer => ({
  status: 200,
  body: { status: 'success', data: { result } },
});

/** A test server in the place of Prometheus: its real answers to rare queries (refused, none) cannot be ordered otherwise. */
let answer: (promql: string) => Answer;
let running = 0;
let mostRunning = 0;
const closers: (() => Promise<void> | void)[] = [];
let base = '';
let orphan = '';
const token = 't'.repeat(24);
const webhookToken = 'w'.repeat(24);
const traceId = 'a'.repeat(32);

beforeAll(async () => {
  const standIn = await serve((request, response) => {
    let body = '';
    running += 1;
    mostRunning = Math.max(mostRunning, running);
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () =>
      setImmediate(() => {
        running -= 1;
        const { status, body: given } = answer(new URLSearchParams(body).get('query') ?? '');
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(given));
      }),
    );
  });
  // Nothing listens there, and nothing that listens on a free port gets it.
  const away = 'http://127.0.0.1:2';
  const start = async (prometheusUrl: string) => {
    const made = await createConsole({
      allowedHosts: ['console.example.com'],
      prometheusUrl,
      alertmanagerUrl: away,
      tempoUrl: undefined,
      databases: [{ name: 'shop', url: 'postgres://sqltrail_monitor@127.0.0.1:1/shop' }],
      token,
      webhookToken,
      maxTraces: 100,
      maxTraceBytes: 10_000_000,
      log: (message) => expect.unreachable(message),
    });
    const served = await serve(made.app);
    closers.push(made.close, served.close);
    return served.url;
  };
  closers.push(standIn.close);
  base = await start(standIn.url);
  orphan = await start(away);
});
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});
beforeEach(() => {
  answer = () => vector();
  mostRunning = 0;
});

const get = async (path: string, from = base) => {
  const response = await fetch(from + path);
  return { status: response.status, type: response.headers.get('content-type'), body: await response.json() };
};
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(base + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

describe('phase', () => {
  it('changes with the token only, is remembered, and is the one in the metrics', async () => {
    expect((await post('/api/phase', { phase: 'peak' })).status).toBe(401);
    expect(
      (await post('/api/phase', { phase: 'peak' }, { authorization: `Bearer ${webhookToken}` })).status,
    ).toBe(401);
    const authorization = `Bearer ${token}`;
    expect((await post('/api/phase', { phase: 'night' }, { authorization })).status).toBe(400);
    expect((await post('/api/phase', { phase: 'peak' }, { authorization })).status).toBe(200);
    const { body } = await get('/api/phase');
    expect(body.history.map((entry: { phase: string }) => entry.phase)).toEqual(['idle', 'peak']);
    const metrics = await (await fetch(`${base}/metrics`)).text();
    expect(metrics.match(/^sqltrail_phase_info.*$/gm)).toEqual(['sqltrail_phase_info{phase="peak"} 1']);
  });
});

describe('traces', () => {
  it('takes gzipped OTLP/JSON and gives the trace back with its SQL', async () => {
    const response = await fetch(`${base}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      body: gzipSync(JSON.stringify(slowRequest(traceId, 1_700_000_000_000))),
    });
    expect([response.status, await response.json()]).toEqual([200, {}]);
    const { body } = await get(`/api/traces/${traceId.toUpperCase()}`);
    expect(body.spans).toHaveLength(16);
    expect(body.spans[1].attributes['db.query.text']).toContain('FROM orders');
    const found = await get('/api/traces?statement=SELECT%20orders&errors=true&limit=1');
    expect(found.body).toMatchObject([{ traceId, statement: { calls: 1 } }]);
    expect((await get('/api/traces?statement=SELECT%20orders&errors=false')).body).toEqual([]);
  });

  it.each([
    ['/api/traces/xyz', 400],
    [`/api/traces/${'b'.repeat(32)}`, 404],
    ['/api/traces?limit=0', 400],
    ['/api/nothing', 404],
  ])('%s answers %i as a problem', async (path, status) => {
    expect(await get(path)).toMatchObject({
      status,
      type: expect.stringContaining('application/problem+json'),
    });
  });

  it('refuses what is not JSON', async () => {
    const response = await post('/v1/traces', {}, { 'content-type': 'text/plain' });
    expect(response.status).toBe(415);
  });
});

describe('KPIs', () => {
  it('gives a value, none with a reason for a refused query, and asks only a few at a time', async () => {
    const [first, second] = catalogue;
    answer = (promql) => {
      if (promql === first?.promql())
        return vector({ metric: {}, value: [0, String(first.objective.value)] });
      if (promql === second?.promql())
        return { status: 422, body: { status: 'error', error: 'too many samples' } };
      return vector({ metric: {}, value: [0, 'NaN'] });
    };
    const { body } = await get('/api/kpis');
    expect(body).toHaveLength(catalogue.length);
    expect(body[0]).toMatchObject({ value: first?.objective.value, met: true, reason: null });
    expect(body[1]).toMatchObject({
      value: null,
      met: null,
      reason: expect.stringContaining('too many samples'),
    });
    expect(body[2]).toMatchObject({ value: null, met: null });
    expect(mostRunning).toBeGreaterThan(1);
    expect(mostRunning).toBeLessThanOrEqual(4);
  });

  it.each([
    ['/api/kpis', 'Prometheus'],
    ['/api/statements', 'Prometheus'],
    ['/api/alerts', 'Alertmanager'],
  ])('%s answers 502 naming %s when it is unavailable', async (path, source) => {
    expect(await get(path, orphan)).toMatchObject({
      status: 502,
      type: expect.stringContaining('application/problem+json'),
      body: {
        source,
        detail: expect.stringContaining('refuses connections'),
        nextStep: expect.stringContaining('URL'),
      },
    });
  });
});

it('joins statements with the text and the sample trace of the store', async () => {
  answer = (promql) => {
    const sample = (name: string, value: number) => ({
      metric: { db_query_summary: name },
      value: [0, String(value)],
    });
    if (promql.startsWith('histogram_quantile')) return vector(sample('SELECT orders', 0.5));
    if (promql.includes('seconds_sum')) return vector(sample('SELECT orders', 3), sample('SELECT carts', 1));
    if (promql.includes('STATUS_CODE_ERROR')) return vector(sample('SELECT orders', 1));
    return vector(sample('SELECT orders', 10), sample('SELECT carts', 10), sample('SELECT gone', 0));
  };
  const { body } = await get('/api/statements');
  expect(body).toEqual([
    {
      summary: 'SELECT orders',
      rate: 10,
      meanSeconds: 0.3,
      p95Seconds: 0.5,
      timeShare: 0.75,
      errorRatio: 0.1,
      text: expect.stringContaining('FROM orders'),
      traceId,
    },
    expect.objectContaining({ summary: 'SELECT carts', timeShare: 0.25, errorRatio: 0, traceId: null }),
  ]);
});

it('keeps the last 200 notifications, newest first', async () => {
  const authorization = `Bearer ${webhookToken}`;
  const alerts = (from: number) =>
    Array.from({ length: 150 }, (_, i) => ({
      status: 'firing',
      labels: { alertname: `A${from + i}` },
      startsAt: '2026-01-01T00:00:00Z',
    }));
  expect((await post('/api/alerts/webhook', { alerts: alerts(0) })).status).toBe(401);
  for (const from of [0, 150]) await post('/api/alerts/webhook', { alerts: alerts(from) }, { authorization });
  const { body } = await get('/api/alerts/history');
  expect(body).toHaveLength(200);
  expect(body[0].labels.alertname).toBe('A150');
});

describe('changes from a page', () => {
  const session = async (body: unknown, headers: Record<string, string> = {}) => {
    const response = await post('/api/session', body, headers);
    return { status: response.status, token: (await response.json()).token as string | undefined };
  };
  const diagnose = async (headers: Record<string, string>) =>
    (await post('/api/diagnosis', { part: 'none' }, headers)).status;

  it('need a session, which the token or the code of a link gives, once', async () => {
    expect(await diagnose({})).toBe(401);
    expect((await session({})).status).toBe(401);
    expect((await session({ code: 'guessed' })).status).toBe(401);
    expect((await post('/api/session/link', {})).status).toBe(401);
    const authorization = `Bearer ${token}`;
    const { code } = await (await post('/api/session/link', {}, { authorization })).json();
    const opened = await session({ code });
    expect(opened.status).toBe(200);
    expect((await session({ code })).status).toBe(401);
    // Let in, the body is looked at.
    expect(await diagnose({ authorization: `Bearer ${opened.token}` })).toBe(400);
    const typed = await session({}, { authorization });
    expect(await diagnose({ authorization: `Bearer ${typed.token}` })).toBe(400);
    expect(opened.token).not.toBe(typed.token);
  });

  it('are refused to another site’s page, whatever it knows', async () => {
    const authorization = `Bearer ${token}`;
    expect(await diagnose({ authorization, origin: 'https://evil.example' })).toBe(403);
    expect(await diagnose({ authorization, origin: 'null' })).toBe(403);
    expect(await diagnose({ authorization, 'sec-fetch-site': 'same-site' })).toBe(403);
    expect(await diagnose({ authorization, origin: base })).toBe(400);
  });

  it('are refused without a role that owns the tables', async () => {
    const authorization = `Bearer ${token}`;
    const response = await post('/api/actions', { verb: 'apply', id: 'index:a.b' }, { authorization });
    expect(response.status).toBe(403);
    expect((await response.json()).detail).toContain('OWNER_DATABASE_URL');
  });
});

it('takes the findings of another run with the token, and none that it could not show', async () => {
  const given = diagnosisOf();
  const put = (body: unknown, headers: Record<string, string>) =>
    fetch(`${base}/api/diagnosis`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const authorization = `Bearer ${token}`;
  expect((await put(given, {})).status).toBe(401);
  const wrong = await put({ ...given, findings: [{ id: 'x' }] }, { authorization });
  expect([wrong.status, (await wrong.json()).detail]).toEqual([400, expect.stringContaining('findings.0')]);
  expect((await put(given, { authorization })).status).toBe(200);
  expect((await get('/api/diagnosis')).body).toMatchObject({
    origin: 'delivered',
    last: { target: 'db:5432/shop' },
  });
});
