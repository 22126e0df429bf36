import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { runOnSchedule, type Scheduled } from './schedule.ts';

const MINUTE = 60_000;
beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) });
});
afterEach(() => {
  vi.useRealTimers();
});

/** One that takes so long, with when it began, in minutes. */
function taking(ms: number, lastAt?: number): Scheduled & { began: number[]; running: boolean } {
  const start = Date.now();
  const one = {
    began: [] as number[],
    running: false,
    lastAt: () => lastAt,
    async run() {
      one.began.push((Date.now() - start) / MINUTE);
      one.running = true;
      await new Promise((resolve) => setTimeout(resolve, ms));
      one.running = false;
    },
  };
  return one;
}

it('runs each every so often, and never two at once', async () => {
  const [first, second] = [taking(4 * MINUTE), taking(2 * MINUTE)];
  const ends = new AbortController();
  const ended = runOnSchedule([first, second], 15 * MINUTE, ends.signal, 0);
  let together = 0;
  for (let minute = 0; minute < 59; minute += 0.5) {
    await vi.advanceTimersByTimeAsync(MINUTE / 2);
    if (first.running && second.running) together += 1;
  }
  ends.abort();
  await vi.advanceTimersByTimeAsync(5 * MINUTE);
  await ended;
  expect(together).toBe(0);
  expect(first.began).toEqual([0, 15, 30, 45]);
  expect(second.began).toEqual([4, 19, 34, 49]);
});

it('one that takes longer than the interval begins again when it is done', async () => {
  const slow = taking(20 * MINUTE);
  const ends = new AbortController();
  const ended = runOnSchedule([slow], 15 * MINUTE, ends.signal, 0);
  await vi.advanceTimersByTimeAsync(65 * MINUTE);
  ends.abort();
  await vi.advanceTimersByTimeAsync(20 * MINUTE);
  await ended;
  expect(slow.began).toEqual([0, 20, 40, 60]);
});

it('an interval that is longer than a timer can hold is kept', async () => {
  const days = 30 * 24 * 60;
  const seldom = taking(1);
  const waits = vi.spyOn(globalThis, 'setTimeout');
  const ends = new AbortController();
  const ended = runOnSchedule([seldom], days * MINUTE, ends.signal, 0);
  await vi.advanceTimersByTimeAsync(MINUTE);
  expect(waits.mock.calls.filter(([, ms = 0]) => ms > 2 ** 31 - 1)).toEqual([]);
  waits.mockRestore();
  await vi.advanceTimersByTimeAsync(days * MINUTE);
  ends.abort();
  await ended;
  expect(seldom.began).toEqual([0, days]);
});

it('a restart does not begin anew, and a clock that was set back does not stop it', async () => {
  const recent = taking(1, Date.now() - 5 * MINUTE);
  const future = taking(1, Date.now() + 9_000 * MINUTE);
  const ends = new AbortController();
  const ended = [recent, future].map((one) => runOnSchedule([one], 15 * MINUTE, ends.signal, 0));
  await vi.advanceTimersByTimeAsync(16 * MINUTE);
  expect(recent.began).toEqual([10]);
  expect(future.began.length).toBeGreaterThan(0);
  ends.abort();
  await vi.advanceTimersByTimeAsync(15 * MINUTE);
  await Promise.all(ended);
});
