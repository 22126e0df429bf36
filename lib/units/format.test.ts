import { expect, it } from 'vitest';
import { bytesText, count, durationText, moneyText, numberText, percentText, withUnit } from './format.ts';

it.each([
  [count(12_345.4), '12,345'],
  [numberText(0.012_345), '0.0123'],
  [numberText(99.96), '100'],
  [numberText(12_345.6), '12,346'],
  [bytesText(0), '0 B'],
  [bytesText(999), '999 B'],
  [bytesText(999_600), '1 MB'],
  [bytesText(1_234_567), '1.23 MB'],
  [bytesText(-2_000_000_000), '-2 GB'],
  [bytesText(5e15), '5,000 TB'],
  [durationText(0), '0 s'],
  [durationText(0.000_02), '20 µs'],
  [durationText(0.5), '500 ms'],
  [durationText(119), '119 s'],
  [durationText(150), '2.5 min'],
  [durationText(9_000), '2.5 h'],
  [percentText(0.123_45), '12.3 %'],
  [moneyText('EUR')(9.5), 'EUR 9.50'],
  [moneyText('EUR')(123_456), 'EUR 123,000'],
  [withUnit(4_000, 'd'), 'over 10 years'],
  [withUnit(1_200, 'By/s'), '1.2 kB/s'],
  [withUnit(7, '{count}'), '7'],
])('%s', (text, expected) => {
  expect(text).toBe(expected);
});
