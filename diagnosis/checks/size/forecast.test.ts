import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kpiById } from '../../../kpis/catalogue.ts';
import type { CheckContext } from '../../check.ts';
import type { Table } from '../../relations.ts';
import type { WorkloadEntry } from '../../workloadEntry.ts';
import { daysUntil, forecast, grownADay, whenText } from './forecast.ts';
import { firstTooSlow } from './growth.ts';
import { type Ages, DAY_MS, readAges } from './rowAge.ts';

const now = Date.parse('2026-01-01');
/** A hundred intervals of as many rows each, from the first to the last day before (or, negative, after) now. */
const histogram = (firstDaysAgo: number, lastDaysAgo = 0) =>
  Array.from(
    { length: 101 },
    (_, at) => now - (firstDaysAgo - ((firstDaysAgo - lastDaysAgo) * at) / 100) * DAY_MS,
  );
const days = fc.double({ min: 1, max: 4_000, noNaN: true });
const amount = fc.double({ min: 1, max: 1e15, noNaN: true });

describe('rows a day', () => {
  it('of rows that come evenly are those of any window that lies within their time', () => {
    fc.assert(
      fc.property(days, fc.double({ min: 0.01, max: 1, noNaN: true }), (age, part) => {
        const rate = grownADay({ bounds: histogram(age), asOf: now }, now, age * part);
        expect(rate * age).toBeCloseTo(1, 6);
      }),
    );
  });

  it('in a window longer than the table is old are all its rows, over the whole window', () => {
    expect(grownADay({ bounds: histogram(100), asOf: now }, now, 365)).toBeCloseTo(1 / 365, 9);
  });

  it('are those of the days before the statistics were made, however old these are', () => {
    fc.assert(
      fc.property(days, fc.integer({ min: 1, max: 300 }), (age, old) => {
        const asOf = now - old * DAY_MS;
        const bounds = histogram(age + old, old);
        expect(grownADay({ bounds, asOf }, now, age / 2) * age).toBeCloseTo(1, 6);
      }),
    );
  });

  it('leave out rows of the future, and there are none where nothing came of late', () => {
    expect(grownADay({ bounds: histogram(-1, -300), asOf: now }, now, 90)).toBe(0);
    expect(grownADay({ bounds: histogram(100, -100), asOf: now }, now, 50) * 200).toBeCloseTo(1, 6);
    expect(grownADay({ bounds: histogram(900, 400), asOf: now }, now, 365)).toBe(0);
    expect(grownADay({ bounds: [], asOf: now }, now, 30)).toBe(0);
  });

  it('are never negative, and never more than all rows, for any histogram', () => {
    const bounds = fc.array(fc.integer({ min: now - 1_000 * DAY_MS, max: now + 100 * DAY_MS }), {
      maxLength: 50,
    });
    fc.assert(
      fc.property(bounds, days, days, (unsorted, a, b) => {
        const ages = { bounds: unsorted.toSorted((x, y) => x - y), asOf: now };
        const [short, long] = [Math.min(a, b), Math.max(a, b)];
        const [inShort, inLong] = [grownADay(ages, now, short) * short, grownADay(ages, now, long) * long];
        expect(inShort).toBeGreaterThanOrEqual(0);
        expect(inLong).toBeLessThanOrEqual(1 + 1e-9);
        expect(inLong).toBeGreaterThanOrEqual(inShort - 1e-9);
      }),
    );
  });
});

describe('the day of a limit', () => {
  it('is the one on which the size has grown to it', () => {
    fc.assert(
      fc.property(amount, amount, amount, (size, more, perDay) => {
        const at = daysUntil(size + more, size, perDay);
        expect((size + perDay * at) / (size + more)).toBeCloseTo(1, 9);
      }),
    );
  });

  it('is today where it is reached or passed, and never where nothing grows', () => {
    expect(daysUntil(100, 100, 5)).toBe(0);
    expect(daysUntil(100, 250, 5)).toBe(0);
    expect(daysUntil(100, 100, 0)).toBe(0);
    expect(daysUntil(100, 99, 0)).toBe(Infinity);
  });

  it('lies between those of the fastest and the slowest rate, which may be none', () => {
    const of = (...perDay: number[]) => forecast('full', { limit: 1_000, size: 400, perDay, how: '' });
    expect(of(20, 60, 30)).toMatchObject({ soonest: 10, latest: 30 });
    expect(of(0, 60)).toMatchObject({ soonest: 10, latest: Infinity });
  });

  it('is told as two dates, and without one where that would say nothing', () => {
    expect(whenText(now, { soonest: 10, latest: 40.5 })).toBe('2026-01-11 to 2026-02-10');
    expect(whenText(now, { soonest: 0, latest: 0 })).toBe('now already');
    expect(whenText(now, { soonest: 31, latest: Infinity })).toBe(
      '2026-02-01 to more than ten years from now',
    );
    expect(whenText(now, { soonest: 3_650, latest: 3_651 })).toBe(
      '2035-12-30 to more than ten years from now',
    );
    expect(whenText(now, { soonest: 3_651, latest: Infinity })).toBe('not within ten years');
  });
});

