/** Spans that are dear to keep in some way of their own, as OTLP/JSON requests without end. */
type Value = { stringValue?: string; intValue?: number; doubleValue?: number; arrayValue?: unknown } | null;
interface RawSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: { key: string; value: Value }[];
  events?: { name: string; timeUnixNano: string; attributes: { key: string; value: Value }[] }[];
  status?: { code: number; message: string };
}

const hex = (value: number, digits: number) => (value + 1).toString(16).padStart(digits, '0');
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
const span = (trace: number, n: number, over: Partial<RawSpan> = {}): RawSpan => ({
  traceId: hex(trace, 32),
  spanId: hex(n, 16),
  name: 'GET /',
  startTimeUnixNano: `${1_700_000_000_000 + n}250000`,
  endTimeUnixNano: `${1_700_000_000_010 + n}750000`,
  ...over,
});
const text = (stringValue: string) => ({ stringValue });

/** The n-th span of each shape. */
export const traceShapes: Record<string, (n: number) => RawSpan> = {
  'traces of one empty span': (n) => span(n, n),
  'spans without attributes in large traces': (n) => span(Math.floor(n / 4_000), n),
  '128 distinct attribute names with null values': (n) =>
    span(Math.floor(n / 100), n, { attributes: many(128, (i) => ({ key: `k${n}.${i}`, value: null })) }),
  '32 events of 20 attributes': (n) =>
    span(Math.floor(n / 50), n, {
      events: many(32, (e) => ({
        name: 'exception',
        timeUnixNano: '1700000000000000000',
        attributes: many(20, (i) => ({ key: `e${e}.a${i}`, value: null })),
      })),
    }),
  'long names, each its own': (n) => span(Math.floor(n / 50), n, { name: `${n} ${'n'.repeat(500)}` }),
  'long two-byte texts': (n) =>
    span(Math.floor(n / 50), n, {
      name: `☃ ${n}`,
      attributes: many(8, (i) => ({ key: `ключ${i}`, value: text(`${n}${'雪'.repeat(900)}`) })),
    }),
  'one character beyond Latin-1 in each span': (n) =>
    span(Math.floor(n / 50), n, { attributes: [{ key: 'a', value: text(`€${'a'.repeat(4_000)}`) }] }),
  'statements and texts, each its own': (n) =>
    span(Math.floor(n / 20), n, {
      attributes: [
        { key: 'db.query.summary', value: text(`SELECT t${n}`) },
        { key: 'db.query.text', value: text(`SELECT ${n} ${'€'.repeat(3_000)}`) },
      ],
    }),
  'traces of one statement each, all failed': (n) =>
    span(n, n, {
      status: { code: 2, message: 'm'.repeat(200) },
      attributes: [
        { key: 'db.query.summary', value: text(`SELECT t${n}`) },
        { key: 'db.query.text', value: text('SELECT 1') },
      ],
    }),
  'routes, each its own': (n) =>
    span(Math.floor(n / 10), n, { attributes: [{ key: 'http.route', value: text(`/r/${n}`) }] }),
  'fractions and lists of fractions': (n) =>
    span(Math.floor(n / 50), n, {
      attributes: many(60, (i) => ({
        key: `f${i}`,
        value:
          i % 2
            ? { doubleValue: n + 0.1 + i }
            : { arrayValue: { values: many(32, (j) => ({ doubleValue: j + 0.5 + n })) } },
      })),
    }),
  'control characters': (n) =>
    span(Math.floor(n / 50), n, { attributes: [{ key: 'c', value: text('\u0001'.repeat(8_000)) }] }),
};

/** A request of the spans `from` to `to`. */
export const requestOf = (shape: string, from: number, to: number) => ({
  resourceSpans: [{ scopeSpans: [{ spans: many(to - from, (i) => traceShapes[shape]?.(from + i)) }] }],
});
