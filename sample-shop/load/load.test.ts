import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../lib/waitFor.ts';
import { PATIENCE_MS } from '../../test/support/patience.ts';
import { PoissonArrivals } from './arrivals.ts';
import { Ledger } from './ledger.ts';
import { now, OpenLoop, ScheduleLag } from './openLoop.ts';
import { PROFILE_NAMES, type ProfileRates, rateProfile } from './profiles.ts';
import { randomStream, weightedPicker, zipf } from './random.ts';

const rates: ProfileRates = { idle: 0, ordinary: 2, peak: 20, dayMinutes: 10 };
const directory = mkdtempSync(path.join(tmpdir(), 'sqltrail-load-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('arrivals', () => {
  const take = (arrivals: PoissonArrivals, count: number) =>
    Array.from({ length: count }, () => arrivals.take());

  it('are the same for the same seed, others for another, and never go back', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.constantFrom('ordinary', 'peak', 'day' as const),
        (seed, name) => {
          const times = take(new PoissonArrivals(seed, rateProfile(name, rates), 0), 50);
          expect(take(new PoissonArrivals(seed, rateProfile(name, rates), 0), 50)).toEqual(times);
          expect(take(new PoissonArrivals(seed + 1, rateProfile(name, rates), 0), 50)).not.toEqual(times);
          expect(times).toEqual(times.toSorted((a, b) => a - b));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are a Poisson process of the offered rate: mean and variance of counts agree', () => {
    const times = take(new PoissonArrivals(7, rateProfile('peak', rates), 0), 20_000);
    const seconds = Math.floor(times.at(-1) ?? 0);
    const counts = new Array<number>(seconds).fill(0);
    for (const at of times) if (at < seconds) counts[Math.floor(at)] = (counts[Math.floor(at)] ?? 0) + 1;
    const mean = counts.reduce((sum, count) => sum + count, 0) / seconds;
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / (seconds - 1);
    // The standard error of the mean is 0.14, that of the dispersion 0.045: five of each.
    expect(mean).toBeCloseTo(20, 0);
    expect(variance / mean).toBeGreaterThan(0.78);
    expect(variance / mean).toBeLessThan(1.22);
  });

  it('none under idle; a change of profile keeps what was waited for', () => {
    const arrivals = new PoissonArrivals(1, rateProfile('idle', rates), 0);
    expect(arrivals.nextS).toBe(Number.POSITIVE_INFINITY);
    arrivals.change(rateProfile('peak', rates), 100);
    expect(arrivals.nextS).toBeGreaterThanOrEqual(100);
    expect(arrivals.nextS).toBeLessThan(101);
  });
});

describe('profiles', () => {
  it('expected and timeOf are each other’s inverse, and expected is additive', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PROFILE_NAMES.filter((name) => name !== 'idle')),
        fc.double({ min: 0, max: 3_000, noNaN: true }),
        fc.double({ min: 0.01, max: 500, noNaN: true }),
        (name, from, journeys) => {
          const profile = rateProfile(name, rates);
          const to = profile.timeOf(from, journeys);
          expect(to).toBeGreaterThan(from);
          expect(profile.expected(from, to)).toBeCloseTo(journeys, 4);
          const middle = (from + to) / 2;
          expect(profile.expected(from, middle) + profile.expected(middle, to)).toBeCloseTo(journeys, 4);
        },
      ),
    );
  });
});

describe('choices', () => {
  it('Zipf: the first is the commonest, all are within the bounds', () => {
    const pick = zipf(50, 1);
    const random = randomStream(1, 1);
    const counts = new Array<number>(51).fill(0);
    for (let at = 0; at < 20_000; at += 1) {
      const chosen = pick(random);
      expect(chosen).toBeGreaterThanOrEqual(1);
      expect(chosen).toBeLessThanOrEqual(50);
      counts[chosen] = (counts[chosen] ?? 0) + 1;
    }
    expect(Math.max(...counts)).toBe(counts[1]);
    // Twice as common as the second by the law itself.
    expect((counts[1] ?? 0) / (counts[2] ?? 1)).toBeGreaterThan(1.6);
    expect((counts[1] ?? 0) / (counts[2] ?? 1)).toBeLessThan(2.5);
  });

  it('weights are kept, and a weight of nothing is never chosen', () => {
    const pick = weightedPicker([
      ['often', 9],
      ['seldom', 1],
      ['never', 0],
    ] as const);
    const random = randomStream(3, 1);
    const chosen = Array.from({ length: 5_000 }, () => pick(random));
    expect(chosen.filter((name) => name === 'often').length / chosen.length).toBeCloseTo(0.9, 1);
    expect(chosen).not.toContain('never');
  });
});

