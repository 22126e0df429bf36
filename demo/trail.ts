import { z } from 'zod';
import type { Finding } from '../diagnosis/finding.ts';
import type { RecordedCauseTrace, RecordedSpan, RecordedTrail } from '../report/recording.ts';
import { type ActiveAlert, fetchTrace, findTraces, queryExemplars, type StoryTargets } from './clients.ts';

const traceSchema = z.object({
  traceId: z.string(),
  spans: z.array(
    z.object({
      spanId: z.string(),
      parentSpanId: z.string().nullable(),
      name: z.string(),
      startMs: z.number(),
      durationMs: z.number(),
      error: z.boolean(),
      attributes: z.record(z.string(), z.unknown()),
    }),
  ),
});
type FetchedTrace = z.infer<typeof traceSchema>;

const listSchema = z.array(z.object({ traceId: z.string() }));

const text = (value: unknown) => (typeof value === 'string' ? value : null);

function planOf(value: unknown): unknown {
  try {
    return typeof value === 'string' ? JSON.parse(value) : null;
  } catch {
    return null;
  }
}

const recorded = (span: FetchedTrace['spans'][number]): RecordedSpan => ({
  spanId: span.spanId,
  parentSpanId: span.parentSpanId,
  name: span.name,
  startMs: span.startMs,
  durationMs: span.durationMs,
  error: span.error,
  sql: text(span.attributes['db.query.text']),
  plan: planOf(span.attributes['sqltrail.plan']),
});

/** How good a trace tells the tale: with the plan of the statement, then the longest call of it. */
function follow(
  alert: ActiveAlert,
  statement: string,
  trace: FetchedTrace,
  foundBy: RecordedTrail['foundBy'],
) {
  const calls = trace.spans
    .filter((span) => span.attributes['db.query.summary'] === statement && 'db.query.text' in span.attributes)
    .sort((a, b) => b.durationMs - a.durationMs);
  const [call] = calls;
  if (!call) return undefined;
  const explain = trace.spans.find(
    (span) => 'sqltrail.plan' in span.attributes && span.attributes['db.query.summary'] === statement,
  );
  const planned = explain && trace.spans.find((span) => span.spanId === explain.parentSpanId);
  const shown = planned ?? call;
  const trail: RecordedTrail = {
    alert: alert.labels['alertname'] ?? '',
    statement,
    traceId: trace.traceId,
    route: text(shown.attributes['http.route']),
    durationMs: shown.durationMs,
    foundBy,
    spans: trace.spans.map(recorded),
    sql: text(shown.attributes['db.query.text']),
    plan: planOf(explain?.attributes['sqltrail.plan']),
  };
  return trail;
}

/** Traces that are looked at for one with a plan; a plan is captured once in a while, not for each call. */
const MAX_CANDIDATES = 25;

/**
 * From an alert that names a statement to a trace of it with its SQL and plan: by the exemplars of the metric that
 * the alert is about, largest first; where all of them were sampled out, by the trace store's index.
 */
export async function followAlert(
  targets: StoryTargets,
  alert: ActiveAlert,
  from: Date,
): Promise<RecordedTrail | undefined> {
  const statement = alert.labels['db_query_summary'];
  if (!statement) return undefined;
  const selector = `db_client_operation_duration_seconds_bucket{db_query_summary=${JSON.stringify(statement)}}`;
  const exemplars = await queryExemplars(targets, selector, from, new Date());
  const listed = listSchema.parse(await findTraces(targets, statement));
  const candidates: [string, RecordedTrail['foundBy']][] = [
    ...exemplars.map(({ labels }): [string, 'exemplar'] => [labels['trace_id'] ?? '', 'exemplar']),
    ...listed.map(({ traceId }): [string, 'trace store'] => [traceId, 'trace store']),
  ];
  let best: RecordedTrail | undefined;
  const seen = new Set<string>();
  for (const [traceId, foundBy] of candidates) {
    if (seen.has(traceId) || seen.size >= MAX_CANDIDATES) continue;
    seen.add(traceId);
    const fetched = traceSchema.safeParse(await fetchTrace(targets, traceId));
    if (!fetched.success) continue;
    const trail = follow(alert, statement, fetched.data, foundBy);
    if (trail?.plan) return trail;
    best ??= trail;
  }
  return best;
}

