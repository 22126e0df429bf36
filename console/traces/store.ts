import { LRUCache } from 'lru-cache';
import { queryTextOf, routeOf, type Span, statementOf } from './span.ts';
import { stringBytes, TextPool } from './textPool.ts';

export interface TraceStoreOptions {
  maxTraces: number;
  /** Most bytes on the heap, texts and indexes included; an upper bound of what they take, whatever the spans hold. */
  maxBytes: number;
  /** A trace with more spans keeps the first ones and its root; the rest is counted. */
  maxSpansPerTrace: number;
  /** A trace at least this long is worth keeping longer. */
  slowMs: number;
}

export const defaultTraceStoreOptions: TraceStoreOptions = {
  maxTraces: 10_000,
  maxBytes: 128_000_000,
  maxSpansPerTrace: 5_000,
  slowMs: 500,
};

/** Times in milliseconds. */
export interface StatementInTrace {
  calls: number;
  totalMs: number;
  maxMs: number;
}

/**
 * A span as it lies in the store: what is asked for often, and the rest as one JSON text. A text has a size that is
 * known; an object of attributes has not, as it depends on their names and on the engine.
 */
interface StoredSpan {
  spanId: string;
  parentSpanId: string | null;
  /** Name, service, summary and text are the pool's. */
  name: string;
  service: string;
  /** Of {@link statementOf}. */
  summary: string | null;
  /** `db.query.text`. */
  text: string | null;
  startMs: number;
  durationMs: number;
  rest: string;
}

type Rest = Pick<Span, 'kind' | 'error' | 'statusMessage' | 'attributes' | 'events' | 'truncated'>;

export interface StoredTrace {
  traceId: string;
  /** By span id, in order of arrival. */
  spans: Map<string, StoredSpan>;
  /** Without what the pool keeps. */
  bytes: number;
  /** What its spans brought to the pool. */
  pooledBytes: number;
  droppedSpans: number;
  errorSpans: number;
  statements: Map<string, StatementInTrace>;
  routes: Set<string>;
  /** The first span without a parent; undefined until it arrives, and for a trace whose root was sampled out. */
  root: StoredSpan | undefined;
  /** `http.route` of the root. */
  rootRoute: string | null;
  startMs: number;
  endMs: number;
  /** The largest group of one statement's calls under one parent; cleared when a span arrives. */
  repeated: RepeatedStatement | null | undefined;
}

export interface RepeatedStatement {
  summary: string;
  repeats: number;
  totalMs: number;
}

/** One line of a list of traces. */
export interface TraceSummary {
  traceId: string;
  name: string;
  service: string;
  route: string | null;
  startedAt: string;
  durationMs: number;
  spans: number;
  errorSpans: number;
  /** The statement that took longest in one call. */
  slowest: { summary: string; durationMs: number } | null;
  /** All calls of the statement that was asked for. */
  statement: StatementInTrace | null;
  repeated: RepeatedStatement | null;
}

export interface TraceFilter {
  statement?: string | undefined;
  route?: string | undefined;
  minDurationMs?: number | undefined;
  error?: boolean | undefined;
  limit?: number | undefined;
  /** Leaves out the first of those that match. */
  offset?: number | undefined;
}

/** Share of both bounds below which ordinary traces are not pushed out by slow and failed ones. */
const ordinaryShare = 0.2;
/** Places kept free for roots, which end and so arrive last. */
const rootReserve = 16;

// Objects, boxed numbers, ids, and map entries at their largest slack, each as V8 (Node 24) lays them out without
// pointer compression; storeHeap.integration.test.ts holds the sums against the heap itself.
const SPAN_BYTES = 420;
const TRACE_BYTES = 1_300;
/** A statement or a route of a trace: its figures, and its places in both indexes. */
const INDEX_ENTRY_BYTES = 560;
/** Of both bounds: the texts of statements whose traces are gone. */
const TEXTS_SHARE = 1 / 8;

const encode = (span: Span): string => {
  const { kind, error, statusMessage, events, truncated } = span;
  const { 'db.query.text': _, ...attributes } = span.attributes;
  const rest: Rest = {
    kind,
    error,
    statusMessage,
    events,
    truncated,
    attributes: queryTextOf(span) === null ? span.attributes : attributes,
  };
  return JSON.stringify(rest);
};

function decode(traceId: string, { rest, text, ...stored }: StoredSpan): Span {
  const { attributes, ...others } = JSON.parse(rest) as Rest;
  const { spanId, parentSpanId, name, service, startMs, durationMs } = stored;
  return {
    traceId,
    spanId,
    parentSpanId,
    name,
    service,
    startMs,
    durationMs,
    ...others,
    attributes: text === null ? attributes : { ...attributes, 'db.query.text': text },
  };
}

