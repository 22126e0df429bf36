import { jobsOf } from '../../config/jobs.ts';
import { oneOf } from '../../kpis/observed.ts';
import { select } from '../../kpis/promql.ts';
import { type AlertDefinition, type Guarded, grows, ofItsProcess, steady } from '../definition.ts';

const telemetryMissing = ({ observed, pace }: Guarded): AlertDefinition => {
  const jobs = jobsOf(observed.config).filter(({ name }) => name !== 'prometheus');
  const up = `up{job="${jobs[0]?.name}"}`;
  return {
    alert: 'TelemetryMissing',
    kpi: 'spans-lost',
    severity: 'page',
    layer: 'cause',
    expr: `up{job=~"${oneOf(jobs.map(({ name }) => name))}"} == 0`,
    for: pace.wait(20),
    summary: '{{ $labels.job }}{{ with $labels.database }} ({{ . }}){{ end }} is not scraped',
    description: 'The part is down, or its metrics are. Other alerts may be silent because of it.',
    tests: {
      at: pace.wait(120),
      fires: [{ series: up, values: steady(0, 40) }],
      silent: [{ series: up, values: '1 1 0 1x37' }],
    },
  };
};

const spansDropped = ({ observed, pace }: Guarded): AlertDefinition => {
  const series = `sqltrail_spans_dropped_total{${ofItsProcess(observed)},reason="export_failed"}`;
  return {
    alert: 'SpansDropped',
    kpi: 'spans-lost',
    severity: 'ticket',
    layer: 'cause',
    expr: `sum by (job, reason) (increase(${select('sqltrail_spans_dropped_total', observed.processes)}${observed.range})) > 0`,
    for: pace.wait(15),
    keepFiringFor: pace.wait(60),
    summary: `{{ $value | humanize }} spans were lost in ${pace.window} ({{ $labels.reason }})`,
    description:
      'The collector is unavailable or too slow. Requests are not affected; what the traces show is not complete.',
    tests: {
      at: pace.wait(120),
      fires: [{ series, values: grows(100, 40) }],
      silent: [{ series, values: steady(100, 40) }],
    },
  };
};

export const telemetry = (guarded: Guarded) => [telemetryMissing(guarded), spansDropped(guarded)];
