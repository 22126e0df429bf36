import { expect, it } from 'vitest';
import { legendOf } from '../dashboards/panel.ts';
import { dashboardDefinitions, Panels, SPANS } from './panels.ts';
import type { PrometheusSource } from './sources/prometheus.ts';

const asked: string[] = [];
/** What is asked is what matters here; console/page.e2e.test.ts asks the real one. */
const prometheus = {
  async range(promql: string, from: number, to: number, step: number) {
    asked.push(promql);
    return Array.from({ length: 12 }, (_, n) => ({
      labels: { db_query_summary: `SELECT t${n}`, http_route: '/' },
      points: [
        [from, n],
        [to, n + step],
      ] as [number, number][],
    }));
  },
  async query(promql: string) {
    asked.push(promql);
    return [{ labels: { phase: 'peak' }, value: 1 }];
  },
} as unknown as PrometheusSource;

it('queries do not reach the page, and every dashboard opens with a span that it offers', () => {
  expect(JSON.stringify(dashboardDefinitions)).not.toMatch(/histogram_quantile|rate\(/);
  for (const { minutes } of dashboardDefinitions) expect(SPANS).toContain(minutes);
});

it('gives the largest series on a common grid, and asks once for pages that ask together', async () => {
  asked.length = 0;
  const panels = new Panels(prometheus);
  const request = { dashboard: 'incident', panel: 'statement-latency-p95', minutes: 15 };
  const now = Date.UTC(2026, 0, 1, 12, 0, 3);
  const [reading] = await Promise.all([panels.read(request, now), panels.read(request, now)]);
  expect(asked).toHaveLength(1);
  expect(reading).toMatchObject({ step: 5, from: Date.UTC(2026, 0, 1, 11, 45) / 1000, left: 4 });
  expect(reading.series).toHaveLength(8);
  expect(reading.series[0]?.values).toHaveLength(181);
  expect(reading.series.find(({ name }) => name === 'SELECT t11')?.values.at(-1)).toBe(16);
});

it('a statement is matched as it is written, not as a regular expression', async () => {
  asked.length = 0;
  await new Panels(prometheus).read({
    dashboard: 'statements',
    panel: 'statement-time',
    minutes: 15,
    statement: 'SELECT ".*" (a|b)\\',
  });
  expect(asked[0]).toContain(String.raw`db_query_summary=~"SELECT \"\\.\\*\" \\(a\\|b\\)\\\\"`);
});

it('an unknown panel is refused', () => {
  expect(() => new Panels(prometheus).read({ dashboard: 'incident', panel: 'up', minutes: 15 })).toThrow(
    'There is no panel up',
  );
});

it('a legend is filled from labels, with the words that the panel has for them', () => {
  expect(legendOf('{{ a }} {{b}} {{c}}', { a: 'x', b: 'y' }, { y: 'why' })).toBe('x why');
  expect(legendOf('{{a}}', {})).toBe('all');
});