function addTo<K>(index: Map<K, Set<StoredTrace>>, key: K, trace: StoredTrace) {
  const set = index.get(key);
  if (set) set.add(trace);
  else index.set(key, new Set([trace]));
}

function removeFrom<K>(index: Map<K, Set<StoredTrace>>, key: K, trace: StoredTrace) {
  const set = index.get(key);
  set?.delete(trace);
  if (set?.size === 0) index.delete(key);
}

export function durationOf(trace: StoredTrace): number {
  return trace.root?.durationMs ?? Math.max(0, trace.endMs - trace.startMs);
}

/** The largest group of calls of one statement below one parent: an N+1 shows as a large one. */
export function repeatedIn(trace: StoredTrace): RepeatedStatement | null {
  if (trace.repeated !== undefined) return trace.repeated;
  const groups = new Map<string, RepeatedStatement>();
  let largest: RepeatedStatement | null = null;
  for (const span of trace.spans.values()) {
    const { summary } = span;
    if (summary === null) continue;
    const key = `${span.parentSpanId}\n${summary}`;
    const group = groups.get(key) ?? { summary, repeats: 0, totalMs: 0 };
    group.repeats += 1;
    group.totalMs += span.durationMs;
    groups.set(key, group);
    if (!largest || group.repeats > largest.repeats) largest = group;
  }
  trace.repeated = largest && largest.repeats > 1 ? largest : null;
  return trace.repeated;
}

/**
 * Traces in memory, bounded by number and by bytes. The oldest go first, but failed and slow ones stay longer:
 * they are pushed out only when the ordinary ones are down to a fifth of the room.
 * Spans may come in any order and late; each is kept once.
 */
export class TraceStore {
  readonly options: TraceStoreOptions;
  // Insertion order is age. A trace is in one of the two.
  readonly #ordinary = new Map<string, StoredTrace>();
  readonly #notable = new Map<string, StoredTrace>();
  readonly #byStatement = new Map<string, Set<StoredTrace>>();
  readonly #byRoute = new Map<string, Set<StoredTrace>>();
  readonly #withErrors = new Set<StoredTrace>();
  readonly #texts = new TextPool();
  /** The text of a statement outlives its traces. */
  readonly #textOfStatement: LRUCache<string, string>;
  #ordinaryBytes = 0;
  #notableBytes = 0;
  #evicted = 0;

