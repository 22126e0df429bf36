import { type ConsoleOptions, createConsole } from '../../console/app.ts';
import { catalogue } from '../../kpis/catalogue.ts';
import { serve } from './serve.ts';

/** What the test servers answer with; may be changed while they run. */
export interface Telemetry {
  /** `db_query_summary` of the statements that "run". */
  statements: string[];
  /** Alerts as Alertmanager's API gives them. */
  alerts: { labels: Record<string, string>; summary: string; startsAt: string }[];
  /** Whether the KPIs miss their objectives. */
  bad: boolean;
  /** Answers with 503 while it is set. */
  away: boolean;
  /** Moves all values a little, so that each look finds something new. */
  turn: number;
}

/**
 * Test servers in the place of Prometheus and Alertmanager, for tests of the page and for its bench: an exact number of statements, a
 * certain alert and an outage on demand cannot be ordered from the real ones. That the real ones understand each query,
 * and answer in this form, is shown by console/page.e2e.test.ts.
 */
export async function startTelemetry(telemetry: Telemetry) {
  const wave = (seed: number, at: number) => 1 + 0.4 * Math.sin(seed + at / 60) + 0.05 * ((at + seed) % 7);
  const seriesOf = (promql: string, at: number): { metric: Record<string, string>; value: number }[] => {
    const kpi = catalogue.find((candidate) => candidate.promql() === promql);
    if (kpi) {
      const { comparison, value } = kpi.objective;
      const good = comparison === '<=' ? value * 0.5 : value + (kpi.unit === '1' ? 0 : 1);
      const bad = comparison === '<=' ? value * 3 + 1 : value * 0.6;
      return [{ metric: {}, value: (telemetry.bad ? bad : good) * (1 + telemetry.turn / 1e6) }];
    }
    const labels = [...promql.matchAll(/\bby \(([\w, ]+)\)/g)].map(([, list]) => list ?? '').join(', ');
    const names: string[] = labels.includes('db_query_summary') ? telemetry.statements : ['all'];
    return names.map((name, index) => ({
      metric: {
        db_query_summary: name,
        http_route: '/orders',
        phase: 'peak',
        relname: 'orders',
        alertname: 'SlowStatements',
        outcome: 'completed',
      },
      value: (wave(index, at) + telemetry.turn / 1e6) / (index + 1),
    }));
  };
  const prometheus = await serve((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const given = new URLSearchParams(body);
      const promql = given.get('query') ?? '';
      const answer = (status: number, json: unknown) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
      if (telemetry.away) return answer(503, 'away');
      if (!request.url?.startsWith('/api/v1/query_range'))
        return answer(200, {
          status: 'success',
          data: {
            result: seriesOf(promql, 0).map(({ metric, value }) => ({ metric, value: [0, String(value)] })),
          },
        });
      const [from = 0, to = 0, step = 1] = ['start', 'end', 'step'].map((name) => Number(given.get(name)));
      const times = Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, at) => from + at * step);
      return answer(200, {
        status: 'success',
        data: {
          result: seriesOf(promql, 0)
            .slice(0, 10)
            .map(({ metric }, index) => ({
              metric,
              values: times.map((at) => [
                at,
                String((wave(index, at) * (telemetry.bad ? 3 : 1)) / (index + 1)),
              ]),
            })),
        },
      });
    });
  });
  const alertmanager = await serve((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(
      JSON.stringify(
        telemetry.alerts.map(({ labels, summary, startsAt }) => ({
          fingerprint: JSON.stringify(labels),
          labels,
          annotations: { summary, runbook_url: `docs/runbooks/${labels['alertname']}.md` },
          startsAt,
          status: { state: 'active', inhibitedBy: [], silencedBy: [] },
        })),
      ),
    );
  });
  return {
    prometheusUrl: prometheus.url,
    alertmanagerUrl: alertmanager.url,
    async close() {
      await prometheus.close();
      await alertmanager.close();
    },
  };
}

export const CONSOLE_TOKEN = 'console-token-for-tests';

/** The real console in this process, on a free port. */
export async function startConsole(
  options: Pick<ConsoleOptions, 'prometheusUrl' | 'alertmanagerUrl'> & Partial<ConsoleOptions>,
) {
  const faults: string[] = [];
  const made = await createConsole({
    allowedHosts: [],
    tempoUrl: undefined,
    databases: [{ name: 'shop', url: 'postgres://nobody@127.0.0.1:1/shop' }],
    token: CONSOLE_TOKEN,
    webhookToken: CONSOLE_TOKEN,
    maxTraces: 10_000,
    maxTraceBytes: 128_000_000,
    log: (message) => faults.push(message),
    ...options,
  });
  const served = await serve(made.app);
  const post = async (path: string, body: unknown) => {
    const response = await fetch(served.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${CONSOLE_TOKEN}` },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  };
  return {
    base: served.url,
    /** Internal errors that were logged. */
    faults,
    post,
    async close() {
      made.close();
      await served.close();
    },
  };
}
