import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { diagnosisOf, findingOf } from '../test/support/diagnosis.ts';
import { attribute, type StatementTime } from './attribution.ts';
import { mergeDiagnoses, notesOf, storedDiagnosis } from './diagnosis.ts';
import { fixSql } from './fixSql.ts';

describe('a diagnosis of version 1', async () => {
  const { diagnosis } = JSON.parse(
    await readFile(new URL('../test/fixtures/recording-of-version-1.json', import.meta.url), 'utf8'),
  );
  const read = storedDiagnosis.parse(diagnosis);

  it('keeps its findings, and the SQL of each fix', () => {
    expect(read).toMatchObject({ format: 2, attribution: null });
    expect(read.findings.map(({ id }) => id)).toEqual(diagnosis.findings.map(({ id }: { id: string }) => id));
    for (const [at, { fix }] of read.findings.entries())
      expect(fix && fixSql(fix)).toEqual(
        diagnosis.findings[at].fix && {
          sql: diagnosis.findings[at].fix.sql,
          undo: diagnosis.findings[at].fix.undo,
        },
      );
    expect(read.findings.flatMap(({ statements }) => statements.map(({ queryid }) => queryid))).toEqual(
      diagnosis.findings.flatMap(({ statements }: { statements: string[] }) => statements),
    );
  });

  it('has its growth as figures', () => {
    const growth = read.findings.find(({ check }) => check === 'growth');
    expect(growth?.metrics?.growth?.map(({ days }) => days)).toEqual([30, 90, 365]);
    expect(growth?.metrics?.growth?.map(({ bytesPerDay }) => bytesPerDay)).toEqual(
      growth?.evidence.filter(({ unit }) => unit === 'By/d').map(({ value }) => value),
    );
  });

  it('has what its checks could not do with the checks', () => {
    const notes = [
      'connected through a pooler',
      'growth: the connection was cut',
      'not run: dead-rows, hot-row',
    ];
    const again = storedDiagnosis.parse({
      ...diagnosis,
      notes,
      checks: [
        { id: 'growth', findings: 0, busyMs: 1, problem: 'the connection was cut' },
        { id: 'n-plus-one', findings: 0, busyMs: 1 },
      ],
    });
    expect(again.notes).toEqual(['connected through a pooler']);
    expect(again.checks.map(({ id, outcome }) => [id, outcome])).toEqual([
      ['growth', 'failed'],
      ['n-plus-one', 'complete'],
      ['dead-rows', 'not run'],
      ['hot-row', 'not run'],
    ]);
    expect(notesOf(again)).toEqual(notes);
  });

  it('is read again as it was upgraded', () => {
    expect(storedDiagnosis.parse(JSON.parse(JSON.stringify(read)))).toEqual(read);
  });
});

it('what is no diagnosis of either version is refused, and the message names the field', () => {
  for (const format of [1, 2, 3])
    expect(
      storedDiagnosis.safeParse({ ...diagnosisOf(), format, findings: [{ id: 'x' }] }).error?.issues,
    ).toEqual(expect.arrayContaining([expect.objectContaining({ path: ['findings', 0, 'check'] })]));
});

describe('two diagnoses as one', () => {
  const run = (id: string, outcome: 'complete' | 'failed' | 'not run') => ({
    id,
    outcome,
    findings: 0,
    busyMs: 1,
    ...(outcome === 'failed' ? { problem: 'cut' } : {}),
  });
  const first = diagnosisOf({
    partial: true,
    msPerSecond: 100,
    checks: [run('growth', 'failed'), run('hot-row', 'not run'), run('dead-rows', 'complete')],
    blind: [{ check: 'growth', what: 'a', remedy: 'b' }],
    findings: [findingOf({ id: 'a', check: 'dead-rows' }), findingOf({ id: 'b', check: 'growth' })],
  });

  it('the checks of the second take the place of those of the first', () => {
    const merged = mergeDiagnoses(
      first,
      diagnosisOf({
        checks: [run('growth', 'complete'), run('hot-row', 'complete')],
        findings: [findingOf({ id: 'c', check: 'growth' })],
      }),
    );
    expect({ partial: merged.partial, notes: notesOf(merged), blind: merged.blind }).toEqual({
      partial: false,
      notes: [],
      blind: [],
    });
    expect(merged.findings.map(({ id }) => id)).toEqual(['a', 'c']);
    expect(merged.msPerSecond).toBe(100);
  });

  it('the statements count for the findings that there are then', () => {
    const statements = [{ queryid: '1', summary: null, fingerprint: null }];
    const finding = (id: string, check: string) =>
      findingOf({ id, check, statements, cost: { msPerSecond: 1 } });
    const times = [{ ...statements[0], text: 'SELECT 1', calls: 1, meanMs: 1, msPerSecond: 100, share: 1 }];
    const before = [finding('b', 'growth')];
    const merged = mergeDiagnoses(
      { ...first, findings: before, attribution: attribute(times as StatementTime[], before) },
      diagnosisOf({ checks: [run('growth', 'complete')], findings: [finding('c', 'growth')] }),
    );
    expect(merged.attribution).toMatchObject({
      unexplainedShare: 0,
      statements: [{ finding: 'c', also: [] }],
    });
  });

  it('a check that the second did not come to keeps what the first found', () => {
    const merged = mergeDiagnoses(first, diagnosisOf({ checks: [run('dead-rows', 'not run')] }));
    expect(merged.findings.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(notesOf(merged)).toEqual(['growth: cut', 'not run: hot-row']);
    expect(merged.partial).toBe(true);
  });
});
