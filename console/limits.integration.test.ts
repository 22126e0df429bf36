import { connect, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../lib/waitFor.ts';
import { type ConsoleProcess, startConsoleProcess, tokens } from '../test/support/consoleProcess.ts';
import { diagnosisOf, findingOf } from '../test/support/diagnosis.ts';
import { otlpTrace, slowRequest } from '../test/support/otlp.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { requestOf } from '../test/support/traceShapes.ts';

// What docker-compose.yml leaves beside the traces (144 MB for 64 of them), with fewer of them, which are filled faster.
const HEAP_MB = 104;
const TRACES_MB = 24;
const DEADLINE = { deadlineMs: PATIENCE_MS };

let served: ConsoleProcess;
const start = async () => {
  served = await startConsoleProcess(HEAP_MB, {
    CONSOLE_TRACES_MAX_MB: String(TRACES_MB),
    CONSOLE_TRACES_MAX: '1000000',
  });
};
const sockets: Socket[] = [];
beforeAll(start);
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  expect(served.alive(), served.output()).toBe(true);
  expect((await fetch(`${served.base}/api/traces`)).status).toBe(200);
  // A fault that was answered with 500 is in the log.
  expect(served.output()).not.toMatch(/Error:/);
});
afterAll(() => served?.stop());

const spansOf = (list: string) => `{"resourceSpans":[{"scopeSpans":[{"spans":[${list}]}]}]}`;
const named = (count: number) => Array.from({ length: count }, (_, i) => `"k${i.toString(36)}":0`);
const authorization = (token: string) => ({ authorization: `Bearer ${token}` });

