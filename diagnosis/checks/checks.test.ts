import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { looksLikeList, trueTypeOf } from './model/columns.ts';
import { erlangC } from './set-up/setUp.ts';
import { shareOlder } from './size/ages.ts';

const many = (make: (at: number) => string) => Array.from({ length: 60 }, (_, at) => make(at));

describe('what text columns really hold', () => {
  it.each([
    ['dates', many((at) => `2026-01-${String(1 + (at % 28)).padStart(2, '0')}`), 'date'],
    ['dates with time', many((at) => `2026-01-02 10:00:${String(at).padStart(2, '0')}`), 'timestamp'],
    ['amounts', many((at) => `${at}.99`), 'money'],
    ['numbers of any length', many((at) => String(at * 37)), 'number'],
    ['ratings', many((at) => String(1 + (at % 5))), 'number'],
    ['postcodes of one length', many((at) => String(10_000 + at)), undefined],
    ['codes with leading zeros', many((at) => `0${at}`), undefined],
    ['phones', many((at) => `+49 30 ${at}`), undefined],
    ['words', many((at) => `word ${at}`), undefined],
    ['months that do not exist', many(() => '2026-13-01'), undefined],
  ])('%s', (_name, values, type) => expect(trueTypeOf(values)).toBe(type));

  it('lists are told from names, addresses and sentences', () => {
    expect(looksLikeList(many((at) => `red,blue,${at % 3 ? 'oak' : 'steel'}`))?.mean).toBeCloseTo(3);
    expect(looksLikeList(many((at) => `https://a/${at}.jpg,https://a/${at}-2.jpg`))).toBeDefined();
    expect(looksLikeList(many((at) => `Doe${at}, Jane${at}`))).toBeUndefined();
    expect(looksLikeList(many((at) => `Long Street ${at}, Old Town`))).toBeUndefined();
    expect(looksLikeList(many(() => 'It is good, and cheap, too'))).toBeUndefined();
    expect(looksLikeList(many(() => '{"a":1,"b":2}'))).toBeUndefined();
  });
});

describe('Erlang C', () => {
  it('equals values of published tables', () => {
    // c = 1 is M/M/1, where the chance of waiting is the load; c = 2, a = 1: 1/3.
    expect(erlangC(1, 0.6)).toBeCloseTo(0.6, 10);
    expect(erlangC(2, 1)).toBeCloseTo(1 / 3, 10);
    expect(erlangC(10, 10)).toBe(1);
  });

  it('lies between 0 and 1, rises with the load and falls with the servers', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0.01, max: 0.98, noNaN: true }),
        (servers, utilisation) => {
          const load = servers * utilisation;
          const wait = erlangC(servers, load);
          expect(wait).toBeGreaterThanOrEqual(0);
          expect(wait).toBeLessThanOrEqual(1);
          expect(erlangC(servers, load * 1.01)).toBeGreaterThanOrEqual(wait);
          expect(erlangC(servers + 1, load)).toBeLessThanOrEqual(wait);
        },
      ),
    );
  });
});

it('the share of rows older than a moment rises from 0 to 1', () => {
  const bounds = [0, 10, 20, 30, 40];
  expect([-1, 0, 5, 20, 40, 41].map((before) => shareOlder({ bounds }, before))).toEqual([
    0, 0, 0.125, 0.5, 1, 1,
  ]);
});
