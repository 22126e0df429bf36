import { severities } from '../diagnosis/finding.ts';
import { type Metric, seriesOf } from '../lib/prometheus/exposition.ts';
import { findingStates, type History, runOutcomes } from './history.ts';
import { slowdowns } from './plans.ts';

/** Series of single findings, and of single statements, a database has at most. */
const MAX_SERIES = 100;
const MAX_OBJECT = 120;

/** What a history says, as Prometheus scrapes it. Resolved findings are counted, and not listed. */
export function metricsOf(database: string, history: History): Metric[] {
  const { findings, runs, counts, plans } = history;
  const last = runs.findLast(({ outcome }) => outcome === 'complete' || outcome === 'partial');
  const listed = findings.filter(({ state }) => state !== 'resolved').slice(0, MAX_SERIES);
  const ofEach = new Map(
    listed.map(({ id, check, severity, state }) => {
      const object = id.slice(id.indexOf(':') + 1).slice(0, MAX_OBJECT);
      return [seriesOf('sqltrail_finding', { database, check, severity, state, object }), 1];
    }),
  );
  const now = runs.at(-1)?.startedAt;
  return [
    ...[...ofEach].map(
      ([series, value]): Metric => [series, 'gauge', 'A finding of the scheduled diagnosis.', value],
    ),
    ...severities.flatMap((severity) =>
      findingStates.map(
        (state): Metric => [
          seriesOf('sqltrail_findings', { database, severity, state }),
          'gauge',
          'Findings of the scheduled diagnosis.',
          findings.filter((finding) => finding.severity === severity && finding.state === state).length,
        ],
      ),
    ),
    ...(now ? slowdowns(plans, now) : [])
      .slice(0, MAX_SERIES)
      .map(
        ({ summary, fingerprint, ratio }): Metric => [
          seriesOf('sqltrail_plan_slowdown_ratio', { database, db_query_summary: summary, fingerprint }),
          'gauge',
          'Mean time of a statement whose plan changed, over that under its former plan.',
          ratio,
        ],
      ),
    ...runOutcomes.map(
      (outcome): Metric => [
        seriesOf('sqltrail_diagnosis_runs_total', { database, outcome }),
        'counter',
        'Runs of the scheduled diagnosis.',
        counts[outcome],
      ],
    ),
    ...(last
      ? ([
          ['last_run_timestamp_seconds', 'When the last diagnosis began.', Date.parse(last.startedAt) / 1000],
          ['duration_seconds', 'What the last diagnosis took.', last.seconds],
          ['database_seconds', 'Time in which a statement of it was running.', last.databaseSeconds],
          ['complete', '1 where all checks came to their end.', Number(last.outcome === 'complete')],
        ] as const)
      : []
    ).map(
      ([name, help, value]): Metric => [
        seriesOf(`sqltrail_diagnosis_${name}`, { database }),
        'gauge',
        help,
        value,
      ],
    ),
  ];
}
