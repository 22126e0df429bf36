import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clockChanges,
  localOf,
  momentOf,
  momentOfDay,
  type NamedDay,
  namedDays,
  RUN_ZONES,
  sampleOf,
} from './support/calendar.ts';
import { anyMoment, anyZone } from './support/dates.ts';

const DAY_MS = 86_400_000;

describe('a time of a zone', () => {
  it('is the moment at which its clocks show it, but for the hour that a change leaves out', () => {
    fc.assert(
      fc.property(anyMoment, anyZone, (moment, zone) => {
        // Seconds are no part of it; a time that is shown twice may be either.
        const shown = localOf(moment.getTime(), zone);
        expect(localOf(momentOf(shown, zone), zone)).toBe(shown);
      }),
      { numRuns: 200 },
    );
  });

  it('is none on a day that its year does not have', () => {
    for (const text of ['2025-02-29T12:00', '2024-13-01T00:00', 'today', '2024-01-01'])
      expect(() => momentOf(text, 'UTC')).toThrow(/YYYY-MM-DDTHH:MM/);
    expect(() => momentOf('2024-01-01T00:00', 'Mars/Olympus')).toThrow(/time zone/);
  });
});

describe('the days of test:dates', () => {
  const endings: Partial<Record<NamedDay, RegExp>> = {
    'first-of-month': /-01T00:01$/,
    'last-of-month': /-31T23:58$/,
    'february-28': /-02-28T23:58$/,
    'february-29': /-02-29T23:58$/,
    'december-31': /-12-31T23:58$/,
    'january-1': /-01-01T00:01$/,
  };

  it('are over on whatever day they are asked, and what they are called', () => {
    fc.assert(
      fc.property(anyMoment, anyZone, (moment, zone) => {
        const now = moment.getTime();
        for (const name of Object.keys(namedDays) as NamedDay[]) {
          const found = momentOfDay(name, zone, now);
          expect(found, name).toBeLessThan(now);
          expect(found, name).toBeGreaterThan(now - (name === 'february-29' ? 8 * 366 : 400) * DAY_MS);
          const ending = endings[name];
          if (ending) expect(localOf(found, zone), name).toMatch(ending);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('lie on both sides of a change of the clocks, where there is one', () => {
    const now = Date.parse('2026-11-29T12:00:00Z');
    expect(clockChanges('Europe/Berlin', now)).toEqual({
      forward: Date.parse('2026-03-29T01:00:00Z'),
      back: Date.parse('2026-10-25T01:00:00Z'),
    });
    expect(clockChanges('America/St_Johns', now)).toEqual({
      forward: Date.parse('2026-03-08T05:30:00Z'),
      back: Date.parse('2026-11-01T04:30:00Z'),
    });
    expect(clockChanges('Asia/Kathmandu', now)).toBeUndefined();
    expect(momentOfDay('clocks-back', 'Asia/Kathmandu', now)).toBe(Date.parse('2026-10-25T00:58:00Z'));
  });

  it('of a seed are one and the same, in the past', () => {
    fc.assert(
      fc.property(fc.nat(), anyMoment, (seed, moment) => {
        const now = moment.getTime();
        const sample = sampleOf(seed, now);
        expect(sampleOf(seed, now)).toEqual(sample);
        expect(RUN_ZONES).toContain(sample.zone);
        expect(momentOfDay(sample.day, sample.zone, now)).toBeLessThan(now);
      }),
    );
  });
});
