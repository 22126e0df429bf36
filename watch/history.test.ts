import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RankedFinding } from '../diagnosis/finding.ts';
import { exposition } from '../lib/prometheus/exposition.ts';
import { diagnosisOf, findingOf } from '../test/support/diagnosis.ts';
import { propertyRuns } from '../test/support/property.ts';
import {
  emptyHistory,
  historySchema,
  MISSES_TO_RESOLVE,
  recordFindings,
  recordRun,
  type TrackedFinding,
} from './history.ts';
import { metricsOf } from './metrics.ts';
import { HistoryStore, readHistory } from './store.ts';

const INDEX = findingOf({
  id: 'missing-index:public.loan(book)',
  check: 'missing-index',
  severity: 'critical',
});
const at = (run: number) => new Date(Date.UTC(2026, 0, 1, 0, 15 * run)).toISOString();
const diagnosed = (run: number, findings: RankedFinding[], outcome: 'complete' | 'failed' = 'complete') =>
  diagnosisOf({
    startedAt: at(run),
    findings,
    checks: [{ id: 'missing-index', outcome, findings: findings.length, busyMs: 1 }],
  });
const none = new Set<string>();

/** The states of the one finding after each run. */
function statesAfter(runs: { found: boolean; inForce?: boolean; failed?: boolean }[]): string[] {
  let findings: TrackedFinding[] = [];
  return runs.map(({ found, inForce, failed }, run) => {
    findings = recordFindings(
      findings,
      diagnosed(run, found ? [INDEX] : [], failed ? 'failed' : 'complete'),
      inForce ? new Set([INDEX.id]) : none,
    );
    return findings[0]?.state ?? '';
  });
}

const found = { found: true };
const gone = { found: false };

describe('a finding', () => {
  it('is new, then open, then resolved when enough runs have missed it', () => {
    expect(statesAfter([found, found, gone, gone, gone])).toEqual([
      'new',
      'open',
      'open',
      'open',
      'resolved',
    ]);
    expect(MISSES_TO_RESOLVE).toBe(3);
  });
  it('is new again when it comes back, and not because one run missed it', () => {
    expect(statesAfter([found, gone, found, gone, gone, gone, found])).toEqual([
      'new',
      'open',
      'open',
      'open',
      'open',
      'resolved',
      'new',
    ]);
  });
  it('stays as it is while its check does not come to its end', () => {
    const failed = { found: false, failed: true };
    expect(statesAfter([found, found, failed, failed, failed, failed])).toEqual([
      'new',
      ...Array.from({ length: 5 }, () => 'open'),
    ]);
  });
  it('is mitigated while a fix of it is in force', () => {
    const inForce = true;
    expect(
      statesAfter([
        found,
        { found: false, inForce },
        { found: true, inForce },
        found,
        { found: false, inForce },
      ]),
    ).toEqual(['new', 'mitigated', 'mitigated', 'open', 'mitigated']);
    expect(statesAfter([found, { found: false, inForce }, gone, gone, gone])).toEqual([
      'new',
      'mitigated',
      'mitigated',
      'resolved',
      'resolved',
    ]);
  });
  it('is news when it becomes critical', () => {
    const mild = recordFindings([], diagnosed(0, [{ ...INDEX, severity: 'warning' }]), none);
    const open = recordFindings(mild, diagnosed(1, [{ ...INDEX, severity: 'warning' }]), none);
    expect(recordFindings(open, diagnosed(2, [INDEX]), none)[0]).toMatchObject({
      state: 'new',
      firstSeenAt: at(0),
      changes: [
        { state: 'new', at: at(0) },
        { state: 'open', at: at(1) },
        { state: 'new', at: at(2) },
      ],
    });
  });
  it('is the same one whatever its text, figures and rank are', () => {
    const before = recordFindings([], diagnosed(0, [INDEX]), none);
    const again = { ...INDEX, title: 'other words', rank: 9, cost: { msPerSecond: 7 } };
    expect(recordFindings(before, diagnosed(1, [again]), none)).toMatchObject([
      { state: 'open', firstSeenAt: at(0), title: 'other words' },
    ]);
  });
});

