import { expect, it } from 'vitest';
import type { Capabilities, Session } from './check.ts';
import { observe } from './observe.ts';

const capabilities = { pgStatStatements: false } as Capabilities;
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
    await observe(session, capabilities, [], 600, signal, meanwhile);
    expect(server.looks).toBeGreaterThanOrEqual(1);
  }
});
