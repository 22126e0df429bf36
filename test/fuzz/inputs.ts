import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { causes } from '../../kpis/kpi.ts';
import { tokens } from '../support/consoleProcess.ts';
import { diagnosisOf } from '../support/diagnosis.ts';
import { requestOf, traceShapes } from '../support/traceShapes.ts';

/** One request, or bytes as they go to the socket. */
export type Input =
  | { kind: string; method: string; path: string; headers: Record<string, string>; body?: Uint8Array }
  | { kind: 'raw'; bytes: Uint8Array }
  | { kind: 'stream'; reads: boolean; headers: Record<string, string> };

const hostileText = fc.oneof(
  fc.constantFrom(
    '',
    '\u0000',
    '__proto__',
    'constructor',
    "'; DROP TABLE orders; --",
    '<img src=x onerror=alert(1)>',
    'javascript:alert(1)',
    '${{{}}}',
    '%00%ff',
    '\ud800',
    '../../etc/passwd',
    'NaN',
    '-Infinity',
    '0x10',
    '$$',
    '\r\nSet-Cookie: a=b',
    'ａ'.repeat(300),
    'a'.repeat(9_000),
    '('.repeat(500),
    'SELECT orders',
    '/orders',
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const hostileNumber = fc.oneof(
  fc.constantFrom(0, -0, -1, 1e300, -1e300, 2 ** 53, 2 ** 64, 1e21, 5e-324, 0.1, 1_700_000_000_000_000_000),
  fc.double(),
  fc.maxSafeInteger(),
);
const hostileTime = fc.oneof(
  fc.bigInt({ min: 1_600_000_000_000_000_000n, max: 1_900_000_000_000_000_000n }).map(String),
  fc.constantFrom(
    '0',
    '-1',
    '18446744073709551615',
    '18446744073709551616',
    '99999999999999999999',
    '1e9',
    '',
  ),
  hostileNumber,
);
const hostileValue = fc.oneof(
  hostileText,
  hostileNumber,
  fc.constantFrom(null, true, [], {}),
  fc.jsonValue({ maxDepth: 3 }),
);
const hexId = (digits: number) =>
  fc.integer({ min: 1, max: 200 }).map((n) => n.toString(16).padStart(digits, '0'));
/** Mostly what is expected, now and then anything. */
const or = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 12, arbitrary }, { weight: 1, arbitrary: hostileValue as fc.Arbitrary<unknown> });

const anyValue = or(
  fc.oneof(
    hostileText.map((stringValue) => ({ stringValue })),
    hostileNumber.map((doubleValue) => ({ doubleValue })),
    hostileTime.map((intValue) => ({ intValue })),
    fc.array(hostileValue, { maxLength: 5 }).map((values) => ({ arrayValue: { values } })),
    hostileValue.map((kvlistValue) => ({ kvlistValue })),
    fc.constantFrom({ boolValue: true }, {}, null),
  ),
);
const attributeName = fc.oneof(
  fc.constantFrom(
    'db.query.summary',
    'db.query.text',
    'sqltrail.plan',
    'http.route',
    'service.name',
    'error.type',
  ),
  hostileText,
);
const attributes = fc.array(or(fc.record({ key: or(attributeName), value: anyValue })), { maxLength: 8 });
const span = or(
  fc.record(
    {
      traceId: or(hexId(32)),
      spanId: or(hexId(16)),
      parentSpanId: or(fc.oneof(fc.constant(''), hexId(16))),
      name: or(hostileText),
      kind: or(fc.constantFrom(1, 2, 3, 'SPAN_KIND_SERVER')),
      startTimeUnixNano: or(hostileTime),
      endTimeUnixNano: or(hostileTime),
      attributes: or(attributes),
      events: or(
        fc.array(or(fc.record({ name: or(hostileText), timeUnixNano: or(hostileTime), attributes })), {
          maxLength: 3,
        }),
      ),
      status: or(fc.record({ code: or(fc.constantFrom(0, 1, 2, 1e9)), message: or(hostileText) })),
    },
    { requiredKeys: [] },
  ),
);
const otlp = fc.record({
  resourceSpans: or(
    fc.array(
      or(
        fc.record({
          resource: or(fc.record({ attributes: or(attributes) })),
          scopeSpans: or(
            fc.array(or(fc.record({ spans: or(fc.array(span, { maxLength: 6 })) })), { maxLength: 2 }),
          ),
        }),
      ),
      { maxLength: 3 },
    ),
  ),
});
/** The spans that are dear to keep, in batches. */
const shapes = fc
  .record({
    shape: fc.constantFrom(...Object.keys(traceShapes)),
    from: fc.integer({ min: 0, max: 2 ** 30 }),
    count: fc.integer({ min: 1, max: 60 }),
  })
  .map(({ shape, from, count }) => requestOf(shape, from, from + count));

