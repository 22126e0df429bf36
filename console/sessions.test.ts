import { afterEach, expect, it, vi } from 'vitest';
import { Sessions } from './sessions.ts';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it('the code of a link is good once, and for an hour', () => {
  let now = 1;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const after = (minutes: number) => {
    now += minutes * 60_000;
    vi.advanceTimersByTime(minutes * 60_000);
  };
  const sessions = new Sessions();
  const [used, early, late] = [sessions.link(), sessions.link(), sessions.link()];
  expect([sessions.redeem(used), sessions.redeem(used)]).toEqual([true, false]);
  after(59);
  expect(sessions.redeem(early)).toBe(true);
  after(2);
  expect(sessions.redeem(late)).toBe(false);
});
