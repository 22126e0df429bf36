import { describe, expect, it } from 'vitest';
import { chooseChecks } from '../../diagnosis/run.ts';
import { databases } from './databases/index.ts';
import { halfOf } from './half.ts';

it('has twelve databases and more, of which each half has at least five', () => {
  const halves = databases.map(({ name }) => halfOf(name));
  expect(databases.length).toBeGreaterThanOrEqual(12);
  expect(new Set(databases.map(({ name }) => name)).size).toBe(databases.length);
  for (const half of ['development', 'held-out'])
    expect(halves.filter((one) => one === half).length).toBeGreaterThanOrEqual(5);
});

describe.each(databases)('$name', ({ source, workload, truth }) => {
  const causes = [...truth.planted, ...truth.natural];

  it('is pinned to a commit and to a text', () => {
    expect(source.repository).toMatch(/^[\w.-]+\/[\w.-]+$/);
    expect(source.commit).toMatch(/^[0-9a-f]{40}$/);
    expect(source.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('has statements that say where they come from', () => {
    expect(workload.length).toBeGreaterThanOrEqual(12);
    for (const { from, calls } of workload) {
      expect(from).not.toBe('');
      expect(calls).toBeGreaterThan(0);
    }
  });

  it('has planted and natural causes and traps, of checks that exist', () => {
    expect(truth.planted.length).toBeGreaterThanOrEqual(2);
    expect(truth.natural.length).toBeGreaterThanOrEqual(1);
    expect(truth.traps.length).toBeGreaterThanOrEqual(1);
    const named = [
      ...causes.flatMap(({ check, or = [] }) => [check, ...or]),
      ...[...truth.accepted, ...truth.traps].flatMap(({ checks }) => checks),
    ];
    expect(() => chooseChecks([...new Set(named)])).not.toThrow();
  });

  it('names no cause twice', () => {
    const keys = causes.map(({ check, table, columns = [] }) => `${check} ${table} ${columns.join()}`);
    expect(new Set(keys).size).toBe(keys.length);
  });
});
