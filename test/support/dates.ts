import fc from 'fast-check';

/** Days on which arithmetic with dates goes wrong sooner than on others, in any year: `MM-DD`. */
const HARD_DAYS = [
  '01-01',
  '01-31',
  '02-28',
  '02-29',
  '03-01',
  '03-31',
  '04-30',
  '10-31',
  '11-01',
  '11-29',
  '12-31',
];
/** The nights of a clock change in Europe, in North America and on Lord Howe Island, and the last second of a year. */
const HARD_MOMENTS = [
  '2026-03-29T00:59:59.999Z',
  '2026-03-29T01:00:00Z',
  '2026-10-25T00:30:00Z',
  '2026-10-25T01:00:00Z',
  '2026-03-08T07:00:00Z',
  '2026-11-01T06:30:00Z',
  '2026-04-04T15:15:00Z',
  '2027-12-31T23:59:59.999Z',
  '2024-02-29T23:59:59.999Z',
  '2028-02-29T00:00:00Z',
];

const hardDay = fc
  .tuple(fc.integer({ min: 2020, max: 2035 }), fc.constantFrom(...HARD_DAYS), fc.nat(86_399_999))
  .map(
    ([year, day, ms]) => new Date(Date.parse(`${year}-${day === '02-29' && year % 4 ? '02-28' : day}`) + ms),
  );

/** Any moment of 2020 to 2035, and more often one of those on which arithmetic with dates goes wrong. */
export const anyMoment: fc.Arbitrary<Date> = fc.oneof(
  fc.date({ min: new Date('2020-01-01'), max: new Date('2035-12-31'), noInvalidDate: true }),
  hardDay,
  fc.constantFrom(...HARD_MOMENTS).map((text) => new Date(text)),
);

/** Time zones ahead of UTC and behind it, by whole hours and not, with a change of clocks (also of half an hour) and without. */
export const ZONES = [
  'UTC',
  'Europe/Zurich',
  'America/New_York',
  'America/St_Johns',
  'Asia/Kathmandu',
  'Pacific/Kiritimati',
  'Pacific/Pago_Pago',
  'Australia/Lord_Howe',
] as const;

export const anyZone = fc.constantFrom(...ZONES);
