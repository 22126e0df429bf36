import type { TraceReading } from '../../console/details.ts';
import type { DiagnosisReading, FindingReading } from '../../console/diagnosis.ts';
import type { Alert } from '../../console/sources/alertmanager.ts';
import { planOf, queryTextOf, statementOf } from '../../console/traces/span.ts';
import type { TraceSummary } from '../../console/traces/store.ts';
import { prometheusAt } from '../../lib/prometheus/client.ts';
import { onDatabase } from '../onDatabase.ts';
import type { Fault } from './application.ts';
import type { Shown } from './shown.ts';
import type { Observed } from './stack.ts';

/** What was done and seen, each step timed. */
export function stepsOf(say: (text: string) => void) {
  const lines: Shown[] = [];
  let since = performance.now();
  return {
    lines,
    step(what: string, detail: string) {
      const seconds = ((performance.now() - since) / 1_000).toFixed(0);
      lines.push({ what, verdict: 'shown', detail: `after ${seconds} s: ${detail}` });
      say(`${what} (${seconds} s): ${detail}`);
      since = performance.now();
    },
  };
}

const matches = (labels: Record<string, string>, wanted: Record<string, string>) =>
  Object.entries(wanted).every(([name, value]) => labels[name] === value);

/** The alert that is looked for, where it fires now. */
export const firing = async (observed: Observed, { alert, labels }: Pick<Fault, 'alert' | 'labels'>) =>
  (await observed.ask<Alert[]>('/api/alerts')).find(
    (each) => each.name === alert && matches(each.labels, labels),
  );

/** The finding of a check on a table, of diagnoses that are asked for until it is there. */
export async function findingOf(
  observed: Observed,
  { check, table }: Pick<Fault, 'check' | 'table'>,
): Promise<FindingReading> {
  const authorization = `Bearer ${await observed.token()}`;
  return observed.until('the finding', async () => {
    const reading = await observed.ask<DiagnosisReading>('/api/diagnosis');
    const found = reading.last?.findings.find(
      (each) => each.check === check && each.objects[0]?.table === table,
    );
    if (found) return found;
    if (!reading.running)
      await observed.ask('/api/diagnosis', {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: '{}',
      });
    return undefined;
  });
}

/** The first one found among the traces that the console gives for a query. */
export async function firstTrace<T>(
  observed: Observed,
  query: string,
  find: (trace: TraceReading) => T | undefined,
): Promise<T | undefined> {
  for (const { traceId } of await observed.ask<TraceSummary[]>(`/api/traces?${query}&limit=200`)) {
    const found = find(await observed.ask<TraceReading>(`/api/traces/${traceId}`));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** From the fault to silence, as somebody goes who is paged: alert, trace, SQL, finding, fix. Each step is timed. */
export async function incident(
  fault: Fault,
  observed: Observed,
  say: (text: string) => void,
): Promise<Shown[]> {
  const { lines, step } = stepsOf(say);
  const early = await firing(observed, fault);
  if (early) throw new Error(`${fault.alert} fires before anything was planted: ${early.summary}`);

  const much = await observed.unlessEnded(onDatabase(observed.ownerUrl, (client) => fault.plant(client)));
  step('fault planted', `${fault.what}; ${much}`);

  const alert = await observed.until(`the alert ${fault.alert}`, () => firing(observed, fault));
  step('alert', `${alert.name}: ${alert.summary}`);

  const summary = alert.labels['db_query_summary'] ?? '';
  const route = alert.labels['http_route'] ?? '';
  const exemplar = await observed.until('an exemplar of the statement', async () => {
    const found = await prometheusAt(observed.prometheus).exemplars(
      `db_client_operation_duration_seconds_bucket{db_query_summary="${summary}",http_route="${route}"}`,
      new Date(Date.now() - 300_000),
      new Date(),
    );
    for (const { labels, value } of found) {
      const traceId = labels['trace_id'] ?? labels['traceID'];
      if (!traceId) continue;
      const trace = await observed.ask<TraceReading>(`/api/traces/${traceId}`).catch(() => undefined);
      if (trace) return { trace, value };
    }
    return undefined;
  });
  step('alert → trace', `exemplar of ${exemplar.value.toFixed(2)} s leads to ${exemplar.trace.traceId}`);

  const slow = `statement=${encodeURIComponent(summary)}&route=${encodeURIComponent(route)}&minDurationMs=250`;
  const planned = await observed.until('a trace with the plan of the statement', () =>
    firstTrace(observed, slow, ({ traceId, spans }) => {
      const span = spans.find(
        (candidate) => statementOf(candidate) === summary && candidate.durationMs > 250,
      );
      const plan = spans.find((each) => each.parentSpanId === span?.spanId && planOf(each) !== null);
      return span && plan && { traceId, span, plan: planOf(plan) ?? '' };
    }),
  );
  step(
    'trace → SQL and plan',
    `${(queryTextOf(planned.span) ?? '').slice(0, 160)} took ${planned.span.durationMs.toFixed(0)} ms; the plan ${/Seq Scan/.test(planned.plan) ? 'scans the whole table' : 'scans no whole table'}`,
  );

  const finding = await findingOf(observed, fault);
  step('finding', `${finding.id}, ${finding.severity}: ${finding.title}; fix: ${finding.sql.join('; ')}`);

  const applied = await observed.sqltrail([
    ...['fix', 'apply', observed.ownerUrl, '--yes', '--read-url', observed.monitorUrl],
    ...['--console', observed.console],
  ]);
  step(
    'fix apply --yes',
    applied
      .split('\n')
      .filter((text) => /[✔✓↩✖]/.test(text))
      .map((text) => text.trim())
      .join('; '),
  );

  await observed.until(
    'silence',
    async () => (await firing(observed, fault)) === undefined,
    undefined,
    1_800_000,
  );
  step('alert silent', fault.alert);
  return lines;
}
