export interface GivenSpan {
  id: number;
  parent?: number;
  name: string;
  kind?: number;
  startMs: number;
  durationMs: number;
  error?: string;
  attributes?: Record<string, string | number | boolean>;
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
const nanoseconds = (ms: number) => `${Math.round(ms * 1000)}000`;
const toValue = (value: string | number | boolean) =>
  typeof value === 'string'
    ? { stringValue: value }
    : typeof value === 'boolean'
      ? { boolValue: value }
      : { intValue: String(value) };

/** An OTLP/JSON request of one trace of the service `shop`, as the collector sends it. */
export function otlpTrace(traceId: string, spans: GivenSpan[]) {
  return {
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
        scopeSpans: [
          {
            spans: spans.map((span) => ({
              traceId,
              spanId: hex(span.id, 16),
              parentSpanId: span.parent === undefined ? '' : hex(span.parent, 16),
              name: span.name,
              kind: span.kind ?? 1,
              startTimeUnixNano: nanoseconds(span.startMs),
              endTimeUnixNano: nanoseconds(span.startMs + span.durationMs),
              attributes: Object.entries(span.attributes ?? {}).map(([key, value]) => ({
                key,
                value: toValue(value),
              })),
              ...(span.error === undefined ? {} : { status: { code: 2, message: span.error } }),
            })),
          },
        ],
      },
    ],
  };
}

/** A slow request of the shop: a slow statement with its plan, an N+1 of twelve calls, and a timeout. */
export function slowRequest(traceId: string, startMs: number) {
  const query = (summary: string, text: string) => ({ 'db.query.summary': summary, 'db.query.text': text });
  const plan = JSON.stringify([
    {
      Plan: {
        'Node Type': 'Limit',
        'Total Cost': 51_234.5,
        'Plan Rows': 20,
        Plans: [
          {
            'Node Type': 'Seq Scan',
            'Relation Name': 'orders',
            Filter: '(lower(customer_email) = lower(?))',
            'Total Cost': 51_234,
            'Plan Rows': 912,
          },
        ],
      },
    },
  ]);
  const orders = query(
    'SELECT orders',
    'SELECT * FROM orders WHERE lower(customer_email) = lower($1) LIMIT $2',
  );
  return otlpTrace(traceId, [
    {
      id: 1,
      name: 'GET /orders',
      kind: 2,
      startMs,
      durationMs: 3_900,
      error: 'canceling statement',
      attributes: { 'http.route': '/orders', 'http.response.status_code': 504 },
    },
    {
      id: 2,
      parent: 1,
      name: 'SELECT orders',
      kind: 3,
      startMs: startMs + 5,
      durationMs: 720,
      attributes: orders,
    },
    {
      id: 3,
      parent: 2,
      name: 'EXPLAIN SELECT orders',
      startMs: startMs + 4_500,
      durationMs: 3,
      attributes: {
        'db.query.summary': 'SELECT orders',
        'sqltrail.plan': plan,
        'sqltrail.plan.analyzed': false,
      },
    },
    ...Array.from({ length: 12 }, (_, i) => ({
      id: 10 + i,
      parent: 1,
      name: 'SELECT order_items',
      kind: 3,
      startMs: startMs + 730 + i * 12,
      durationMs: 11,
      attributes: query('SELECT order_items', 'SELECT * FROM order_items WHERE order_id = $1'),
    })),
    {
      id: 40,
      parent: 1,
      name: 'SELECT reviews',
      kind: 3,
      startMs: startMs + 880,
      durationMs: 600,
      error: 'canceling statement due to statement timeout',
      attributes: { ...query('SELECT reviews', 'SELECT * FROM reviews'), 'error.type': '57014' },
    },
  ]);
}
