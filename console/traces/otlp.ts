import { z } from 'zod';
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
} as const;

const int64 = z.union([z.string().regex(/^-?\d{1,20}$/), z.number()]);

/** proto3 JSON leaves out what has its default value, so nearly everything is optional. */
const anyValue = z.looseObject({
  stringValue: z.string().optional(),
  boolValue: z.boolean().optional(),
  intValue: int64.optional(),
  doubleValue: z.union([z.number(), z.string()]).optional(),
  bytesValue: z.string().optional(),
  arrayValue: z.looseObject({ values: z.array(z.unknown()).nullish() }).optional(),
  kvlistValue: z.unknown().optional(),
});

const keyValue = z.looseObject({ key: z.string(), value: anyValue.nullish() });

const event = z.looseObject({
  timeUnixNano: int64.optional(),
  name: z.string().default(''),
  attributes: z.array(keyValue).nullish(),
});

const spanSchema = z.looseObject({
  traceId: z.string().regex(/^(?!0{32}$)[0-9a-f]{32}$/i, 'is not 32 hex digits'),
  spanId: z.string().regex(/^(?!0{16}$)[0-9a-f]{16}$/i, 'is not 16 hex digits'),
  parentSpanId: z
    .string()
    .regex(/^([0-9a-f]{16})?$/i, 'is not 16 hex digits')
    .nullish(),
  name: z.string().default(''),
  kind: z.union([z.number(), z.string()]).optional(),
  startTimeUnixNano: int64,
  endTimeUnixNano: int64,
  attributes: z.array(keyValue).nullish(),
  events: z.array(event).nullish(),
  status: z
    .looseObject({ code: z.union([z.number(), z.string()]).optional(), message: z.string().optional() })
    .nullish(),
});

const request = z.looseObject({
  resourceSpans: z
    .array(
      z.looseObject({
        resource: z.looseObject({ attributes: z.array(keyValue).nullish() }).nullish(),
        scopeSpans: z.array(z.looseObject({ spans: z.array(z.unknown()).nullish() })).nullish(),
      }),
    )
    .nullish(),
});

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

/**
 * Cuts a string to `most` characters. The copy through a buffer matters: V8's slice would keep the whole
 * original alive, and the store's byte bound would be a fiction.
 */
function cut(value: string, most: number): string {
  return Buffer.from(value.slice(0, most), 'utf8').toString('utf8');
}

/** Nanoseconds since the epoch to milliseconds; splits first, as 64 bits do not fit a double. */
function milliseconds(nanoseconds: string | number): number {
  const digits = String(nanoseconds);
  return Number(digits.slice(0, -6) || '0') + Number(digits.slice(-6)) / 1e6;
}

function plainValue(value: z.infer<typeof anyValue> | null | undefined, depth = 0): AttributeValue {
  if (!value) return null;
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.intValue !== undefined) {
    const number = Number(value.intValue);
    return Number.isSafeInteger(number) ? number : String(value.intValue);
  }
  if (value.doubleValue !== undefined) return Number(value.doubleValue);
  if (value.bytesValue !== undefined) return value.bytesValue;
  if (value.arrayValue !== undefined && depth < 4)
    return (value.arrayValue.values ?? []).slice(0, 64).map((item) => {
      const parsed = anyValue.safeParse(item);
      return parsed.success ? plainValue(parsed.data, depth + 1) : null;
    });
  if (value.kvlistValue !== undefined) return JSON.stringify(value.kvlistValue);
  return null;
}

type Pairs = z.infer<typeof keyValue>[] | null | undefined;

function attributesOf(pairs: Pairs, truncated: Set<string>): Record<string, AttributeValue> {
  if (pairs && pairs.length > spanLimits.attributes) truncated.add('attributes');
  type Entry = [key: string, value: AttributeValue];
  const entries = (pairs ?? [])
    .slice(0, spanLimits.attributes)
    .flatMap(({ key: given, value: any }): Entry[] => {
      const key = given.length > 256 ? cut(given, 256) : given;
      const value = plainValue(any);
      if (Array.isArray(value) && JSON.stringify(value).length > spanLimits.valueCharacters) {
        truncated.add(key);
        return [];
      }
      if (typeof value !== 'string') return [[key, value]];
      if (key === 'sqltrail.plan') {
        if (value.length <= spanLimits.planCharacters) return [[key, value]];
        truncated.add(key);
        return [];
      }
      const most = key === 'db.query.text' ? spanLimits.queryTextCharacters : spanLimits.valueCharacters;
      if (value.length <= most) return [[key, value]];
      truncated.add(key);
      return [[key, `${cut(value, most)}… [cut: ${value.length} characters]`]];
    });
  return Object.fromEntries(entries);
}

function toSpan(raw: z.infer<typeof spanSchema>, service: string): Span {
  const truncated = new Set<string>();
  const startMs = milliseconds(raw.startTimeUnixNano);
  const attributes = attributesOf(raw.attributes, truncated);
  if ((raw.events?.length ?? 0) > spanLimits.events) truncated.add('events');
  const events = (raw.events ?? []).slice(0, spanLimits.events).map(
    (item): SpanEvent => ({
      name: cut(item.name, spanLimits.nameCharacters),
      atMs: milliseconds(item.timeUnixNano ?? 0),
      attributes: attributesOf(item.attributes, truncated),
    }),
  );
  const code = String(raw.status?.code ?? '');
  return {
    traceId: raw.traceId.toLowerCase(),
    spanId: raw.spanId.toLowerCase(),
    parentSpanId: raw.parentSpanId?.toLowerCase() || null,
    name: cut(raw.name || '(no name)', spanLimits.nameCharacters),
    kind: kinds[String(raw.kind)] ?? 'internal',
    service,
    startMs,
    // A clock that was set back between start and end gives a negative length.
    durationMs: Math.max(0, milliseconds(raw.endTimeUnixNano) - startMs),
    error: code === '2' || code === 'STATUS_CODE_ERROR',
    statusMessage: raw.status?.message ? cut(raw.status.message, 2_000) : null,
    attributes,
    events,
    truncated: [...truncated],
  };
}

export interface ParsedSpans {
  spans: Span[];
  /** Spans that could not be used; OTLP's `partialSuccess.rejectedSpans`. */
  rejected: number;
  /** What was wrong with the first rejected span. */
  reason: string | null;
}

/**
 * Reads an OTLP/JSON `ExportTraceServiceRequest`. A span at fault is rejected alone; the others are kept.
 *
 * @throws Error naming the field, when the body as a whole is not such a request
 */
export function parseOtlp(body: unknown): ParsedSpans {
  const parsed = request.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`not an OTLP/JSON trace request: ${issue?.path.join('.') || 'body'}: ${issue?.message}`);
  }
  const spans: Span[] = [];
  let rejected = 0;
  let reason: string | null = null;
  for (const { resource, scopeSpans } of parsed.data.resourceSpans ?? []) {
    const name = resource?.attributes?.find(({ key }) => key === 'service.name')?.value?.stringValue;
    const service = cut(name || 'unknown_service', 256);
    for (const scope of scopeSpans ?? [])
      for (const raw of scope.spans ?? []) {
        const span = spanSchema.safeParse(raw);
        if (span.success) {
          spans.push(toSpan(span.data, service));
          continue;
        }
        rejected += 1;
        const [issue] = span.error.issues;
        reason ??= `span ${issue?.path.join('.')}: ${issue?.message}`;
      }
  }
  return { spans, rejected, reason };
}
