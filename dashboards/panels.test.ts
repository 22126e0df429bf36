import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alertsFor } from '../alerts/definitions.ts';
import { leastConfig, libraryConfig, shopConfig, workersConfig } from '../test/support/configs.ts';
import { isPromql } from '../test/support/promqlParser.ts';
import { plainPhases } from './pages/stakeholders.ts';
import { fillVariables } from './panel.ts';
import { dashboardsFor } from './panels.ts';

const configs = { shop: shopConfig, library: libraryConfig, least: leastConfig, workers: workersConfig };
const dashboards = Object.entries(configs).flatMap(([name, config]) =>
  dashboardsFor(config).map((dashboard) => ({ name, dashboard })),
);
const panels = dashboards.flatMap(({ name, dashboard: { id, rows } }) =>
  rows.flatMap((row) => row.panels.map((panel) => [`${name}: ${id}/${panel.id}`, panel] as const)),
);
const alerts = Object.values(configs).flatMap(alertsFor);

describe('the dashboards', () => {
  it.each(dashboards.map(({ name, dashboard }) => [`${name}: ${dashboard.id}`, dashboard] as const))(
    '%s asks a question in each row and fills rows of 24 columns',
    (_id, { rows }) => {
      for (const { question, panels: inRow } of rows) {
        expect(question).toContain('?');
        expect(inRow.length).toBeGreaterThan(0);
        for (const { width, height } of inRow) {
          expect(24 % width).toBe(0);
          expect(height).toBeGreaterThanOrEqual(4);
        }
      }
    },
  );
});

it('the page for everybody has no technical word', () => {
  const jargon =
    /\b(p95|p99|percentile|SQL|Postgres|Prometheus|database|statement|query|queries|index|pool|connection|latency|span|trace|timeout|cache|KPI|HTTP|API|CPU|bytes?|schema|table|archiv\w*|migrat\w*|checkout|sqltrail|SLO|goodput)s?\b/i;
  expect('Wait for a connection').toMatch(jargon);
  const pages = dashboards.flatMap(({ dashboard }) =>
    dashboard.audience === 'stakeholder' ? [dashboard] : [],
  );
  const texts = [
    ...pages.flatMap(({ title, description }) => [title, description]),
    ...Object.values(plainPhases),
  ];
  for (const { question, panels: inRow } of pages.flatMap(({ rows }) => rows)) {
    texts.push(question);
    for (const panel of inRow) {
      texts.push(panel.title, panel.description);
      if (panel.kind !== 'sql') texts.push(...panel.queries.map(({ legend }) => legend));
    }
  }
  expect(texts.length).toBeGreaterThan(30);
  for (const text of texts) expect(text).not.toMatch(jargon);
});

describe('a panel', () => {
  it('has an id of its own', () => {
    expect(new Set(panels.map(([name]) => name)).size).toBe(panels.length);
  });

  it.each(panels)('%s says what it shows, in a unit, and its queries parse', (_name, panel) => {
    expect(panel.title.length).toBeGreaterThan(5);
    expect(panel.description.length).toBeGreaterThan(20);
    expect(panel.unit).toBeTruthy();
    if (panel.kind === 'sql') return;
    for (const { promql, legend } of panel.queries) {
      expect(legend).toBeTruthy();
      const filled = fillVariables(promql, { rangeSeconds: 900 });
      expect(filled).not.toContain('$');
      expect(isPromql(filled), filled).toBe(true);
    }
    for (const runbook of panel.runbooks) expect(alerts.map(({ alert }) => alert)).toContain(runbook);
  });
});

it('variables are filled as Grafana fills them', () => {
  expect(fillVariables('x{s=~"$statement"}[$__range]', { statement: 'SELECT "a"', rangeSeconds: 90 })).toBe(
    'x{s=~"SELECT \\"a\\""}[90s]',
  );
});

it('a statement stays between its quotes, whatever it holds', () => {
  const hostile = fc.oneof(
    fc.constantFrom(
      "a$'b",
      '$&',
      '$`',
      '$$',
      '$1',
      '"} or vector(1) #',
      '\\',
      '\n',
      '$statement',
      '$__range',
      '\u2028',
      '雪',
      '%',
    ),
    fc.string({ unit: 'grapheme' }),
  );
  fc.assert(
    fc.property(fc.array(hostile, { maxLength: 4 }), (parts) => {
      const statement = parts.join('');
      const filled = fillVariables('rate(x{s=~"$statement"}[$__range])', { statement, rangeSeconds: 90 });
      const quoted = /^rate\(x\{s=~("(?:[^"\\\n]|\\.)*")\}\[90s\]\)$/su.exec(filled)?.[1];
      expect(JSON.parse(quoted ?? 'null')).toBe(statement);
      expect(isPromql(filled)).toBe(true);
    }),
  );
});
