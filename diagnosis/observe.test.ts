import { expect, it } from 'vitest';
import type { Capabilities } from './diagnosis.ts';
import { observe, workloadBetween } from './observe.ts';
import type { Session } from './readSession.ts';
import type { Statement } from './relations.ts';

const capabilities = { pgStatStatements: false } as Capabilities;
const full = { pgStatStatements: true } as Capabilities;
const signal = new AbortController().signal;

/** A server on which one statement runs whenever it is looked at. */
const busy = () => {
  const server = { looks: 0 };
  const session = {
    query: async () => {
      server.looks += 1;
      return [{ queryid: '1', pid: 1, started: 'then', text: 'SELECT 1' }];
    },
  } as unknown as Session;
  return { server, session };
};

async function* steps(taken: { steps: number }, most = Infinity) {
  for (; taken.steps < most; taken.steps += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    yield;
  }
}

it('takes steps of other work between its looks, and none after its time', async () => {
  const { server, session } = busy();
  const taken = { steps: 0 };
  const { statements, seconds } = await observe(session, capabilities, [], 900, signal, steps(taken));
  expect(taken.steps).toBeGreaterThan(2);
  expect(server.looks).toBeGreaterThanOrEqual(2);
  // It was running at each look, so all the time.
  expect(statements[0]?.totalMs).toBeCloseTo(seconds * 1000, 6);
  const atTheEnd = taken.steps;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(taken.steps).toBe(atTheEnd);
});

it('goes on looking when the other work is done, and does without any', async () => {
  for (const meanwhile of [steps({ steps: 0 }, 2), undefined]) {
    const { server, session } = busy();
    await observe(session, capabilities, [], 900, signal, meanwhile);
    // Each 250 ms, and at the end; the steps take 40.
    expect(server.looks).toBeGreaterThanOrEqual(2);
  }
});

it('believes the view where steps leave too few looks to know better', async () => {
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
  const long = async function* () {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 350));
      yield;
    }
  };
  const { seen, session } = server(2);
  const { statements } = await observe(session, full, [of(100, 4)], 1_000, signal, long());
  expect(seen.looks).toBeGreaterThanOrEqual(2);
  expect(statements).toEqual([expect.objectContaining({ calls: 2, totalMs: 50 })]);
  const often = server(3);
  const corrected = await observe(often.session, full, [of(100, 4)], 1_500, signal);
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