describe('open loop', () => {
  it('a shop that answers nothing does not slow the arrivals: they come at their time, and are told it', async () => {
    const started: { intendedMs: number; startedMs: number }[] = [];
    let release = () => {};
    const stalled = new Promise<void>((resolve) => {
      release = resolve;
    });
    const loop = new OpenLoop({
      arrivals: new PoissonArrivals(5, rateProfile('peak', { ...rates, peak: 200 }), now() / 1000),
      maxInFlight: 1_000,
      lag: new ScheduleLag(),
      run: async (_index, intendedMs) => {
        started.push({ intendedMs, startedMs: now() });
        await stalled;
      },
      refuse: () => {},
    });
    loop.start();
    await waitFor('a hundred journeys arrive', () => started.length >= 100, {
      deadlineMs: PATIENCE_MS,
      everyMs: 10,
    });
    loop.stop();
    expect(loop.inFlight).toBe(started.length);
    for (const { intendedMs, startedMs } of started) expect(startedMs).toBeGreaterThanOrEqual(intendedMs);
    release();
    await loop.idle();
    expect(loop.inFlight).toBe(0);
  });

  it('each arrival is run or refused, none is left out', async () => {
    let [ran, refused] = [0, 0];
    const loop = new OpenLoop({
      arrivals: new PoissonArrivals(6, rateProfile('peak', { ...rates, peak: 500 }), now() / 1000),
      maxInFlight: 3,
      lag: new ScheduleLag(),
      run: async () => {
        ran += 1;
        await new Promise((resolve) => setTimeout(resolve, 50));
      },
      refuse: () => {
        refused += 1;
      },
    });
    loop.start();
    await waitFor('some are refused', () => refused > 20, { deadlineMs: PATIENCE_MS, everyMs: 10 });
    loop.stop();
    await loop.idle();
    expect(ran + refused).toBe(loop.arrived);
  });
});

describe('ledger', () => {
  const entry = (order: string) => ({
    order,
    value: 12.5,
    currency: 'EUR',
    time: '2026-01-01T00:00:00.000Z',
    basket: 'b',
    trace: 't',
  });

  it('an acknowledged checkout is in the file at once, and a torn line of a killed run is cut off', () => {
    const file = path.join(directory, 'ledger.jsonl');
    const warnings: string[] = [];
    const options = { file, warn: (message: string) => warnings.push(message) };
    const first = new Ledger(options);
    first.append(entry('SO-1'));
    expect(readFileSync(file, 'utf8')).toContain('"SO-1"');
    first.append(entry('SO-2'));
    first.close();
    appendFileSync(file, '{"order":"SO-3","val');
    const second = new Ledger(options);
    expect(second.entries).toBe(2);
    expect(warnings.join()).toContain('torn line');
    second.append(entry('SO-4'));
    second.close();
    const orders = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).order);
    expect(orders).toEqual(['SO-1', 'SO-2', 'SO-4']);
  });

  it('a file that is no ledger, or cannot be opened, is named', () => {
    const file = path.join(directory, 'other.txt');
    writeFileSync(file, 'hello\n');
    expect(() => new Ledger({ file, warn: () => {} })).toThrow(
      /line 1 of .*other\.txt is not a ledger entry/,
    );
    expect(() => new Ledger({ file: '/dev/null/x', warn: () => {} })).toThrow(/LOAD_LEDGER: cannot open/);
  });
});
