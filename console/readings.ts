import { catalogue, meetsObjective } from '../kpis/catalogue.ts';
import type { Kpi } from '../kpis/kpi.ts';
import { meanStatementSeconds, SHOP, statementQuantile } from '../kpis/promql.ts';
import { SourceUnavailable } from './problem.ts';
import type { PrometheusSource, Sample } from './sources/prometheus.ts';
import type { TraceStore } from './traces/store.ts';

export interface KpiReading
  extends Pick<Kpi, 'id' | 'name' | 'group' | 'unit' | 'objective' | 'meaning' | 'justification' | 'causes'> {
  /** In the KPI's unit; null when there is nothing to measure (no traffic). */
  value: number | null;
  met: boolean | null;
}

async function readKpi(kpi: Kpi, prometheus: PrometheusSource): Promise<KpiReading> {
  const { id, name, group, unit, objective, meaning, justification, causes } = kpi;
  const [sample] = await prometheus.query(kpi.promql).catch((error): Sample[] => {
    if (error instanceof SourceUnavailable) throw error;
    return [];
  });
  const value = sample && Number.isFinite(sample.value) ? sample.value : null;
  const met = value === null ? null : meetsObjective(kpi, value);
  return { id, name, group, unit, objective, meaning, justification, causes, value, met };
}

/** All KPIs now. One that cannot be computed is null, Prometheus away is an error. @throws SourceUnavailable */
export async function readKpis(prometheus: PrometheusSource): Promise<KpiReading[]> {
  return Promise.all(catalogue.map((kpi) => readKpi(kpi, prometheus)));
}

export interface StatementReading {
  summary: string;
  /** Calls a second. */
  rate: number;
  meanSeconds: number | null;
  p95Seconds: number | null;
  /** Share of all time that the shop spent in statements. */
  timeShare: number | null;
  /** Failed calls a second. */
  errors: number;
  text: string | null;
  traceId: string | null;
}

/** The statements of the last minute, those that take most of the time first. @throws SourceUnavailable */
export async function readStatements(
  prometheus: PrometheusSource,
  traces: TraceStore,
): Promise<StatementReading[]> {
  const by = 'sum by (db_query_summary)';
  const [rates, means, p95s, times, errors] = await Promise.all([
    prometheus.query(`${by} (rate(db_client_operation_calls_total{${SHOP}}[1m]))`),
    prometheus.query(meanStatementSeconds('1m')),
    prometheus.query(statementQuantile(0.95, ['db_query_summary'])),
    prometheus.query(`${by} (rate(db_client_operation_duration_seconds_sum{${SHOP}}[1m]))`),
    prometheus.query(`${by} (rate(db_client_operation_calls_total{${SHOP},error_type!=""}[1m]))`),
  ]);
  const index = (samples: Sample[]) =>
    new Map(samples.map(({ labels, value }) => [labels['db_query_summary'] ?? '', value]));
  const [mean, p95, time, error] = [means, p95s, times, errors].map(index) as [
    Map<string, number>,
    Map<string, number>,
    Map<string, number>,
    Map<string, number>,
  ];
  const total = [...time.values()].reduce((sum, value) => sum + value, 0);
  const texts = traces.statementTexts();
  return rates
    .filter(({ value }) => value > 0)
    .map(({ labels, value }) => {
      const summary = labels['db_query_summary'] ?? '';
      return {
        summary,
        rate: value,
        meanSeconds: mean.get(summary) ?? null,
        p95Seconds: p95.get(summary) ?? null,
        timeShare: total > 0 ? (time.get(summary) ?? 0) / total : null,
        errors: error.get(summary) ?? 0,
        text: texts.get(summary) ?? null,
        traceId: traces.sampleOf(summary)?.traceId ?? null,
      };
    })
    .sort((a, b) => (b.timeShare ?? 0) - (a.timeShare ?? 0))
    .slice(0, 30);
}
