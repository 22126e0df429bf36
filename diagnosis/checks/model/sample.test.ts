import { afterEach, expect, it, vi } from 'vitest';
import type { CheckContext } from '../../check.ts';
import type { Table } from '../../relations.ts';
import { prepareSamples, readSamples } from './sample.ts';

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

it('counts only the time of reading, not that between two steps', async () => {
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
      // 6,000 rows of ten columns take 600 ms.
      query: async (sql: string) => {
        const most = Number(/LIMIT (\d+)/.exec(sql)?.[1]);
        asked.push(most);
        vi.advanceTimersByTime(most / 10);
        return [{ c0: Array.from({ length: most }, () => 'x') }];
      },
    },
  } as unknown as CheckContext;
  await prepareSamples(context).next();
  vi.advanceTimersByTime(20_000);
  expect((await readSamples(context)).map(({ table: { name } }) => name)).toEqual([
    'large',
    'middle',
    'small',
  ]);
  expect(asked).toEqual([6_000, 6_000, 6_000]);
});
