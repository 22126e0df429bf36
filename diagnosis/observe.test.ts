import { expect, it } from 'vitest';
import type { Capabilities } from './diagnosis.ts';
import { observe, workloadBetween } from './observe.ts';
import type { Session } from './readSession.ts';
import type { Statement } from './relations.ts';

const capabilities = { pgStatStatements: false } as Capabilities;
const full = { pgStatStatements: true } as Capabilities;
const signal = new AbortController().signal;

/** A server on which one statement runs whenever it is looked at. */
const busy = (working: boolean) => {
  const server = { looks: 0 };
  const session = {
    query: async () => {
      server.looks += 1;
      return [{ queryid: '1', pid: 1, started: 'then', text: 'SELECT 1', busy: working }];
    },
  } as unknown as Session;
  return { server, session };
};

it('a statement that runs at each look ran all the time; one that waits for a lock keeps no processor busy', async () => {
  for (const working of [true, false]) {
    const { server, session } = busy(working);
    const means: number[] = [];
    const { statements, seconds } = await observe(session, capabilities, [], 3_000, signal, (mean) =>
      means.push(mean),
    );
    // Each 250 ms, and at the end.
    expect(server.looks).toBeGreaterThanOrEqual(2);
    expect(statements[0]?.totalMs).toBeCloseTo(seconds * 1000, 6);
    expect(means).toEqual(Array.from({ length: server.looks - 2 }, () => (working ? 1 : 0)));
  }
});

it('believes the view where there are too few looks to know better', async () => {
  const of = (totalMs: number, calls: number) =>
    ({ queryid: '1', text: 'SELECT 1', calls, totalMs, meanMs: totalMs / calls, rows: 0 }) as Statement;
  /** A server that ran one statement for 50 ms, and was running it when it was looked at, so many times. */
  const server = (samples: number) => {
    const seen = { looks: 0 };
    const query = async (sql: string) => {
      if (sql.includes('pg_extension')) return [{ schema: 'public' }];
      if (sql.includes('pg_stat_statements_info')) return [{ seconds: 3_600 }];
      if (sql.includes('pg_stat_statements')) return [of(150, 6)];
      seen.looks += 1;
      return seen.looks <= samples ? [{ queryid: '1', pid: 1, started: 'then', text: 'SELECT 1' }] : [];
    };
    return { seen, session: { query, quote: (...parts: string[]) => parts.join('.') } as unknown as Session };
  };
  const { seen, session } = server(2);
  const { statements } = await observe(session, full, [of(100, 4)], 3_000, signal);
  expect(seen.looks).toBeGreaterThanOrEqual(2);
  expect(statements).toEqual([expect.objectContaining({ calls: 2, totalMs: 50 })]);
  const often = server(Number.POSITIVE_INFINITY);
  const corrected = await observe(often.session, full, [of(100, 4)], 3_000, signal);
  expect(corrected.statements[0]?.totalMs).toBeGreaterThan(300);
});

it('after a reset of the statistics what is counted since is the workload, and no time is negative', () => {
  const statement = (more: Partial<Statement>): Statement => ({
    queryid: '1',
    text: 'SELECT 1',
    calls: 10,
    totalMs: 500,
    meanMs: 50,
    rows: 10,
    sharedBlocksRead: 5,
    sharedBlocksHit: 5,
    tempBlocksWritten: 0,
    ...more,
  });
  // Called more often since the reset than before it, in less time.
  const after = statement({ calls: 12, totalMs: 24, meanMs: 2, rows: 12 });
  expect(workloadBetween([statement({})], [after])).toEqual([after]);
  expect(workloadBetween([statement({})], [statement({ calls: 12, totalMs: 524, rows: 12 })])).toMatchObject([
    { calls: 2, totalMs: 24 },
  ]);
});