const moment = fc.oneof(
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  fc.constantFrom('0001-01-01T00:00:00Z', '2026-02-30T99:99:99Z', '+275760-09-13T00:00:00.001Z'),
);
const pairs = fc.dictionary(
  fc.oneof(fc.constantFrom('alertname', 'severity', 'db_query_summary', 'summary'), hostileText),
  or(hostileText),
  {
    maxKeys: 6,
  },
);
const webhook = fc.record({
  alerts: or(
    fc.array(
      or(
        fc.record({
          status: or(fc.constantFrom('firing', 'resolved')),
          labels: or(pairs),
          annotations: or(pairs),
          startsAt: or(moment),
          endsAt: or(moment),
        }),
      ),
      { maxLength: 5 },
    ),
  ),
});
const finding = fc.record({
  id: or(hostileText),
  check: or(hostileText),
  severity: or(fc.constantFrom('info', 'warning', 'critical')),
  title: or(hostileText),
  explanation: or(hostileText),
  cause: or(fc.constantFrom(...causes)),
  rank: or(hostileNumber),
  shareOfLostTime: or(fc.constantFrom(null, 0.5)),
  statements: or(
    fc.array(
      fc.record({
        queryid: or(hostileText),
        summary: or(fc.constantFrom(null, 'SELECT orders')),
        fingerprint: or(hostileText),
      }),
      { maxLength: 3 },
    ),
  ),
  objects: or(fc.array(fc.record({ schema: hostileText, table: hostileText }), { maxLength: 2 })),
  evidence: or(
    fc.array(fc.record({ label: hostileText, value: hostileText, how: hostileText }), { maxLength: 2 }),
  ),
  cost: or(fc.constant({})),
  confidence: or(fc.record({ level: hostileNumber, basis: fc.constantFrom('exact', 'sample') })),
  explains: or(fc.constant({ kpis: [], traces: [] })),
  fix: or(
    fc.record({
      kind: fc.constantFrom('index', 'rewrite', 'migration'),
      summary: hostileText,
      changes: fc.constant([]),
      recorded: fc.record({
        sql: fc.array(hostileText, { maxLength: 2 }),
        undo: fc.array(hostileText, { maxLength: 2 }),
      }),
      lock: hostileText,
      risk: hostileText,
      expectedEffect: hostileText,
    }),
  ),
});
const diagnosis = fc.record({
  ...Object.fromEntries(Object.entries(diagnosisOf()).map(([name, value]) => [name, or(fc.constant(value))])),
  target: or(hostileText),
  seconds: or(hostileNumber),
  notes: or(fc.array(hostileText, { maxLength: 2 })),
  checks: or(
    fc.array(
      fc.record({
        id: hostileText,
        outcome: fc.constantFrom('complete', 'failed', 'not run'),
        findings: hostileNumber,
        busyMs: hostileNumber,
      }),
      { maxLength: 2 },
    ),
  ),
  findings: or(fc.array(or(finding), { maxLength: 4 })),
});

/** Bodies that are small in bytes, or large, and would be dear in another way. */
const dear = fc
  .record({ size: fc.integer({ min: 1, max: 400_000 }), which: fc.nat({ max: 6 }) })
  .map(({ size, which }) => {
    const spans = (list: string) => `{"resourceSpans":[{"scopeSpans":[{"spans":[${list}]}]}]}`;
    if (which === 0) return spans(`${'{},'.repeat(size)}{}`);
    if (which === 1) return '['.repeat(size);
    if (which === 2) return `{"a":`.repeat(Math.ceil(size / 4));
    if (which === 3)
      return `[${Array.from({ length: Math.ceil(size / 8) }, (_, i) => `{"k${i}":0}`).join(',')}]`;
    if (which === 4)
      return `{${Array.from({ length: Math.ceil(size / 8) }, (_, i) => `"k${i}":0`).join(',')}}`;
    if (which === 5) return JSON.stringify({ x: '雪'.repeat(size) });
    return `{"alerts":[${'{},'.repeat(size)}{}]}`;
  })
  .map((text) => Buffer.from(text));

