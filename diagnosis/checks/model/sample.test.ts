import { afterEach, expect, it, vi } from 'vitest';
import type { CheckContext } from '../../check.ts';
import type { Table } from '../../relations.ts';
import { readSamples } from './sample.ts';

afterEach(() => void vi.useRealTimers());

const table = (name: string, estimatedRows: number) =>
  ({
    schema: 'public',
    name,
    kind: 'table',
    partitionOf: null,
    estimatedRows,
    columns: Array.from({ length: 10 }, (_, at) => ({ name: `c${at}`, type: 'text' })),
  }) as unknown as Table;

it.each([
  ['takes all where the server is quick', 600, [6_000, 6_000, 6_000]],
  // The first one took more than its share of the 28 s.
  ['takes fewer rows of the larger tables where it is slow', 12_000, [6_000, 1_500, 1_500]],
])('%s', async (_, msForAll, expected) => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const asked: number[] = [];
  const rows = 100_000;
  const context = {
    tables: [table('large', 3 * rows), table('middle', 2 * rows), table('small', rows)],
    sampleRows: 6_000,
    signal: new AbortController().signal,
    remainingMs: () => 28_000,
    blind: expect.unreachable,
    session: {
      quote: (...parts: string[]) => parts.join('.'),
      query: async (sql: string) => {
        const most = Number(/LIMIT (\d+)/.exec(sql)?.[1]);
        asked.push(most);
        vi.advanceTimersByTime((most / 6_000) * msForAll);
        return [{ c0: Array.from({ length: most }, () => 'x') }];
      },
    },
  } as unknown as CheckContext;
  expect((await readSamples(context)).map(({ table: { name } }) => name)).toEqual([
    'large',
    'middle',
    'small',
  ]);
  expect(asked).toEqual(expected);
});