it('a history is bounded, whatever comes, and keeps what weighs most', () => {
  const many = Array.from({ length: 1_500 }, (_, index) =>
    findingOf({
      id: `missing-index:${index}`,
      check: 'missing-index',
      severity: index % 3 ? 'info' : 'critical',
    }),
  );
  let findings = recordFindings([], diagnosed(0, many), none);
  expect(findings.length).toBe(1_000);
  expect(findings.filter(({ severity }) => severity === 'critical').length).toBe(500);
  for (let run = 1; run < 60; run += 1)
    findings = recordFindings(findings, diagnosed(run, run % 5 ? [] : [INDEX]), none);
  expect(Math.max(...findings.map(({ changes }) => changes.length))).toBeLessThanOrEqual(20);
  // Three months later nobody asks for what was resolved.
  expect(recordFindings(findings, diagnosed(96 * 120, [INDEX]), none).map(({ id }) => id)).toEqual([
    INDEX.id,
  ]);
  let history = emptyHistory();
  for (let run = 0; run < 300; run += 1)
    history = recordRun(history, {
      startedAt: at(run),
      outcome: 'complete',
      seconds: 1,
      databaseSeconds: 1,
      findings: 0,
    });
  expect([history.runs.length, history.counts.complete]).toEqual([100, 300]);
});

it('any order of runs gives a valid history whose states follow from the last ones', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ found: fc.boolean(), inForce: fc.boolean(), failed: fc.boolean() }), {
        minLength: 1,
        maxLength: 30,
      }),
      (runs) => {
        const states = statesAfter(runs);
        for (const [index, state] of states.entries()) {
          const run = runs[index];
          if (run?.found) expect(state).toMatch(run.inForce ? /^mitigated$/ : /^(new|open)$/);
          if (state === 'new') expect(run?.found).toBe(true);
        }
      },
    ),
    { numRuns: propertyRuns(200) },
  );
});

describe('on disk', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-watch-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const withFinding = (run: number) => (history: ReturnType<typeof emptyHistory>) => ({
    ...history,
    findings: recordFindings(history.findings, diagnosed(run, [INDEX]), none),
  });
  const logged: string[] = [];
  const open = () => HistoryStore.open(path.join(dir, 'findings'), 'lending', (text) => logged.push(text));

  it('survives a restart, for its owner alone, with changes in their order', async () => {
    const store = await open();
    await Promise.all([0, 1, 2].map((run) => store.change(withFinding(run))));
    const again = await open();
    expect(again.history).toEqual(store.history);
    expect(again.history.findings).toMatchObject([{ state: 'open', firstSeenAt: at(0), lastSeenAt: at(2) }]);
    const file = path.join(dir, 'findings', 'findings-lending.json');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(historySchema.parse(JSON.parse(await readFile(file, 'utf8')))).toEqual(store.history);
  });

  it('one that is broken is kept, named, and does not stop the next', async () => {
    await (await open()).change(withFinding(0));
    const file = path.join(dir, 'findings', 'findings-lending.json');
    await writeFile(file, '{"version":1,"findings":[');
    await expect(readHistory(path.join(dir, 'findings'), 'lending')).rejects.toThrow('is no history');
    const store = await open();
    expect(store.history).toEqual(emptyHistory());
    expect(logged.join()).toContain('findings-lending.json.broken');
    await store.change(withFinding(1));
    expect((await readdir(path.join(dir, 'findings'))).sort()).toEqual([
      'findings-lending.json',
      'findings-lending.json.broken',
    ]);
  });

  it('what a run that was killed left half-written is not read', async () => {
    const store = await open();
    await store.change(withFinding(0));
    await writeFile(path.join(dir, 'findings', 'findings-lending.json.partial'), '{"version":1,"fi');
    expect((await open()).history).toEqual(store.history);
  });
});

describe('metrics', () => {
  it('have a bounded number of series, each with its text escaped', () => {
    const hostile = findingOf({
      id: 'missing-index:public."a\\b\n"(c)',
      check: 'missing-index',
      severity: 'critical',
    });
    const many = Array.from({ length: 400 }, (_, index) =>
      findingOf({ id: `missing-index:${index}`, check: 'missing-index' }),
    );
    const history = {
      ...emptyHistory(),
      findings: recordFindings([], diagnosed(0, [...many, hostile]), none),
    };
    const text = exposition(metricsOf('lending', history));
    const lines = text.split('\n').filter((line) => line.startsWith('sqltrail_finding{'));
    expect(lines.length).toBe(100);
    expect(lines[0]).toBe(
      'sqltrail_finding{database="lending",check="missing-index",severity="critical",state="new",object="public.\\"a\\\\b\\n\\"(c)"} 1',
    );
    expect(text).toContain('sqltrail_findings{database="lending",severity="info",state="new"} 400\n');
    expect(text.match(/# HELP sqltrail_finding /g)).toHaveLength(1);
  });
});
