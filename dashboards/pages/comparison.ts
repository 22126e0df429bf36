import { CHANGES_SQL } from '../changes.ts';
import {
  byPhase,
  type Dashboard,
  type DrawnKpi,
  describeKpi,
  earlier,
  kpiByPhase,
  type PromqlPanel,
  type SqlPanel,
} from '../panel.ts';
import { row, type Subject } from '../subject.ts';
import { statementsByPhase } from './shared.ts';

const CUSTOMERS = [
  'customer-latency-p95',
  'satisfied-requests',
  'request-failure-ratio',
  'checkout-failure-ratio',
] as const;
const DATABASE = [
  'statement-latency-p95',
  'pool-saturation',
  'rows-read-per-request',
  'queries-per-request',
] as const;
/** A story has a peak and what it was before within that time. */
const MINUTES_AGO = 5;

const phaseTable = ({ config, kpis }: Subject): PromqlPanel => ({
  id: 'kpis-by-phase',
  kind: 'table',
  title: 'KPIs, mean of each phase',
  description: `Rates have a window of a minute, so the first minute of a phase still includes some of the previous one. “Proof” is the peak’s load on the fixed ${config.system}.`,
  unit: '1',
  queries: kpis(...CUSTOMERS, ...DATABASE).map(({ id, name, promql, unit }) => ({
    promql: byPhase(promql()),
    legend: name,
    unit,
    kpi: id,
  })) as PromqlPanel['queries'],
  labels: { phase: 'Phase' },
  runbooks: [],
  width: 24,
  height: 8,
});

const nowAndEarlier = (kpi: DrawnKpi): PromqlPanel => {
  return {
    id: `${kpi.id}-and-earlier`,
    kind: 'lines',
    title: `${kpi.name}, now and ${MINUTES_AGO} minutes earlier`,
    description: `The line behind it is the same query, ${MINUTES_AGO} minutes earlier.\n\n${describeKpi(kpi)}`,
    unit: kpi.unit,
    queries: [
      { promql: kpi.promql(), legend: 'now' },
      { promql: earlier(kpi.promql(), MINUTES_AGO), legend: `${MINUTES_AGO} minutes earlier` },
    ],
    objective: kpi.objective,
    runbooks: [],
    width: 12,
    height: 8,
  };
};

const changes: SqlPanel = {
  id: 'changes',
  kind: 'sql',
  title: 'Changes in the database',
  description:
    'From the journals that sqltrail keeps in the database that it changes: actions with their outcome, and the phases of the migration that are complete. The same are marks on every panel.',
  unit: '{count}',
  sql: `SELECT at AS "When", what AS "What" FROM (${CHANGES_SQL}) AS changed`,
  width: 24,
  height: 8,
};

/** What only somebody who sets phases can ask: the console on the story's way does. */
const byPhases = (subject: Subject): Dashboard['rows'] => {
  const { config, kpis } = subject;
  if (!config.phases) return [];
  return [
    ...row('What did customers feel in each phase?', kpis(...CUSTOMERS).map(kpiByPhase)),
    ...row('What did the database do in each phase?', kpis(...DATABASE).map(kpiByPhase)),
    ...row('Which statements became quicker, and did any become slower?', [statementsByPhase(subject)]),
  ];
};

export const comparison = (subject: Subject): Dashboard => {
  const { config, kpis } = subject;
  const [latency] = kpis('customer-latency-p95', 'request-latency-p95');
  return {
    id: 'comparison',
    title: 'sqltrail: before and after',
    description: config.phases
      ? 'Did the change help? The same KPIs in each phase of the time range, and against a while ago.'
      : 'Did the change help? The same KPIs against a while ago.',
    audience: 'engineer',
    minutes: 60,
    rows: [
      ...row('What did each phase change, in figures?', config.phases ? [phaseTable(subject)] : []),
      ...row('What was changed, and when?', [changes]),
      ...byPhases(subject),
      ...row(
        `Is it better or worse than ${MINUTES_AGO} minutes ago?`,
        [...(latency ? [latency] : []), ...kpis('request-failure-ratio')].map(nowAndEarlier),
      ),
    ],
  };
};
