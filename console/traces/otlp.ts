import { cut } from '../cut.ts';
import type { AttributeValue, Span, SpanEvent } from './span.ts';

/** What one span may bring along; more is cut, and the cut is marked on the span. */
export const spanLimits = {
  nameCharacters: 512,
  attributes: 128,
  events: 32,
  valueCharacters: 8_192,
  /** A statement is shown whole up to here. */
  queryTextCharacters: 16_384,
  /** A plan that is cut is no JSON any more, so a longer one is left out. */
  planCharacters: 524_288,
  /** Of one request; more are rejected. */
  spansOfRequest: 20_000,
} as const;

const kinds: Record<string, Span['kind']> = {
  '1': 'internal',
  SPAN_KIND_INTERNAL: 'internal',
  '2': 'server',
  SPAN_KIND_SERVER: 'server',
  '3': 'client',
  SPAN_KIND_CLIENT: 'client',
  '4': 'producer',
  SPAN_KIND_PRODUCER: 'producer',
  '5': 'consumer',
  SPAN_KIND_CONSUMER: 'consumer',
};

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** proto3 JSON leaves out what has its default value, or writes null. */
const isMissing = (value: unknown) => value === undefined || value === null;

// fixed64 of the protocol: a moment, in nanoseconds since the epoch.
const LARGEST_FIXED64 = 2n ** 64n - 1n;

/** Milliseconds since the epoch; undefined for what is no fixed64, which is a negative, broken or huge number. */
function milliseconds(nanoseconds: unknown): number | undefined {
  let digits: string;
  if (typeof nanoseconds === 'string' && /^\d{1,20}$/.test(nanoseconds)) digits = nanoseconds;
  else if (typeof nanoseconds === 'number' && Number.isInteger(nanoseconds) && nanoseconds >= 0)
    digits = BigInt(nanoseconds).toString();
  else return undefined;
  if (digits.length >= 20 && BigInt(digits) > LARGEST_FIXED64) return undefined;
  // Split, as 64 bits do not fit a double.
  return Number(digits.slice(0, -6) || '0') + Number(digits.slice(-6)) / 1e6;
}

/** JSON has no NaN and no infinities; proto3 writes them as these words, and so does the store. */
const finite = (value: number): AttributeValue => (Number.isFinite(value) ? value : String(value));

/** The value of an `AnyValue`; undefined for one that is none. */
function plainValue(value: unknown, depth = 0): AttributeValue | undefined {
  if (isMissing(value)) return null;
  if (!isFields(value)) return undefined;
  const { stringValue, boolValue, intValue, doubleValue, bytesValue, arrayValue, kvlistValue } = value;
  if (stringValue !== undefined) return typeof stringValue === 'string' ? stringValue : undefined;
  if (boolValue !== undefined) return typeof boolValue === 'boolean' ? boolValue : undefined;
  if (intValue !== undefined) {
    if (typeof intValue !== 'number' && !(typeof intValue === 'string' && /^-?\d{1,20}$/.test(intValue)))
      return undefined;
    const number = Number(intValue);
    return Number.isSafeInteger(number) ? number : String(intValue);
  }
  if (doubleValue !== undefined)
    return typeof doubleValue === 'number' || typeof doubleValue === 'string'
      ? finite(Number(doubleValue))
      : undefined;
  if (bytesValue !== undefined) return typeof bytesValue === 'string' ? bytesValue : undefined;
  if (arrayValue !== undefined && depth < 4) {
    const values = isFields(arrayValue) ? (arrayValue['values'] ?? []) : undefined;
    return Array.isArray(values)
      ? values.slice(0, 64).map((item) => plainValue(item, depth + 1) ?? null)
      : undefined;
  }
  if (kvlistValue !== undefined) return JSON.stringify(kvlistValue);
  return null;
}

/** Reads spans one by one, and keeps what was wrong with the first that could not be used. */
class SpanReader {
  reason: string | null = null;