/** A connection that sends `text` and takes nothing. */
const halfOpen = (text: string) => {
  const { port } = new URL(served.base);
  const socket = connect(Number(port), '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => {}).on('connect', () => socket.write(text));
  return socket.pause();
};

describe('a body that is dear to read', () => {
  const bodies: [string, string][] = [
    ['2.6 million empty spans', spansOf(`${'{},'.repeat(2_600_000)}{}`)],
    ['nested lists', '['.repeat(6_000_000)],
    ['nested objects', '{"a":'.repeat(1_200_000)],
    ['an object of each name', `[${named(300_000).map((one) => `{${one}}`)}]`],
    ['members of one object', `{${named(700_000)}}`],
    ['attributes of one span', spansOf(`{"attributes":[${'{},'.repeat(2_600_000)}{}]}`)],
    ['alerts', `{"alerts":[${'{},'.repeat(2_600_000)}{}]}`],
    ['labels', `{"alerts":[{"labels":{${named(700_000)}}}]}`],
    ['findings', `{"format":1,"findings":[${'{},'.repeat(2_600_000)}{}]}`],
  ];
  const routes: [string, string, Record<string, string>][] = [
    ['POST', '/v1/traces', {}],
    ['POST', '/api/alerts/webhook', authorization(tokens.webhook)],
    ['PUT', '/api/diagnosis', authorization(tokens.console)],
    ['POST', '/api/phase', authorization(tokens.console)],
    ['POST', '/api/session', {}],
    ['POST', '/api/actions', authorization(tokens.console)],
  ];
  it.each(bodies)('%s is refused by every route', async (_, body) => {
    for (const [method, path, headers] of routes) {
      const response = await fetch(served.base + path, {
        method,
        headers: { 'content-type': 'application/json', ...headers },
        body,
      });
      expect([path, response.status]).toEqual([path, 413]);
      expect(await response.json()).toMatchObject({ detail: expect.any(String) });
    }
  });

  it('below the limits it is read, with the store full, at a heap that holds both', async () => {
    for (let from = 0; (await served.metric('sqltrail_traces_evicted_total')) === 0; from += 50) {
      const response = await served.post(
        '/v1/traces',
        JSON.stringify(requestOf('one character beyond Latin-1 in each span', from, from + 50)),
      );
      expect(response.status).toBe(200);
    }
    const below = [
      spansOf(`${'{},'.repeat(199_000)}{}`),
      `[${named(4_000).map((one) => `{${one}}`)},${'{"a":0.5},'.repeat(190_000)}0]`,
      spansOf(
        JSON.stringify({
          traceId: 'a'.repeat(32),
          spanId: 'b'.repeat(16),
          startTimeUnixNano: 1,
          endTimeUnixNano: 2,
          attributes: [
            { key: 'x', value: { kvlistValue: Array.from({ length: 390_000 }, () => '\u0001€') } },
          ],
        }),
      ),
      JSON.stringify({ x: '雪'.repeat(2_600_000) }),
    ];
    const answers = await Promise.all([...below, ...below].map((body) => served.post('/v1/traces', body)));
    for (const { status } of answers) expect([200, 400, 503]).toContain(status);
    expect(await served.metric('sqltrail_traces_bytes')).toBeLessThanOrEqual(TRACES_MB * 1e6);
  });

  it('30 MB, and a gzip bomb of 100 MB, are given up', async () => {
    const bomb = gzipSync(Buffer.alloc(100_000_000, ' '));
    for (const [body, headers] of [
      [Buffer.alloc(30_000_000, ' '), {}],
      [bomb, { 'content-encoding': 'gzip' }],
    ] as const) {
      // The connection may be closed before all is sent.
      const status = await served.post('/v1/traces', body, headers).then(
        (response) => response.status,
        () => 413,
      );
      expect(status).toBe(413);
    }
  });
});

describe('the store', () => {
  it('takes a span whose numbers cannot be used for itself alone, and no answer fails for it', async () => {
    const time = fc.oneof(
      fc.constantFrom(
        1e300,
        -1,
        -1e18,
        1.5,
        '1e300',
        '-5',
        '',
        'NaN',
        null,
        true,
        {},
        '0x10',
        2 ** 64,
        '18446744073709551616',
      ),
      fc.constantFrom<unknown>(0, '0', '18446744073709551615', 1_700_000_000_000_000_000, 5e-324),
      fc.double(),
      fc.bigInt().map(String),
    );
    const number = fc.oneof(fc.double(), fc.constantFrom('NaN', '-Infinity', 'x', 1e300));
    const wrong = fc.record(
      {
        startTimeUnixNano: time,
        endTimeUnixNano: time,
        traceId: fc.constantFrom('', 'a', 'g'.repeat(32), '0'.repeat(32), 'A'.repeat(33), 7),
        spanId: fc.constantFrom('', 'a', 'f'.repeat(17), '0'.repeat(16), null),
        kind: fc.oneof(number, fc.constantFrom({}, [])),
        status: fc.record({ code: number }),
        droppedAttributesCount: number,
        attributes: fc.array(
          fc.record({
            key: fc.constantFrom('http.route', 'db.query.text', 'n'),
            value: fc.oneof(
              number.map((doubleValue) => ({ doubleValue })),
              number.map((intValue) => ({ intValue })),
            ),
          }),
        ),
        events: fc.array(fc.record({ timeUnixNano: time })),
      },
      { requiredKeys: [] },
    );
    let n = 0;
    await fc.assert(
      fc.asyncProperty(wrong, async (given) => {
        n += 1;
        const traceId = n.toString(16).padStart(32, 'c');
        const request = otlpTrace(
          traceId,
          [1, 2].map((id) => ({ id, name: 'x', startMs: 1_700_000_000_000, durationMs: 3_600_000 })),
        );
        Object.assign(request.resourceSpans[0]?.scopeSpans[0]?.spans[0] ?? {}, given);
        const response = await served.post('/v1/traces', JSON.stringify(request));
        expect(response.status).toBe(200);
        // The other span is there, whatever this one is.
        const trace = await (await fetch(`${served.base}/api/traces/${traceId}`)).json();
        expect(trace.spans.map(({ spanId }: { spanId: string }) => spanId)).toContain('0000000000000002');
        for (const path of ['/api/traces?limit=200', '/api/traces?errors=true', '/api/timeline', '/metrics'])
          expect([path, (await fetch(served.base + path)).status]).toEqual([path, 200]);
      }),
      { numRuns: Number(process.env['SQLTRAIL_PROPERTY_RUNS'] ?? 15) },
    );
  });

  it('20,000 distinct names (200,000 by SQLTRAIL_SPAN_NAMES)', async () => {
    for (let from = 0; from < Number(process.env['SQLTRAIL_SPAN_NAMES'] ?? 20_000); from += 4_000) {
      const spans = Array.from({ length: 4_000 }, (_, i) => ({
        id: i + 1,
        name: `span ${from + i}`,
        startMs: 1_700_000_000_000,
        durationMs: 1,
      }));
      const body = JSON.stringify(otlpTrace((from + 1).toString(16).padStart(32, 'd'), spans));
      expect((await served.post('/v1/traces', body)).status).toBe(200);
    }
    expect(await served.metric('sqltrail_traces_bytes')).toBeLessThanOrEqual(TRACES_MB * 1e6);
  });

  it('names that are members of every object', async () => {
    const before = slowRequest('e'.repeat(32), 1_700_000_000_000);
    const body = JSON.stringify(before)
      .replaceAll('http.route', '__proto__')
      .replaceAll('"sqltrail.plan"', '"constructor"');
    expect((await served.post('/v1/traces', body)).status).toBe(200);
    const text = JSON.stringify({ alerts: [] }).replace(
      '{',
      '{"__proto__":{"status":1},"constructor":{"prototype":{"x":1}},',
    );
    expect((await served.post('/api/alerts/webhook', text, authorization(tokens.webhook))).status).toBe(200);
    expect(await (await fetch(`${served.base}/api/phase`)).json()).not.toHaveProperty('x');
  });
});

describe('readers that do not read', () => {
  const deliver = (n: number, megabytes: number) =>
    fetch(`${served.base}/api/diagnosis`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', ...authorization(tokens.console) },
      body: JSON.stringify(
        diagnosisOf({ seconds: n, findings: [findingOf({ title: `${n}${'x'.repeat(megabytes * 1e6)}` })] }),
      ),
    });

  it('50 event streams, while a diagnosis of 2 MB changes', async () => {
    expect((await deliver(0, 2)).status).toBe(200);
    for (let i = 0; i < 50; i += 1) halfOpen('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitFor('50 streams', async () => (await served.metric('sqltrail_event_streams')) === 50, DEADLINE);
    for (let n = 1; n <= 12; n += 1) {
      expect((await deliver(n, 2)).status).toBe(200);
      expect(await served.metric('sqltrail_event_bytes_waiting')).toBeLessThanOrEqual(32_000_000);
    }
    for (const socket of sockets.splice(0)) socket.destroy();
    await waitFor('no stream', async () => (await served.metric('sqltrail_event_streams')) === 0, DEADLINE);
    expect(await served.metric('sqltrail_event_bytes_waiting')).toBe(0);
  });

  it('20 answers of 6 MB', async () => {
    expect((await deliver(0, 6)).status).toBe(200);
    for (let i = 0; i < 20; i += 1) halfOpen('GET /api/diagnosis HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitFor(
      'too many to be answered',
      async () => {
        const response = await fetch(`${served.base}/api/diagnosis`);
        await response.body?.cancel();
        return response.status === 503;
      },
      DEADLINE,
    );
    for (const socket of sockets.splice(0)) socket.destroy();
    await waitFor(
      'room again',
      async () => (await fetch(`${served.base}/api/diagnosis`)).status === 200,
      DEADLINE,
    );
  });

  it('300 event streams: 50 have a seat, the others are told', async () => {
    for (let i = 0; i < 300; i += 1) halfOpen('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await waitFor(
      'the seats to be taken',
      async () => (await served.metric('sqltrail_event_streams')) === 50,
      DEADLINE,
    );
    expect((await fetch(`${served.base}/api/events`)).status).toBe(503);
    for (const socket of sockets.splice(0)) socket.destroy();
    await waitFor('no stream', async () => (await served.metric('sqltrail_event_streams')) === 0, DEADLINE);
  });

  it('1,000 requests that are half open', async () => {
    const { port } = new URL(served.base);
    let open = 0;
    for (let i = 0; i < 1_000; i += 1)
      halfOpen('POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n').once('connect', () => {
        open += 1;
      });
    await waitFor(`${port} to take them`, () => open === 1_000, DEADLINE);
    expect((await fetch(`${served.base}/healthz`)).status).toBe(200);
  });

  it('bodies that never end', async () => {
    const head =
      'POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n';
    await waitFor(
      'no room',
      async () => {
        // More each time: the request that asks has a place of its own while they come.
        for (let i = 0; i < 70; i += 1) halfOpen(head + ' '.repeat(100_000));
        return (await served.post('/v1/traces', '{}'.padEnd(8_000_000))).status === 503;
      },
      DEADLINE,
    );
    // Small ones still find a place.
    expect((await fetch(`${served.base}/api/phase`)).status).toBe(200);
    for (const socket of sockets.splice(0)) socket.destroy();
    await waitFor(
      'room again',
      async () => (await served.post('/v1/traces', '{}'.padEnd(8_000_000))).status === 200,
      DEADLINE,
    );
  });
});

describe('whoever asks', () => {
  const status = async (path: string, headers: Record<string, string>, method = 'GET') => {
    const response = await fetch(served.base + path, { method, headers });
    await response.body?.cancel();
    return response.status;
  };

  it.each(['/api/events', '/api/actions', '/api/traces', '/api/diagnosis', '/api/kpis', '/metrics'])(
    '%s is not for another site’s page',
    async (path) => {
      for (const site of ['cross-site', 'same-site'])
        expect(await status(path, { 'sec-fetch-site': site })).toBe(403);
      expect(await status(path, { origin: 'https://evil.example' })).toBe(403);
    },
  );

  it('a link of another site leads to the page, and to a runbook', async () => {
    const navigation = {
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
    };
    expect(await status('/', navigation)).toBe(200);
    expect(await status('/runbooks/SlowStatements', navigation)).toBe(200);
  });

  it('a name that is not the console’s is not answered (DNS rebinding)', async () => {
    const socket = halfOpen(
      'GET /api/traces HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n',
    );
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.resume();
    await waitFor('an answer', () => answer.includes('\r\n\r\n'), DEADLINE);
    expect(answer).toMatch(/^HTTP\/1.1 421/);
  });

  it.each([
    '/..%2f..%2fpackage.json',
    '/%2e%2e/package.json',
    '/runbooks/..%2f..%2fpackage',
    '/runbooks/%00',
    '/api/traces/..%2f',
  ])('%s leads nowhere', async (path) => {
    const { port } = new URL(served.base);
    const socket = connect(Number(port), '127.0.0.1');
    sockets.push(socket);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    await waitFor('an answer', () => answer.includes('\r\n\r\n'), DEADLINE);
    expect(answer).toMatch(/^HTTP\/1.1 40[04]/);
  });
});