interface Mutation {
  at: number;
  how: 'flip' | 'cut' | 'insert' | 'repeat' | 'number';
  byte: number;
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  how: fc.constantFrom('flip', 'cut', 'insert', 'repeat', 'number'),
  byte: fc.nat({ max: 255 }),
});

/** Bytes changed here and there. */
function mutate(bytes: Uint8Array, mutations: Mutation[]): Buffer {
  let text = Buffer.from(bytes);
  for (const { at, how, byte } of mutations) {
    const place = Math.floor(at * text.length);
    const before = text.subarray(0, place);
    const after = text.subarray(place);
    if (how === 'flip' && text.length > 0) text[place % text.length] = byte;
    else if (how === 'cut') text = Buffer.concat([before, after.subarray(byte)]);
    else if (how === 'insert') text = Buffer.concat([before, Buffer.from([byte]), after]);
    else if (how === 'repeat') text = Buffer.concat([before, after.subarray(0, byte), after]);
    else text = Buffer.concat([before, Buffer.from('9'.repeat(byte)), after]);
  }
  return text;
}

const bytesOf = (value: fc.Arbitrary<unknown>) =>
  fc
    .tuple(
      value,
      fc.oneof(
        { weight: 2, arbitrary: fc.constant<Mutation[]>([]) },
        { weight: 1, arbitrary: fc.array(mutation, { maxLength: 4 }) },
      ),
    )
    .map(([given, mutations]) => mutate(Buffer.from(JSON.stringify(given) ?? ''), mutations));

const printable = (text: string) => text.replace(/[^\x20-\x7e]/g, '');
const headers = fc.dictionary(
  fc.constantFrom(
    'accept',
    'origin',
    'sec-fetch-site',
    'content-encoding',
    'content-type',
    'last-event-id',
    'if-none-match',
    'x-forwarded-host',
    'range',
  ),
  fc.oneof(
    fc.constantFrom(
      '*/*',
      'gzip',
      'br',
      'deflate',
      'same-origin',
      'none',
      'cross-site',
      'application/json',
      'application/json; charset=utf-16',
      'null',
      'http://evil.example',
      'bytes=0-',
    ),
    hostileText.map(printable),
  ),
  { maxKeys: 2 },
);
const fewHeaders = fc.oneof({ weight: 5, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: headers });

const request = (
  kind: string,
  method: string,
  path: string,
  body: fc.Arbitrary<Uint8Array>,
  token?: string,
) =>
  fc
    .record({
      body,
      extra: fewHeaders,
      zipped: fc.nat({ max: 9 }),
      mutations: fc.array(mutation, { maxLength: 1 }),
    })
    .map(
      ({ body: bytes, extra, zipped, mutations }): Input => ({
        kind,
        method,
        path,
        headers: {
          'content-type': 'application/json',
          ...(token ? { authorization: `Bearer ${token}` } : {}),
          ...(zipped < 2 ? { 'content-encoding': 'gzip' } : {}),
          ...extra,
        },
        body: zipped === 0 ? mutate(gzipSync(bytes), mutations) : zipped === 1 ? gzipSync(bytes) : bytes,
      }),
    );

const query = fc
  .dictionary(
    fc.constantFrom(
      'statement',
      'route',
      'errors',
      'minDurationMs',
      'limit',
      'offset',
      'minutes',
      'summary',
      '__proto__',
      'x',
    ),
    fc.oneof(hostileText, fc.constantFrom('1', '15', '60', 'true', 'false', '1e5', '-1', 'SELECT t0')),
    { maxKeys: 4 },
  )
  .map((given) =>
    new URLSearchParams(
      Object.entries(given).map(([name, value]) => [name, value.toWellFormed()]),
    ).toString(),
  );
