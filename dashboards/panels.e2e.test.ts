import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alerts } from '../alerts/definitions.ts';
import { type StoryTargets, setPhase, setProfile } from '../demo/clients.ts';
import { waitFor } from '../lib/waitFor.ts';
import type { NativeStack } from '../stack/native.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { parsePromql } from '../test/support/promqlParser.ts';
import { startTestStack, type TestStack } from '../test/support/stack.ts';
import { fillVariables } from './panel.ts';
import { dashboards } from './panels.ts';
import { asksPrometheus, emptyQueries } from './reading.ts';

let stack: NativeStack;
let targets: StoryTargets;
let close: TestStack['close'] | undefined;
const startedAt = new Date();

beforeAll(async () => {
  ({ stack, targets, close } = await startTestStack({
    profile: 'ordinary',
    environment: { load: { LOAD_ORDINARY_RATE: '5', LOAD_PEAK_RATE: '8', LOAD_THINK_MS: '100' } },
  }));
});
afterAll(() => close?.());

const panels = dashboards.flatMap(({ rows }) => rows.flatMap((row) => row.panels));
const expressions = [
  ...panels
    .filter(asksPrometheus)
    .flatMap(({ queries }) => queries.map(({ promql }) => fillVariables(promql, { rangeSeconds: 900 }))),
  ...alerts.map(({ expr }) => expr),
];

/** Longer than the 15 s at which the means by phase look. */
const PHASE_MS = 20_000;

/** What a stack of a few minutes cannot have: these compare with what was five minutes ago and earlier. */
const needsHistory = (query: string) => /slow-query-trend|minutes earlier/.test(query);

describe('on a stack that went through the phases', () => {
  beforeAll(async () => {
    const locker = new pg.Client(stack.databaseUrl('postgres'));
    await locker.connect();
    for (const phase of ['ordinary', 'peak', 'short-term', 'proof']) {
      await setPhase(targets, phase);
      await setProfile(targets, phase === 'ordinary' ? 'ordinary' : 'peak');
      // Statement timeouts, which have no series until there is one.
      if (phase === 'peak') await locker.query('BEGIN; LOCK TABLE reviews');
      const until = Date.now() + PHASE_MS;
      await waitFor(`phase ${phase} to pass`, () => Date.now() > until, {
        deadlineMs: PATIENCE_MS * PHASE_MS,
      });
      if (phase === 'peak') await locker.query('ROLLBACK');
    }
    await locker.end();
  });

  it('no panel is empty', async () => {
    await waitFor(
      'every query to give something',
      async () => {
        const empty = await emptyQueries(stack.urls.prometheus, { from: startedAt, to: new Date() });
        const unexpected = empty.filter((query) => !needsHistory(query));
        if (unexpected.length > 0) throw new Error(`empty: ${unexpected.join('; ')}`);
        return true;
      },
      { deadlineMs: 120_000, everyMs: 3_000 },
    );
  });

  it('an empty panel would be named', async () => {
    const before = {
      from: new Date(startedAt.getTime() - 7_200_000),
      to: new Date(startedAt.getTime() - 3_600_000),
    };
    expect(await emptyQueries(stack.urls.prometheus, before)).toContain(
      'overview/customer-latency-p95-now: Page time as customers see it, p95',
    );
  });

  it('every label that a panel or a rule names is on its metric', async () => {
    const known = new Map<string, Promise<string[]>>();
    const labelsOf = (metric: string) => {
      const url = new URL('/api/v1/labels', stack.urls.prometheus);
      url.searchParams.set('match[]', metric);
      const read = () =>
        fetch(url)
          .then((response) => response.json() as Promise<{ data: string[] }>)
          .then(({ data }) => data);
      if (!known.has(metric)) known.set(metric, read());
      return known.get(metric) as Promise<string[]>;
    };
    const missing: string[] = [];
    for (const expression of expressions) {
      const { selectors, groupings } = parsePromql(expression);
      // Its labels are the rules' own, and there only while they fire.
      const own = selectors.filter(({ metric }) => metric !== 'ALERTS');
      const all = new Set((await Promise.all(own.map(({ metric }) => labelsOf(metric)))).flat());
      for (const { metric, labels } of own)
        for (const label of labels)
          if (!(await labelsOf(metric)).includes(label)) missing.push(`${metric}{${label}}`);
      if (own.length === selectors.length)
        for (const label of groupings) if (!all.has(label)) missing.push(`${label} in ${expression}`);
    }
    expect([...new Set(missing)]).toEqual([]);
    expect(known.size).toBeGreaterThan(30);
  });

  it('what Postgres is asked, sqltrail_monitor may read, and it gives rows', async () => {
    const monitor = new pg.Client(stack.databaseUrl('sqltrail_monitor'));
    await monitor.connect();
    const asked = panels.filter((panel) => panel.kind === 'sql');
    expect(asked.length).toBeGreaterThan(0);
    for (const { id, sql, units = {} } of asked) {
      const { rows, fields } = await monitor.query(sql);
      // Nothing was changed on this stack; changes.integration.test.ts has the other case.
      expect(rows.length > 0, id).toBe(id !== 'changes');
      for (const column of Object.keys(units)) expect(fields.map(({ name }) => name)).toContain(column);
    }
    await monitor.end();
  });
});