  #fault(what: string): undefined {
    this.reason ??= `span ${what}`;
    return undefined;
  }

  #attributes(pairs: unknown, truncated: Set<string>): Record<string, AttributeValue> | undefined {
    if (isMissing(pairs)) return {};
    if (!Array.isArray(pairs)) return this.#fault('attributes: is not a list');
    if (pairs.length > spanLimits.attributes) truncated.add('attributes');
    const entries: [key: string, value: AttributeValue][] = [];
    for (const pair of pairs.slice(0, spanLimits.attributes)) {
      if (!isFields(pair) || typeof pair['key'] !== 'string')
        return this.#fault('attributes: one has no key that is text');
      const key = pair['key'].length > 256 ? cut(pair['key'], 256) : pair['key'];
      const value = plainValue(pair['value']);
      if (value === undefined)
        return this.#fault(`attributes: ${cut(key, 80)} has a value of the wrong type`);
      const kept = this.#bounded(key, value, truncated);
      if (kept !== undefined) entries.push([key, kept]);
    }
    return Object.fromEntries(entries);
  }

  /** @returns undefined for one that is too long, and would be broken if it were cut */
  #bounded(key: string, value: AttributeValue, truncated: Set<string>): AttributeValue | undefined {
    if (Array.isArray(value)) {
      if (JSON.stringify(value).length <= spanLimits.valueCharacters) return value;
    } else if (typeof value !== 'string') return value;
    else if (key === 'sqltrail.plan') {
      if (value.length <= spanLimits.planCharacters) return value;
    } else {
      const most = key === 'db.query.text' ? spanLimits.queryTextCharacters : spanLimits.valueCharacters;
      if (value.length <= most) return value;
      truncated.add(key);
      return `${cut(value, most)}… [cut: ${value.length} characters]`;
    }
    truncated.add(key);
    return undefined;
  }

  #events(given: unknown, truncated: Set<string>): SpanEvent[] | undefined {
    if (isMissing(given)) return [];
    if (!Array.isArray(given)) return this.#fault('events: is not a list');
    if (given.length > spanLimits.events) truncated.add('events');
    const events: SpanEvent[] = [];
    for (const item of given.slice(0, spanLimits.events)) {
      if (!isFields(item)) return this.#fault('events: one is not an object');
      const name = item['name'] ?? '';
      if (typeof name !== 'string') return this.#fault('events: one has a name that is not text');
      const atMs = milliseconds(item['timeUnixNano'] ?? 0);
      if (atMs === undefined) return this.#fault('events: one has a timeUnixNano that is not a moment');
      const attributes = this.#attributes(item['attributes'], truncated);
      if (!attributes) return undefined;
      events.push({ name: cut(name, spanLimits.nameCharacters), atMs, attributes });
    }
    return events;
  }

  /** @returns undefined for a span that cannot be used */
  read(raw: unknown, service: string): Span | undefined {
    if (!isFields(raw)) return this.#fault('is not an object');
    const { traceId, spanId, parentSpanId, name = '' } = raw;
    if (typeof traceId !== 'string' || !/^(?!0{32}$)[0-9a-f]{32}$/i.test(traceId))
      return this.#fault('traceId: is not 32 hex digits');
    if (typeof spanId !== 'string' || !/^(?!0{16}$)[0-9a-f]{16}$/i.test(spanId))
      return this.#fault('spanId: is not 16 hex digits');
    if (
      !isMissing(parentSpanId) &&
      !(typeof parentSpanId === 'string' && /^([0-9a-f]{16})?$/i.test(parentSpanId))
    )
      return this.#fault('parentSpanId: is not 16 hex digits');
    if (typeof name !== 'string') return this.#fault('name: is not text');
    const startMs = milliseconds(raw['startTimeUnixNano']);
    const endMs = milliseconds(raw['endTimeUnixNano']);
    if (startMs === undefined) return this.#fault('startTimeUnixNano: is not nanoseconds since the epoch');
    if (endMs === undefined) return this.#fault('endTimeUnixNano: is not nanoseconds since the epoch');
    const status = raw['status'] ?? {};
    if (!isFields(status)) return this.#fault('status: is not an object');
    const message = status['message'] ?? '';
    if (typeof message !== 'string') return this.#fault('status.message: is not text');
    const truncated = new Set<string>();
    const attributes = this.#attributes(raw['attributes'], truncated);
    const events = attributes && this.#events(raw['events'], truncated);
    if (!events) return undefined;
    const { code } = status;
    return {
      traceId: traceId.toLowerCase(),
      spanId: spanId.toLowerCase(),
      parentSpanId: (parentSpanId as string | null | undefined)?.toLowerCase() || null,
      name: cut(name || '(no name)', spanLimits.nameCharacters),
      kind: (typeof raw['kind'] === 'object' ? undefined : kinds[String(raw['kind'])]) ?? 'internal',
      service,
      startMs,
      // A clock that was set back between start and end gives a negative length.
      durationMs: Math.max(0, endMs - startMs),
      error: code === 2 || code === '2' || code === 'STATUS_CODE_ERROR',
      statusMessage: message ? cut(message, 2_000) : null,
      attributes,
      events,
      truncated: [...truncated],
    };
  }
}

