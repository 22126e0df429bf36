import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Finding } from '../diagnosis/finding.ts';
import { describeStatement, loadParser } from '../instrumentation/statement.ts';
import type { StoryTargets } from './clients.ts';
import { traceCauses } from './trail.ts';

await loadParser();

const plan = JSON.stringify([{ Plan: { 'Node Type': 'Seq Scan', 'Relation Name': 'orders' } }]);

const span = (spanId: string, parentSpanId: string | null, durationMs: number, attributes: object) => ({
  spanId,
  parentSpanId,
  name: 'query',
  startMs: 0,
  durationMs,
  error: false,
  attributes,
});
const query = (text: string) => ({
  'db.query.text': text,
  'sqltrail.query.fingerprint': describeStatement(text).fingerprint,
  'db.query.summary': 'SELECT orders',
  'http.route': '/orders/:orderNumber',
});

/** Two statements with one summary; the plan of the first was captured in the second trace only. */
const traces: Record<string, object> = {
  a: {
    traceId: 'a',
    spans: [
      span('1', null, 900, query('SELECT count(*) FROM orders WHERE status = $1')),
      span('2', null, 400, query('SELECT * FROM orders\n  WHERE order_number = $2')),
    ],
  },
  b: {
    traceId: 'b',
    spans: [
      span('1', null, 300, query('SELECT * FROM orders WHERE order_number = $2')),
      span('2', '1', 1, { 'sqltrail.plan': plan, 'db.query.summary': 'SELECT orders' }),
    ],
  },
};

let server: Server;
let targets: StoryTargets;
beforeAll(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://console');
    const found =
      pathname === '/api/traces'
        ? [{ traceId: 'a' }, { traceId: 'evicted' }, { traceId: 'b' }]
        : traces[pathname.replace('/api/traces/', '')];
    response.statusCode = found ? 200 : 404;
    response.end(JSON.stringify(found ?? null));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  targets = { prometheus: url, alertmanager: url, console: url, shop: url, load: url, token: '' };
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const finding = (id: string, sql: string | null, known: string[]) =>
  ({
    id,
    statements: [
      {
        queryid: null,
        summary: 'SELECT orders',
        fingerprint: sql === null ? null : describeStatement(sql).fingerprint,
      },
    ],
    explains: { kpis: [], traces: known },
  }) as unknown as Finding;

it('a cause gets a trace of its very statement, with a plan where any trace of it has one', async () => {
  const found = await traceCauses(targets, [
    finding('number', 'SELECT * FROM orders WHERE order_number = $1', ['a']),
    finding('count', 'SELECT count(*) FROM orders WHERE status = $7', ['a']),
    finding('other', 'SELECT * FROM carts', ['a']),
    finding('n-plus-one:/orders:SELECT orders', null, ['a']),
    finding('size', 'SELECT * FROM orders WHERE order_number = $1', []),
  ]);
  expect(found.map(({ finding: of, traceId, durationMs }) => [of, traceId, durationMs])).toEqual([
    ['number', 'b', 300],
    ['count', 'a', 900],
    ['n-plus-one:/orders:SELECT orders', 'b', 300],
  ]);
  expect(found[0]?.plan).toEqual(JSON.parse(plan));
  expect(found[1]?.plan).toBeNull();
});