const table = (name: string, more: Partial<Table> = {}): Table =>
  ({
    oid: 1,
    schema: 'public',
    name,
    kind: 'table',
    partitionOf: null,
    estimatedRows: 50_000,
    totalBytes: 1_000_000,
    columns: [{ name: 'at', type: 'text' }],
    foreignKeys: [],
    activity: { lastAnalyze: null },
    ...more,
  }) as unknown as Table;

describe('the statement that first misses its objective', () => {
  const objectiveMs = kpiById('statement-latency-p95').objective.value * 1000;
  const orders = table('orders');
  const ages = [{ table: orders, bounds: histogram(200), asOf: now } as Ages];
  const scanning = (meanMs: number, more: object = {}): WorkloadEntry =>
    ({
      statement: { queryid: String(meanMs), meanMs, text: 'SELECT' },
      plan: {},
      scans: [{ sequential: true, limited: false, table: orders, ...more }],
    }) as unknown as WorkloadEntry;
  const first = (...entries: WorkloadEntry[]) => firstTooSlow({ workload: async () => entries }, ages, now);

  it('takes time in proportion to the rows of the table that it reads whole', async () => {
    // All rows came in 200 days, so as many again come in 200 more, and the time doubles.
    const found = await first(scanning(objectiveMs / 4), scanning(objectiveMs / 2));
    expect(found?.soonest).toBeCloseTo(200, 6);
    // Over 365 days the rate is slower: the same 200 days' rows in 365.
    expect(found?.latest).toBeCloseTo(365, 6);
    expect(found?.how).toContain(`queryid ${objectiveMs / 2}`);
  });

  it('is today’s where one misses it already; none where no whole table is read, or it does not grow', async () => {
    expect(await first(scanning(objectiveMs / 2), scanning(objectiveMs * 3))).toMatchObject({
      soonest: 0,
      latest: 0,
    });
    expect(await first(scanning(objectiveMs / 2, { limited: true }))).toBeUndefined();
    expect(await first(scanning(objectiveMs / 2, { sequential: false }))).toBeUndefined();
    const still = [{ ...(ages[0] as Ages), bounds: histogram(900, 500) }];
    const workload = async () => [scanning(objectiveMs / 2)];
    expect(await firstTooSlow({ workload }, still, now)).toBeUndefined();
  });
});

describe('ages', () => {
  const read = (tables: Table[], rows: { table: string; column: string; bounds: string[] }[]) =>
    readAges({
      tables,
      session: { query: async () => rows.map((row) => ({ schema: 'public', zoneSeconds: 3_600, ...row })) },
    } as unknown as CheckContext);
  const row = (bounds: string[], name = 'orders') => ({ table: name, column: 'at', bounds });

  it('are read from dates, from moments and from text in any of their forms, as of when ANALYZE looked', async () => {
    const lastAnalyze = new Date(now);
    const forms = [
      '2024-06-01',
      '2025-01-01 12:30',
      '2025-01-02T01:02:03',
      '2025-12-31 23:59:59.123456+02',
      '2026-01-01T05:44:59.123456+05:45',
      '2026-01-01 00:30:00 -0030',
      '2026-01-01T02:00:00Z',
    ];
    const [ages] = await read(
      [table('orders', { activity: { lastAnalyze } as Table['activity'] })],
      [row(forms)],
    );
    expect(ages?.bounds.map((at) => new Date(at).toISOString().slice(0, 16))).toEqual([
      // The server's clocks are an hour ahead of UTC.
      '2024-05-31T23:00',
      '2025-01-01T11:30',
      '2025-01-02T00:02',
      '2025-12-31T21:59',
      '2025-12-31T23:59',
      '2026-01-01T01:00',
      '2026-01-01T02:00',
    ]);
    expect(ages).toMatchObject({ text: true, asOf: now, through: null });
  });

  it('are none where a value is no date, for an empty table, and for one that was never analysed', async () => {
    expect(await read([table('orders')], [row(['2025-01-01', 'soon'])])).toEqual([]);
    expect(await read([table('orders')], [row(['2025-01-01', '2025-99-99'])])).toEqual([]);
    for (const estimatedRows of [0, -1])
      expect(await read([table('orders', { estimatedRows })], [row(['2025-01-01', '2025-01-02'])])).toEqual(
        [],
      );
  });

  it('of a partitioned table are of the bytes of its partitions too', async () => {
    const tables = [
      table('orders', { oid: 1, kind: 'partitioned', totalBytes: 0 }),
      table('orders_2025', { oid: 2, kind: 'partition', partitionOf: 1, totalBytes: 700 }),
      table('orders_2026', { oid: 3, kind: 'partition', partitionOf: 1, totalBytes: 300 }),
    ];
    const found = await read(tables, [row(['2025-01-01', '2026-01-02'])]);
    expect(found.map((ages) => [ages.table.name, ages.bytes])).toEqual([['orders', 1_000]]);
  });

  it('of a table without a date of its own are those of the table it belongs to', async () => {
    const items = table('order_items', {
      columns: [{ name: 'order_id', type: 'bigint' }] as Table['columns'],
      totalBytes: 5,
    });
    const found = await read([table('orders'), items], [row(['2025-01-01', '2026-01-02'])]);
    expect(found.map((ages) => [ages.table.name, ages.through?.name, ages.bytes])).toEqual([
      ['orders', undefined, 1_000_000],
      ['order_items', 'orders', 5],
    ]);
  });
});
