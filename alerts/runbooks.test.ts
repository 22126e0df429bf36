import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { catalogueFor } from '../kpis/catalogue.ts';
import { libraryConfig, shopConfig } from '../test/support/configs.ts';
import { parsePromql } from '../test/support/promqlParser.ts';
import { runbooks } from '../test/support/runbooks.ts';
import { alertsFor } from './definitions.ts';

// One of them has what the other lacks.
const configs = [shopConfig, libraryConfig];
const catalogue = configs.flatMap((config) => catalogueFor(config));
const alerts = configs.flatMap(alertsFor);

const root = path.resolve(import.meta.dirname, '..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const ofAlerts = runbooks.filter(({ name }) => name !== 'README');

/** Metrics that the project exports: those of the contract, of the catalogue's and the rules' expressions, the exporter's queries. */
function knownMetrics(): Set<string> {
  const expressions = [
    ...catalogue.flatMap(({ promql, series }) => [promql(), ...series.map((line) => line.promql)]),
    ...alerts.map(({ expr }) => expr),
  ];
  const contract = [...read('docs/architecture.md').matchAll(/`(\w+)`/g)].map((match) => match[1] as string);
  const names = new Set([
    'up',
    'ALERTS',
    ...contract,
    ...expressions.flatMap((text) => parsePromql(text).metrics),
  ]);
  const queries = parse(read('collector/postgres_exporter.queries.yaml')) as Record<
    string,
    { metrics: Record<string, unknown>[] }
  >;
  for (const [name, { metrics }] of Object.entries(queries))
    for (const column of metrics.flatMap((metric) => Object.keys(metric))) names.add(`${name}_${column}`);
  return names;
}

it('there is one for each alert, and none for what is no alert', () => {
  expect(ofAlerts.map(({ name }) => name).sort()).toEqual(
    [...new Set(alerts.map(({ alert }) => alert))].sort(),
  );
});

describe.each(ofAlerts)('$name', ({ name, text, sections, sql, promql }) => {
  it('says what it means, where to look, what it may be, what to do, when to escalate', () => {
    expect(text.startsWith(`# ${name}\n`)).toBe(true);
    expect(text.split('\n## ')[0]?.length).toBeGreaterThan(120);
    expect(sections).toEqual(['First look', 'Likely causes', 'What to do', 'When to escalate']);
    expect(promql.length).toBeGreaterThan(0);
    expect(sql.some(({ section }) => section === 'First look')).toBe(true);
  });

  it('asks Prometheus for metrics that exist', () => {
    const names = knownMetrics();
    for (const query of promql) {
      const { sound, metrics } = parsePromql(query);
      expect(sound, query).toBe(true);
      expect(metrics.length).toBeGreaterThan(0);
      for (const metric of metrics) {
        const known = metric.replace(/_(bucket|sum|count)$/, '');
        expect(names.has(metric) || names.has(known), metric).toBe(true);
      }
    }
  });
});

describe.each(runbooks)('$name', ({ text, commands }) => {
  it('has no address of the demo and no name of the shop: the console fills its own in', () => {
    expect(text).not.toMatch(
      /\b(?:127\.0\.0\.1|localhost|shop\w*)\b|:\d{4,5}\b|postgres:\/\/(?!MONITOR@HOST|OWNER@HOST)/,
    );
  });

  it('links to runbooks, names logs and containers that there are', () => {
    for (const [, file = ''] of text.matchAll(/\]\(([^)]+)\)/g))
      expect(readdirSync(path.join(root, 'docs/runbooks'))).toContain(file);
    const compose = parse(read('docker-compose.yml'), { merge: true }) as { services: object };
    for (const command of commands) {
      const part = /\.sqltrail\/log\/(\w+)\.log/.exec(command)?.[1];
      if (part) expect(read('stack/native.ts') + read('stack/specs.ts')).toContain(`name: '${part}'`);
      const [, service] = /^docker compose (?:logs|restart|exec).*?([a-z-]+)$/.exec(command) ?? [];
      if (service) expect(Object.keys(compose.services)).toContain(service);
    }
  });
});