  constructor(options: Partial<TraceStoreOptions> = {}) {
    this.options = { ...defaultTraceStoreOptions, ...options };
    this.#textOfStatement = new LRUCache({
      max: 1_000,
      maxSize: Math.max(1, Math.floor(this.options.maxBytes * TEXTS_SHARE)),
      sizeCalculation: (text, summary) => INDEX_ENTRY_BYTES + stringBytes(text) + stringBytes(summary),
    });
  }

  get size(): number {
    return this.#ordinary.size + this.#notable.size;
  }

  get bytes(): number {
    return (
      this.#ordinaryBytes + this.#notableBytes + this.#texts.bytes + this.#textOfStatement.calculatedSize
    );
  }

  /** Traces pushed out since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  #stored(traceId: string): StoredTrace | undefined {
    return this.#ordinary.get(traceId) ?? this.#notable.get(traceId);
  }

  /** Its spans in order of arrival; undefined for one that is not here. */
  get(traceId: string): { spans: Span[]; droppedSpans: number } | undefined {
    const trace = this.#stored(traceId);
    return (
      trace && {
        spans: [...trace.spans.values()].map((span) => decode(trace.traceId, span)),
        droppedSpans: trace.droppedSpans,
      }
    );
  }

  add(spans: Iterable<Span>): void {
    for (const span of spans) {
      const known = this.#stored(span.traceId);
      const trace = known ?? this.#open(span.traceId);
      const before = trace.bytes;
      this.#put(trace, span);
      if (this.#notable.has(span.traceId)) this.#notableBytes += trace.bytes - before;
      else {
        this.#ordinaryBytes += trace.bytes - before;
        if (trace.errorSpans > 0 || durationOf(trace) >= this.options.slowMs) this.#promote(trace);
      }
      this.#evict();
    }
  }

  #open(traceId: string): StoredTrace {
    const trace: StoredTrace = {
      traceId,
      spans: new Map(),
      bytes: TRACE_BYTES,
      pooledBytes: 0,
      droppedSpans: 0,
      errorSpans: 0,
      statements: new Map(),
      routes: new Set(),
      root: undefined,
      rootRoute: null,
      startMs: Number.POSITIVE_INFINITY,
      endMs: 0,
      repeated: undefined,
    };
    this.#ordinary.set(traceId, trace);
    this.#ordinaryBytes += TRACE_BYTES;
    return trace;
  }

  #promote(trace: StoredTrace) {
    this.#ordinary.delete(trace.traceId);
    this.#notable.set(trace.traceId, trace);
    this.#ordinaryBytes -= trace.bytes;
    this.#notableBytes += trace.bytes;
  }

  /** A trace takes at most an eighth of the room, so that no single one can empty the store. */
  #hasRoom(trace: StoredTrace, span: Span, bytes: number): boolean {
    const isRoot = span.parentSpanId === null || span.kind === 'server';
    const most = this.options.maxSpansPerTrace + (isRoot ? rootReserve : 0);
    return trace.spans.size < most && trace.bytes + trace.pooledBytes + bytes <= this.options.maxBytes / 8;
  }

  #put(trace: StoredTrace, given: Span) {
    if (trace.spans.has(given.spanId)) return;
    const summary = statementOf(given);
    const text = queryTextOf(given);
    const route = routeOf(given);
    const rest = encode(given);
    const bytes = SPAN_BYTES + stringBytes(rest);
    const entries =
      (summary === null || trace.statements.has(summary) ? 0 : INDEX_ENTRY_BYTES) +
      (route === null || trace.routes.has(route) ? 0 : INDEX_ENTRY_BYTES);
    const pooled = [given.name, given.service, summary, text, route].reduce(
      (sum, one) => sum + this.#texts.costOf(one),
      0,
    );
    if (!this.#hasRoom(trace, given, bytes + entries + pooled)) {
      trace.droppedSpans += 1;
      return;
    }
    const span: StoredSpan = {
      spanId: given.spanId,
      parentSpanId: given.parentSpanId,
      name: this.#texts.keep(given.name),
      service: this.#texts.keep(given.service),
      summary: summary === null ? null : this.#texts.keep(summary),
      text: text === null ? null : this.#texts.keep(text),
      startMs: given.startMs,
      durationMs: given.durationMs,
      rest,
    };
    trace.spans.set(span.spanId, span);
    trace.bytes += bytes + entries;
    trace.pooledBytes += pooled;
    trace.repeated = undefined;
    if (given.error) {
      trace.errorSpans += 1;
      this.#withErrors.add(trace);
    }
    // A plan is captured beside the request; it does not make the trace longer.
    if (summary !== null || !('sqltrail.plan' in given.attributes)) {
      trace.startMs = Math.min(trace.startMs, span.startMs);
      trace.endMs = Math.max(trace.endMs, span.startMs + span.durationMs);
    }
    if (span.summary !== null) this.#indexStatement(trace, span, span.summary);
    const kept = route === null ? null : this.#indexRoute(trace, route);
    if (span.parentSpanId === null && !trace.root) {
      trace.root = span;
      trace.rootRoute = kept;
    }
  }

  #indexStatement(trace: StoredTrace, span: StoredSpan, summary: string) {
    if (span.text !== null) this.#textOfStatement.set(summary, span.text);
    const known = trace.statements.get(summary);
    if (known) {
      known.calls += 1;
      known.totalMs += span.durationMs;
      known.maxMs = Math.max(known.maxMs, span.durationMs);
      return;
    }
    trace.statements.set(summary, { calls: 1, totalMs: span.durationMs, maxMs: span.durationMs });
    addTo(this.#byStatement, summary, trace);
  }

  /** @returns the pool's copy */
  #indexRoute(trace: StoredTrace, route: string): string {
    const kept = this.#texts.keep(route);
    if (trace.routes.has(kept)) {
      this.#texts.release(kept);
      return kept;
    }
    trace.routes.add(kept);
    addTo(this.#byRoute, kept, trace);
    return kept;
  }

  #evict() {
    const { maxTraces, maxBytes } = this.options;
    while (this.size > maxTraces || this.bytes > maxBytes) {
      const spare =
        this.#ordinary.size > maxTraces * ordinaryShare || this.#ordinaryBytes > maxBytes * ordinaryShare;
      const from =
        (spare && this.#ordinary.size > 0) || this.#notable.size === 0 ? this.#ordinary : this.#notable;
      const [oldest] = from.values();
      if (!oldest) return;
      this.#remove(oldest);
      this.#evicted += 1;
    }
  }

  #remove(trace: StoredTrace) {
    if (this.#notable.delete(trace.traceId)) this.#notableBytes -= trace.bytes;
    else if (this.#ordinary.delete(trace.traceId)) this.#ordinaryBytes -= trace.bytes;
    for (const summary of trace.statements.keys()) removeFrom(this.#byStatement, summary, trace);
    for (const route of trace.routes) {
      removeFrom(this.#byRoute, route, trace);
      this.#texts.release(route);
    }
    for (const { name, service, summary, text } of trace.spans.values())
      for (const kept of [name, service, summary, text]) if (kept !== null) this.#texts.release(kept);
    this.#withErrors.delete(trace);
  }

  /** Matching traces, the slowest first: by the statement's longest call where one is asked for, else by the trace. */
  find(filter: TraceFilter): { total: number; found: TraceSummary[] } {
    const { statement, route, minDurationMs = 0, error, limit = 50, offset = 0 } = filter;
    const matching = [...this.#candidates(filter)]
      .filter(
        (trace) =>
          trace.spans.size > 0 &&
          (statement === undefined || trace.statements.has(statement)) &&
          (route === undefined || trace.routes.has(route)) &&
          (error === undefined || error === trace.errorSpans > 0) &&
          durationOf(trace) >= minDurationMs,
      )
      .map((trace) => ({
        trace,
        order: statement === undefined ? durationOf(trace) : (trace.statements.get(statement)?.maxMs ?? 0),
      }))
      .sort((a, b) => b.order - a.order);
    return {
      total: matching.length,
      found: matching.slice(offset, offset + limit).map(({ trace }) => summarise(trace, statement)),
    };
  }

  /** The smallest index that holds all answers. */
  #candidates({ statement, route, error }: TraceFilter): Iterable<StoredTrace> {
    const none = new Set<StoredTrace>();
    const sets = [
      ...(statement === undefined ? [] : [this.#byStatement.get(statement) ?? none]),
      ...(route === undefined ? [] : [this.#byRoute.get(route) ?? none]),
      ...(error ? [this.#withErrors] : []),
    ].sort((a, b) => a.size - b.size);
    return sets[0] ?? this.all();
  }

  *all(): Generator<StoredTrace> {
    yield* this.#ordinary.values();
    yield* this.#notable.values();
  }

  /** The trace that shows a statement best: its slowest call. */
  sampleOf(statement: string): { traceId: string; durationMs: number } | null {
    let best: { traceId: string; durationMs: number } | null = null;
    for (const trace of this.#byStatement.get(statement) ?? []) {
      const durationMs = trace.statements.get(statement)?.maxMs ?? 0;
      if (!best || durationMs > best.durationMs) best = { traceId: trace.traceId, durationMs };
    }
    return best;
  }

  /** The redacted text of a statement; null for one that no trace has brought. */
  textOf(statement: string): string | null {
    return this.#textOfStatement.get(statement) ?? null;
  }

  /** Redacted texts by `db.query.summary`, also of statements whose traces are gone. */
  statementTexts(): Map<string, string> {
    return new Map(this.#textOfStatement.entries());
  }

  /** For each statement, the trace with its largest group below one parent; largest groups first. */
  repeatedStatements(limit = 50): (RepeatedStatement & { route: string; traceId: string })[] {
    const best = new Map<string, RepeatedStatement & { route: string; traceId: string }>();
    for (const trace of this.all()) {
      const repeated = repeatedIn(trace);
      if (!repeated || repeated.repeats <= (best.get(repeated.summary)?.repeats ?? 1)) continue;
      const [route = ''] = trace.routes;
      best.set(repeated.summary, { ...repeated, route, traceId: trace.traceId });
    }
    return [...best.values()].sort((a, b) => b.repeats - a.repeats).slice(0, limit);
  }
}

function summarise(trace: StoredTrace, statement: string | undefined): TraceSummary {
  const first = trace.root ?? [...trace.spans.values()].sort((a, b) => a.startMs - b.startMs)[0];
  let slowest: TraceSummary['slowest'] = null;
  for (const [summary, { maxMs }] of trace.statements)
    if (!slowest || maxMs > slowest.durationMs) slowest = { summary, durationMs: maxMs };
  const [route = null] = trace.rootRoute === null ? trace.routes : [trace.rootRoute];
  return {
    traceId: trace.traceId,
    name: first?.name ?? '(no name)',
    service: first?.service ?? 'unknown_service',
    route,
    startedAt: new Date(Number.isFinite(trace.startMs) ? trace.startMs : (first?.startMs ?? 0)).toISOString(),
    durationMs: durationOf(trace),
    spans: trace.spans.size,
    errorSpans: trace.errorSpans,
    slowest,
    statement: (statement !== undefined && trace.statements.get(statement)) || null,
    repeated: repeatedIn(trace),
  };
}