export interface ParsedSpans {
  spans: Span[];
  rejected: number;
  reason: string | null;
}

/** @throws Error naming the field of the request that is not a list of objects */
function objects(value: unknown, field: string): Fields[] {
  if (isMissing(value)) return [];
  if (!Array.isArray(value) || !value.every(isFields))
    throw new Error(`not an OTLP/JSON trace request: ${field}: is not a list of objects`);
  return value;
}

function serviceOf(resource: unknown): string {
  const attributes = isFields(resource) ? resource['attributes'] : undefined;
  const found = (Array.isArray(attributes) ? attributes : []).find(
    (pair) => isFields(pair) && pair['key'] === 'service.name',
  )?.value;
  const name = isFields(found) ? found['stringValue'] : undefined;
  return cut(typeof name === 'string' && name !== '' ? name : 'unknown_service', 256);
}

/** An OTLP/JSON `ExportTraceServiceRequest`, read span by span. One at fault is rejected alone; the others are kept. */
export class OtlpRequest {
  readonly #resources: { service: string; lists: unknown[][] }[];
  readonly #reader = new SpanReader();
  #given = 0;
  #kept = 0;

  /** @throws Error naming the field, when the body as a whole is not such a request */
  constructor(body: unknown) {
    if (!isFields(body)) throw new Error('not an OTLP/JSON trace request: the body is not an object');
    this.#resources = objects(body['resourceSpans'], 'resourceSpans').map(({ resource, scopeSpans }) => ({
      service: serviceOf(resource),
      lists: objects(scopeSpans, 'resourceSpans.scopeSpans').map(({ spans }) => {
        if (isMissing(spans)) return [];
        if (Array.isArray(spans)) return spans;
        throw new Error('not an OTLP/JSON trace request: resourceSpans.scopeSpans.spans: is not a list');
      }),
    }));
  }

  *spans(): Generator<Span> {
    for (const { service, lists } of this.#resources)
      for (const list of lists) {
        const room = Math.max(0, spanLimits.spansOfRequest - this.#given);
        this.#given += list.length;
        for (const raw of list.slice(0, room)) {
          const span = this.#reader.read(raw, service);
          if (!span) continue;
          this.#kept += 1;
          yield span;
        }
      }
  }

  /** Spans that could not be used, once all are read; OTLP's `partialSuccess.rejectedSpans`. */
  get rejected(): number {
    return this.#given - this.#kept;
  }

  /** What was wrong with the first rejected span. */
  get reason(): string | null {
    if (this.#reader.reason === null && this.rejected > 0)
      return `limit: a request may have ${spanLimits.spansOfRequest} spans; send smaller batches`;
    return this.#reader.reason;
  }
}

/** All spans of a request at once. @throws Error as {@link OtlpRequest} */
export function parseOtlp(body: unknown): ParsedSpans {
  const request = new OtlpRequest(body);
  const spans = [...request.spans()];
  return { spans, rejected: request.rejected, reason: request.reason };
}
