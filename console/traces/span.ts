export type AttributeValue = string | number | boolean | null | AttributeValue[];

export interface SpanEvent {
  name: string;
  atMs: number;
  attributes: Record<string, AttributeValue>;
}

/** One span as the store keeps it. Times are milliseconds; starts are since the epoch, with fractions. */
export interface Span {
  traceId: string;
  spanId: string;
  parentSpanId: string | null;
  name: string;
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  service: string;
  startMs: number;
  durationMs: number;
  error: boolean;
  statusMessage: string | null;
  attributes: Record<string, AttributeValue>;
  events: SpanEvent[];
  /** Names of what was cut or left out on intake (`db.query.text`, `attributes`, `events`). */
  truncated: string[];
}

const text = (value: AttributeValue | undefined) => (typeof value === 'string' ? value : null);

/** `db.query.summary`; for a query without one, the span's name. Null for a span that is no query. */
export function statementOf(span: Span): string | null {
  const summary = text(span.attributes['db.query.summary']);
  if (span.name.startsWith('EXPLAIN ') && 'sqltrail.plan' in span.attributes) return null;
  if (summary !== null) return summary;
  return text(span.attributes['db.query.text']) === null ? null : span.name;
}

export const queryTextOf = (span: Span) => text(span.attributes['db.query.text']);
export const planOf = (span: Span) => text(span.attributes['sqltrail.plan']);
export const routeOf = (span: Span) => text(span.attributes['http.route']);