const reads = fc.constantFrom(
  '/',
  '/healthz',
  '/metrics',
  '/main.js',
  '/api/phase',
  '/api/timeline',
  '/api/diagnosis',
  '/api/actions',
  '/api/alerts',
  '/api/alerts/history',
  '/api/kpis',
  '/api/statements',
  '/api/dashboards',
  '/api/dashboards/overview/requests',
  '/api/statement',
  '/api/traces',
  '/runbooks/SlowStatements',
);
const get = fc
  .record({
    base: fc.oneof(
      { weight: 5, arbitrary: reads },
      { weight: 3, arbitrary: hexId(32).map((id) => `/api/traces/${id}`) },
      {
        weight: 1,
        arbitrary: hostileText.map((text) => `/api/traces/${encodeURIComponent(text.toWellFormed())}`),
      },
      {
        weight: 1,
        arbitrary: hostileText.map((text) => `/runbooks/${encodeURIComponent(text.toWellFormed())}`),
      },
      {
        weight: 1,
        arbitrary: hostileText.map((text) => `/api/dashboards/${encodeURIComponent(text.toWellFormed())}/x`),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '/api/traces/%',
          '/runbooks/%ff',
          '/%2e%2e/%2e%2e/etc/passwd',
          '/api/dashboards/%00/%00',
        ),
      },
    ),
    query: fc.oneof(fc.constant(''), query),
    method: fc.oneof(
      { weight: 9, arbitrary: fc.constant('GET') },
      { weight: 1, arbitrary: fc.constantFrom('HEAD', 'OPTIONS', 'DELETE', 'PATCH', 'POST', 'PUT') },
    ),
    extra: fewHeaders,
  })
  .map(
    ({ base, query: given, method, extra }): Input => ({
      kind: 'read',
      method,
      path: given ? `${base}?${given}` : base,
      headers: extra,
    }),
  );

const raw = fc
  .record({
    start: fc.constantFrom(
      'GET /api/traces HTTP/1.1\r\nHost: localhost\r\n\r\n',
      'POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9999999\r\n\r\n{"resourceSpans":[',
      'POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFF\r\n{',
      'POST /api/alerts/webhook HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n',
      `GET /?${'a'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: localhost\r\n${'X-A: b\r\n'.repeat(3_000)}\r\n`,
      'GET / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n',
      'GET http://evil.example.com/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      'GET /healthz HTTP/1.1\r\nHost: localhost\r\n',
    ),
    mutations: fc.array(mutation, { maxLength: 3 }),
  })
  .map(({ start, mutations }): Input => ({ kind: 'raw', bytes: mutate(Buffer.from(start), mutations) }));

/** Every input that the console takes, in the proportions in which they are tried. */
export const inputs: fc.Arbitrary<Input> = fc.oneof(
  { weight: 30, arbitrary: request('traces', 'POST', '/v1/traces', bytesOf(otlp)) },
  {
    weight: 6,
    arbitrary: request(
      'trace shapes',
      'POST',
      '/v1/traces',
      shapes.map((given) => Buffer.from(JSON.stringify(given))),
    ),
  },
  { weight: 1, arbitrary: request('dear traces', 'POST', '/v1/traces', dear) },
  {
    weight: 12,
    arbitrary: request('webhook', 'POST', '/api/alerts/webhook', bytesOf(webhook), tokens.webhook),
  },
  { weight: 1, arbitrary: request('dear webhook', 'POST', '/api/alerts/webhook', dear, tokens.webhook) },
  { weight: 6, arbitrary: request('diagnosis', 'PUT', '/api/diagnosis', bytesOf(diagnosis), tokens.console) },
  { weight: 1, arbitrary: request('dear diagnosis', 'PUT', '/api/diagnosis', dear, tokens.console) },
  {
    weight: 3,
    arbitrary: request(
      'phase',
      'POST',
      '/api/phase',
      bytesOf(fc.record({ phase: or(fc.constantFrom('idle', 'peak')) })),
      tokens.console,
    ),
  },
  {
    weight: 2,
    arbitrary: request(
      'session',
      'POST',
      '/api/session',
      bytesOf(fc.record({ code: or(hostileText) }, { requiredKeys: [] })),
      tokens.console,
    ),
  },
  {
    weight: 1,
    arbitrary: request('link', 'POST', '/api/session/link', bytesOf(fc.constant({})), tokens.console),
  },
  {
    weight: 1,
    arbitrary: request(
      'diagnose',
      'POST',
      '/api/diagnosis',
      bytesOf(fc.record({ part: or(fc.constantFrom('quick', 'model')) })),
      tokens.console,
    ),
  },
  {
    weight: 2,
    arbitrary: request(
      'action',
      'POST',
      '/api/actions',
      bytesOf(fc.record({ verb: or(fc.constantFrom('apply', 'undo')), id: or(hostileText) })),
      tokens.console,
    ),
  },
  { weight: 30, arbitrary: get },
  { weight: 5, arbitrary: raw },
  {
    weight: 3,
    arbitrary: fc
      .record({ reads: fc.boolean(), headers: fewHeaders })
      .map((given): Input => ({ kind: 'stream', ...given })),
  },
);
