import { catalogue, meetsObjective, observed } from '../kpis/catalogue.ts';
import type { Kpi } from '../kpis/kpi.ts';
import { type Prometheus, QueryRefused, type Sample } from '../lib/prometheus/client.ts';
import type { TraceStore } from './traces/store.ts';

export interface KpiReading
  extends Pick<Kpi, 'id' | 'name' | 'group' | 'unit' | 'objective' | 'meaning' | 'justification' | 'causes'> {
  /** In the KPI's unit; null when there is none, and then `reason` says why. */
  value: number | null;
  met: boolean | null;
  reason: string | null;
}

async function readKpi(kpi: Kpi, prometheus: Pick<Prometheus, 'query'>): Promise<KpiReading> {
  const { id, name, group, unit, objective, meaning, justification, causes } = kpi;
  const described = { id, name, group, unit, objective, meaning, justification, causes };
  const without = (reason: string): KpiReading => ({ ...described, value: null, met: null, reason });
  try {
    const [sample] = await prometheus.query(kpi.promql());
    if (!sample) return without('Nothing to measure yet: its series are missing or had no traffic.');
    // JSON has no infinity, and no KPI means anything there.
    if (!Number.isFinite(sample.value)) return without('The value is infinite: its divisor is zero.');
    return { ...described, value: sample.value, met: meetsObjective(kpi, sample.value), reason: null };
  } catch (error) {
    if (error instanceof QueryRefused) return without(`Prometheus refused the query: ${error.message}`);
    throw error;
  }
}

/** All KPIs now, in the catalogue's order. @throws SourceUnavailable when Prometheus is unavailable */
export async function readKpis(
  prometheus: Pick<Prometheus, 'query'>,
  kpis: readonly Kpi[] = catalogue,
): Promise<KpiReading[]> {
  return Promise.all(kpis.map((kpi) => readKpi(kpi, prometheus)));
}

/** One statement over the last five minutes. Times in seconds, rates a second. */
export interface StatementReading {
  /** `db.query.summary`. */
  summary: string;
  rate: number;
  meanSeconds: number | null;
  p95Seconds: number | null;
  /** Share (0..1) of the time that the shop spent in all statements. */
  timeShare: number | null;
  /** Share (0..1) of its calls that failed. */
  errorRatio: number;
  /** The beginning of its redacted text; null when no trace has brought it yet. */
  text: string | null;
  /** The kept trace with its slowest call. */
  traceId: string | null;
}

const WINDOW = '5m';
const MAX_STATEMENTS = 500;
/** As much as a line of a list shows. */
const SHOWN_TEXT = 160;
const NAMED = `${observed.spans},db_query_summary!=""`;
const rateOf = (series: string, matchers: string, by = 'db_query_summary') =>
  `sum by (${by}) (rate(db_client_operation_${series}{${matchers}}[${WINDOW}]))`;

const bySummary = (samples: Sample[]) =>
  new Map(samples.map(({ labels, value }) => [labels['db_query_summary'] ?? '', value]));

/**
 * The statements of the last five minutes, those that take most of the time first.
 *
 * @throws SourceUnavailable when Prometheus is unavailable
 * @throws QueryRefused
 */
export async function readStatements(
  prometheus: Pick<Prometheus, 'query'>,
  traces: TraceStore,
): Promise<StatementReading[]> {
  const [rates, times, p95s, failures] = await Promise.all(
    [
      rateOf('calls_total', NAMED),
      rateOf('duration_seconds_sum', NAMED),
      `histogram_quantile(0.95, ${rateOf('duration_seconds_bucket', NAMED, 'le, db_query_summary')})`,
      rateOf('calls_total', `${NAMED},status_code="STATUS_CODE_ERROR"`),
    ].map(async (promql) => bySummary(await prometheus.query(promql))),
  );
  const total = [...(times?.values() ?? [])].reduce((sum, value) => sum + value, 0);
  const texts = traces.statementTexts();
  return [...(rates ?? [])]
    .filter(([, rate]) => rate > 0)
    .map(([summary, rate]) => {
      const time = times?.get(summary);
      const p95 = p95s?.get(summary);
      return {
        summary,
        rate,
        meanSeconds: time === undefined ? null : time / rate,
        p95Seconds: p95 !== undefined && Number.isFinite(p95) ? p95 : null,
        timeShare: total > 0 && time !== undefined ? time / total : null,
        errorRatio: (failures?.get(summary) ?? 0) / rate,
        text: texts.get(summary)?.slice(0, SHOWN_TEXT) ?? null,
        traceId: traces.sampleOf(summary)?.traceId ?? null,
      };
    })
    .sort((a, b) => (b.timeShare ?? 0) - (a.timeShare ?? 0))
    .slice(0, MAX_STATEMENTS);
}