type IsOf = (span: FetchedTrace['spans'][number]) => boolean;

/**
 * Whether a span is a call of one of the finding's statements: by fingerprint, or by summary for a statement that has
 * none, such as one that was seen in traces only.
 */
function calls({ statements }: Finding): IsOf {
  const fingerprints = new Set(statements.flatMap(({ fingerprint }) => fingerprint ?? []));
  const summaries = new Set(
    statements.flatMap(({ fingerprint, summary }) => (fingerprint === null ? (summary ?? []) : [])),
  );
  return ({ attributes }) =>
    'db.query.text' in attributes &&
    (fingerprints.has(text(attributes['sqltrail.query.fingerprint']) ?? '') ||
      summaries.has(text(attributes['db.query.summary']) ?? ''));
}

function slowestCall(
  trace: FetchedTrace,
  isOf: IsOf,
  { id: finding, explains }: Finding,
): RecordedCauseTrace | undefined {
  const [call] = trace.spans
    .filter(isOf)
    .filter(
      ({ attributes }) => explains.route === undefined || text(attributes['http.route']) === explains.route,
    )
    .map((span) => ({
      span,
      plan: planOf(
        trace.spans.find(
          ({ parentSpanId, attributes }) => parentSpanId === span.spanId && 'sqltrail.plan' in attributes,
        )?.attributes['sqltrail.plan'],
      ),
    }))
    .sort(
      (a, b) => Number(b.plan !== null) - Number(a.plan !== null) || b.span.durationMs - a.span.durationMs,
    );
  if (!call) return undefined;
  return {
    finding,
    traceId: trace.traceId,
    route: text(call.span.attributes['http.route']),
    durationMs: call.span.durationMs,
    error: call.span.error,
    sql: text(call.span.attributes['db.query.text']) as string,
    plan: call.plan,
  };
}

/** Traces that are looked at for each finding. */
const MAX_TRACES_OF_A_CAUSE = 10;

/** For each finding about a statement a trace of that very statement, with its plan where one was captured. */
export async function traceCauses(
  targets: StoryTargets,
  findings: readonly Finding[],
): Promise<RecordedCauseTrace[]> {
  const fetched = new Map<string, FetchedTrace | undefined>();
  const fetchOnce = async (traceId: string) => {
    if (!fetched.has(traceId)) {
      const parsed = traceSchema.safeParse(await fetchTrace(targets, traceId));
      fetched.set(traceId, parsed.success ? parsed.data : undefined);
    }
    return fetched.get(traceId);
  };
  const found: RecordedCauseTrace[] = [];
  for (const finding of findings) {
    const isOf = calls(finding);
    const queue = [...finding.explains.traces];
    let best: RecordedCauseTrace | undefined;
    for (let at = 0; at < Math.min(queue.length, MAX_TRACES_OF_A_CAUSE) && !best?.plan; at += 1) {
      const trace = await fetchOnce(queue[at] as string);
      const call = trace && slowestCall(trace, isOf, finding);
      if (!call) continue;
      if (!best) {
        // More traces of the same statement: a plan is captured once in a while only.
        const summary = trace.spans.find(({ attributes }) => attributes['db.query.text'] === call.sql)
          ?.attributes['db.query.summary'];
        const listed = summary ? listSchema.parse(await findTraces(targets, String(summary))) : [];
        queue.push(...listed.map(({ traceId }) => traceId).filter((id) => !queue.includes(id)));
      }
      if (!best || call.plan) best = call;
    }
    if (best) found.push(best);
  }
  return found;
}
