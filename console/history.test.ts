import { expect, it } from 'vitest';
import { AlertHistory } from './history.ts';
import type { Alert } from './sources/alertmanager.ts';

const labels = { alertname: 'SlowStatements', severity: 'page', db_query_summary: 'SELECT orders' };
const alert = (startsAt: string): Alert => ({
  fingerprint: 'f',
  name: 'SlowStatements',
  severity: 'page',
  layer: 'cause',
  summary: 'slow',
  description: '',
  runbook: null,
  startsAt,
  muted: null,
  labels,
});
const told = (status: 'firing' | 'resolved', startsAt: string, endsAt?: string) => ({
  status,
  labels,
  annotations: { summary: 'slow' },
  startsAt,
  ...(endsAt ? { endsAt } : {}),
  receivedAt: startsAt,
});

it('an alert that is seen and told is one; it ends when that is told, or when it is not seen any more', () => {
  const history = new AlertHistory();
  history.observed([alert('2026-01-01T00:00:00Z')]);
  history.notified(told('firing', '2026-01-01T00:00:00Z'));
  expect(history.intervals).toEqual([
    {
      name: 'SlowStatements',
      severity: 'page',
      summary: 'slow',
      statement: 'SELECT orders',
      startsAt: '2026-01-01T00:00:00Z',
      endsAt: null,
    },
  ]);
  history.observed([]);
  expect(history.intervals[0]?.endsAt).not.toBeNull();
  history.notified(told('resolved', '2026-01-01T00:00:00Z', '2026-01-01T00:05:00Z'));
  expect(history.intervals[0]?.endsAt).toBe('2026-01-01T00:05:00Z');
});

it('the same alert at another time is another interval, and only the last 500 are kept', () => {
  const history = new AlertHistory();
  for (let n = 0; n < 600; n += 1)
    history.notified(told('firing', new Date(Date.UTC(2026, 0, 1, 0, n)).toISOString()));
  expect(history.intervals).toHaveLength(500);
  expect(history.intervals[0]?.startsAt).toBe('2026-01-01T01:40:00.000Z');
});

it('the API and the webhook of Alertmanager write one moment in two ways', () => {
  const history = new AlertHistory();
  history.notified(told('firing', '2026-01-01T00:00:00.74Z'));
  history.observed([alert('2026-01-01T00:00:00.740Z')]);
  history.notified(told('firing', '2026-01-01T00:00:00.74Z'));
  expect(history.intervals).toMatchObject([{ endsAt: null }]);
});
