import { kpiById } from '../../kpis/catalogue.ts';
import { objectiveText } from '../../kpis/unitText.ts';
import { byPhase, type Dashboard, type PromqlPanel } from '../panel.ts';

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

interface Plain {
  kpi: string;
  title: string;
  says: string;
}

const now = ({ kpi: id, title, says }: Plain): PromqlPanel => {
  const { promql, unit, objective } = kpiById(id);
  return {
    id: `${id}-now`,
    kpi: id,
    kind: 'stat',
    title,
    description: `${says} Our target: ${objectiveText(objective, unit)}.`,
    unit,
    queries: [{ promql: promql(), legend: title }],
    objective,
    runbooks: [],
    width: 6,
    height: 5,
  };
};

const overTime = ({ kpi: id, title, says }: Plain): PromqlPanel => ({
  ...now({ kpi: id, title, says }),
  id,
  kind: 'lines',
  width: 12,
  height: 8,
});

const inEachStage = ({ kpi: id, title, says }: Plain): PromqlPanel => ({
  ...now({ kpi: id, title, says }),
  id: `${id}-by-phase`,
  kind: 'bars',
  queries: [{ promql: byPhase(kpiById(id).promql()), legend: '{{phase}}' }],
  names: plainPhases,
  width: 12,
  height: 8,
});

const waiting: Plain = {
  kpi: 'customer-latency-p95',
  title: 'How long customers wait for a page',
  says: '19 of 20 pages come faster than this.',
};
const purchases: Plain = {
  kpi: 'checkout-failure-ratio',
  title: 'Purchases that failed',
  says: 'Of the customers who wanted to pay, the share who could not or gave up.',
};

export const stakeholders: Dashboard = {
  id: 'stakeholders',
  title: 'How is the shop doing?',
  description: 'For everybody: what customers feel, what it costs, whether it gets better.',
  audience: 'stakeholder',
  minutes: 60,
  rows: [
    {
      question: 'Can customers shop right now?',
      panels: [
        now({
          kpi: 'satisfied-requests',
          title: 'Pages that feel quick',
          says: 'The share of pages that come within half a second.',
        }),
        now(waiting),
        now({
          kpi: 'request-failure-ratio',
          title: 'Pages that show an error',
          says: 'The share of pages that end in an error instead of an answer.',
        }),
        now(purchases),
      ],
    },
    {
      question: 'What does it cost us?',
      panels: [
        now({
          kpi: 'lost-basket-value',
          title: 'Sales lost at the present pace',
          says: 'Goods in the baskets of customers who wanted to pay and could not, for each hour.',
        }),
        {
          id: 'lost-in-range',
          kind: 'stat',
          title: 'Sales lost in the time shown',
          description:
            'The same, added up over the time that this page shows. Some of these customers come back later.',
          unit: 'EUR',
          queries: [
            {
              promql: 'sum(increase(load_lost_basket_value_total[$__range])) or vector(0)',
              legend: 'Sales lost',
            },
          ],
          runbooks: [],
          width: 6,
          height: 5,
        },
        {
          id: 'orders-a-minute',
          kind: 'lines',
          title: 'Purchases each minute',
          description: 'Completed, failed, and given up by the customer.',
          unit: '{count}',
          queries: [
            {
              promql: 'sum by (outcome) (rate(load_checkouts_total[1m])) * 60',
              legend: '{{outcome}}',
            },
          ],
          names: { completed: 'completed', failed: 'failed', abandoned: 'given up' },
          runbooks: [],
          width: 12,
          height: 5,
        },
      ],
    },
    {
      question: 'Is it getting better?',
      panels: [overTime(waiting), overTime(purchases), inEachStage(waiting), inEachStage(purchases)],
    },
    {
      question: 'What is being done, and how long will it last?',
      panels: [
        {
          id: 'stage',
          kind: 'stat',
          title: 'What is going on',
          description: 'The step of the plan that is under way.',
          unit: '{count}',
          queries: [{ promql: 'max by (phase) (sqltrail_phase_info) == 1', legend: '{{phase}}' }],
          names: plainPhases,
          showsName: true,
          runbooks: [],
          width: 6,
          height: 5,
        },
        now({
          kpi: 'days-to-critical-size',
          title: 'Time until it is full',
          says: 'At today’s growth, the days until the data no longer fits what the machine handles well.',
        }),
        now({
          kpi: 'database-size',
          title: 'How full it is',
          says: 'The size of our data against what the machine handles well.',
        }),
        now({
          kpi: 'cold-data-share',
          title: 'Old data nobody needs daily',
          says: 'The share of our data that could be kept elsewhere.',
        }),
      ],
    },
  ],
};
