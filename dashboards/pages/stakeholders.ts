import { attemptsAMinute, lostValue } from '../../kpis/business.ts';
import { objectiveText } from '../../kpis/unitText.ts';
import { byPhase, type Dashboard, type DrawnKpi, type Panel, type PromqlPanel } from '../panel.ts';
import { row, type Subject } from '../subject.ts';

/** What the phases are called by those who pay for them. */
export const plainPhases: Record<string, string> = {
  idle: 'Quiet',
  ordinary: 'Normal day',
  peak: 'Busy hours, before',
  diagnosis: 'Looking for the causes',
  'short-term': 'First repairs',
  archival: 'Old data moved out',
  'medium-term': 'Rebuilding underneath',
  proof: 'Busy hours, after',
};

/** A KPI in words for everybody. */
interface Plain {
  /** The first of them that there is. */
  kpi: string[];
  title: string;
  says: string;
}

const now = (kpi: DrawnKpi, { title, says }: Plain): PromqlPanel => ({
  id: `${kpi.id}-now`,
  kpi: kpi.id,
  kind: 'stat',
  title,
  description: `${says} Our target: ${objectiveText(kpi.objective, kpi.unit)}.`,
  unit: kpi.unit,
  queries: [{ promql: kpi.promql(), legend: title }],
  objective: kpi.objective,
  runbooks: [],
  width: 6,
  height: 5,
});

const overTime = (kpi: DrawnKpi, plain: Plain): PromqlPanel => ({
  ...now(kpi, plain),
  id: kpi.id,
  kind: 'lines',
  width: 12,
  height: 8,
});

const inEachStage = (kpi: DrawnKpi, plain: Plain): PromqlPanel => ({
  ...now(kpi, plain),
  id: `${kpi.id}-by-phase`,
  kind: 'bars',
  queries: [{ promql: byPhase(kpi.promql()), legend: '{{phase}}' }],
  names: plainPhases,
  width: 12,
  height: 8,
});

const waiting: Plain = {
  kpi: ['customer-latency-p95', 'request-latency-p95'],
  title: 'How long customers wait for a page',
  says: '19 of 20 pages come faster than this.',
};
const quick: Plain = {
  kpi: ['satisfied-requests'],
  title: 'Pages that feel quick',
  says: 'The share of pages that come within half a second.',
};
const errors: Plain = {
  kpi: ['request-failure-ratio'],
  title: 'Pages that show an error',
  says: 'The share of pages that end in an error instead of an answer.',
};
const purchases: Plain = {
  kpi: ['checkout-failure-ratio'],
  title: 'Purchases that failed',
  says: 'Of the customers who wanted to pay, the share who could not or gave up.',
};
const lostSales: Plain = {
  kpi: ['lost-basket-value'],
  title: 'Sales lost at the current rate',
  says: 'Goods in the baskets of customers who wanted to pay and could not, for each hour.',
};
const timeLeft: Plain = {
  kpi: ['days-to-critical-size'],
  title: 'Time until the storage is full',
  says: 'At today’s growth, the days until the data no longer fits what the machine handles well.',
};
const fullness: Plain = {
  kpi: ['database-size'],
  title: 'How full the storage is',
  says: 'The size of our data against what the machine handles well.',
};
const oldData: Plain = {
  kpi: ['cold-data-share'],
  title: 'Old data that nobody needs daily',
  says: 'The share of our data that could be kept elsewhere.',
};

/** What the transaction earns and loses. */
function costs({ config, observed }: Subject): Panel[] {
  const { business } = config;
  if (!business) return [];
  const lost = lostValue(observed, business, 'increase', '[$__range]');
  const inRange: PromqlPanel[] = lost
    ? [
        {
          id: 'lost-in-range',
          kind: 'stat',
          title: 'Sales lost in the time shown',
          description:
            'The same, added up over the time that this page shows. Some of these customers come back later.',
          unit: business.currency,
          queries: [{ promql: lost, legend: 'Sales lost' }],
          runbooks: [],
          width: 6,
          height: 5,
        },
      ]
    : [];
  const { promql, by } = attemptsAMinute(observed, business);
  return [
    ...inRange,
    {
      id: 'orders-a-minute',
      kind: 'lines',
      title: 'Purchases each minute',
      description: 'Completed, failed, and given up by the customer.',
      unit: '{count}',
      queries: [{ promql, legend: `{{${by}}}` }],
      names: { completed: 'completed', failed: 'failed', abandoned: 'given up' },
      runbooks: [],
      width: 12,
      height: 5,
    },
  ];
}

const stage: PromqlPanel = {
  id: 'stage',
  kind: 'stat',
  title: 'Current step',
  description: 'The step of the plan that is running now.',
  unit: '{count}',
  queries: [{ promql: 'max by (phase) (sqltrail_phase_info) == 1', legend: '{{phase}}' }],
  names: plainPhases,
  showsName: true,
  runbooks: [],
  width: 6,
  height: 5,
};

export const stakeholders = (subject: Subject): Dashboard => {
  const { config } = subject;
  /** Draws those of the KPIs that there are. */
  const draw = (panel: (kpi: DrawnKpi, plain: Plain) => PromqlPanel, ...plain: Plain[]) =>
    plain.flatMap((one) =>
      subject
        .kpis(...one.kpi)
        .slice(0, 1)
        .map((kpi) => panel(kpi, one)),
    );
  const phases = config.phases;
  return {
    id: 'stakeholders',
    title: `How is the ${config.system} doing?`,
    description: 'For everybody: what customers notice, what it costs, and whether it is getting better.',
    audience: 'stakeholder',
    minutes: 60,
    rows: [
      ...row('Do customers get what they came for right now?', draw(now, quick, waiting, errors, purchases)),
      ...row('What does it cost us?', [...draw(now, lostSales), ...costs(subject)]),
      ...row('Is it getting better?', [
        ...draw(overTime, waiting, purchases),
        ...(phases ? draw(inEachStage, waiting, purchases) : []),
      ]),
      ...row(phases ? 'What is being done, and how long will it last?' : 'How long will it last?', [
        ...(phases ? [stage] : []),
        ...draw(now, timeLeft, fullness, oldData),
      ]),
    ],
  };
};
