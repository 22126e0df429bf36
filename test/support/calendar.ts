import { uniform } from '../../lib/stats/interval.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Made once a zone: making one takes longer than using it a hundred times. */
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    formats.set(zone, format);
  }
  return format;
}

/** What the clocks of a time zone show, as the moment at which those of UTC show the same. */
function shown(moment: number, zone: string): number {
  const parts = formatOf(zone).formatToParts(moment);
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value);
  return (
    Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second')) + (moment % 1000)
  );
}

/** Milliseconds by which the clocks of a time zone are ahead of UTC. */
const offsetAt = (moment: number, zone: string) => shown(moment, zone) - moment;

/**
 * The moment at which the clocks of a time zone show `local` (`YYYY-MM-DDTHH:MM`), milliseconds since 1970. Of a time
 * that is shown twice, either; of one that is left out, one hour (the change) before or after it.
 *
 * @throws RangeError for what is no date, or no time zone
 */
export function momentOf(local: string, zone: string): number {
  const asUtc = Date.parse(`${local}Z`);
  // Rejects 2025-02-29, which Date.parse takes for 1 March.
  if (local.length !== 16 || Number.isNaN(asUtc) || !new Date(asUtc).toISOString().startsWith(local))
    throw new RangeError(`${local} is no date and time as YYYY-MM-DDTHH:MM`);
  const near = asUtc - offsetAt(asUtc, zone);
  return asUtc - offsetAt(near, zone);
}

/** The day and the time that the clocks of a time zone show: `YYYY-MM-DDTHH:MM`. */
export const localOf = (moment: number, zone: string) =>
  new Date(shown(moment, zone)).toISOString().slice(0, 16);

/** The latest two changes of the clocks before `now`, the forward one first; undefined where there is none. */
export function clockChanges(zone: string, now: number): { forward: number; back: number } | undefined {
  let forward: number | undefined;
  let back: number | undefined;
  for (
    let day = now;
    day > now - 400 * DAY_MS && (forward === undefined || back === undefined);
    day -= DAY_MS
  ) {
    const difference = offsetAt(day, zone) - offsetAt(day - DAY_MS, zone);
    if (difference === 0) continue;
    let [before, after] = [day - DAY_MS, day];
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (offsetAt(middle, zone) === offsetAt(day, zone)) after = middle;
      else before = middle;
    }
    if (difference > 0) forward ??= after;
    else back ??= after;
  }
  return forward === undefined || back === undefined ? undefined : { forward, back };
}

/** Where the clocks never change, those of this zone give the nights on which others' do. */
const CHANGING_ZONE = 'Europe/Berlin';

/** The latest moment before `now` at which the clocks show this, of the years that have such a day. */
function latest(day: (year: number) => string, zone: string, now: number): number {
  for (let year = new Date(now).getUTCFullYear() + 1; ; year -= 1) {
    const local = day(year);
    if (local.startsWith(`${year}-02-29`) && new Date(Date.UTC(year, 1, 29)).getUTCDate() !== 29) continue;
    const moment = momentOf(local, zone);
    if (moment < now - DAY_MS) return moment;
  }
}

/**
 * The days on which arithmetic with dates goes wrong, each as the latest one that is over. Where something ends (a
 * month, a year, a clock's hour), a run begins shortly before it, and sees both sides.
 */
export const namedDays = {
  'first-of-month': (zone, now) => latest((year) => `${year}-08-01T00:01`, zone, now),
  'last-of-month': (zone, now) => latest((year) => `${year}-10-31T23:58`, zone, now),
  'february-28': (zone, now) => latest((year) => `${year}-02-28T23:58`, zone, now),
  'february-29': (zone, now) => latest((year) => `${year}-02-29T23:58`, zone, now),
  'december-31': (zone, now) => latest((year) => `${year}-12-31T23:58`, zone, now),
  'january-1': (zone, now) => latest((year) => `${year}-01-01T00:01`, zone, now),
  'clocks-forward': (zone, now) => change(zone, now).forward - 2 * 60_000,
  'clocks-back': (zone, now) => change(zone, now).back - 2 * 60_000,
} satisfies Record<string, (zone: string, now: number) => number>;

export type NamedDay = keyof typeof namedDays;

function change(zone: string, now: number): { forward: number; back: number } {
  const found = clockChanges(zone, now - DAY_MS) ?? clockChanges(CHANGING_ZONE, now - DAY_MS);
  if (!found) throw new Error(`The clocks of ${CHANGING_ZONE} have not changed for a year.`);
  return found;
}

export const isNamed = (text: string): text is NamedDay => Object.hasOwn(namedDays, text);

/** The moment of a named day, or of a date (at noon) or a date and time as the zone's clocks show it. */
export const momentOfDay = (day: string, zone: string, now: number): number =>
  isNamed(day) ? namedDays[day](zone, now) : momentOf(day.length === 10 ? `${day}T12:00` : day, zone);

/** Ahead of UTC and behind it, by whole hours and not, with a change of clocks and without. */
export const RUN_ZONES = ['Europe/Berlin', 'America/St_Johns', 'Asia/Kathmandu'];

/** A day of the four years before this one, and a time zone; the same for the same seed on whatever day of a year. */
export function sampleOf(seed: number, now: number): { day: string; zone: string } {
  const random = uniform(seed);
  const zone = RUN_ZONES[Math.floor(random() * RUN_ZONES.length)] as string;
  const end = Date.UTC(new Date(now).getUTCFullYear(), 0, 1);
  return { day: localOf(end - Math.floor(random() * 4 * 365 * DAY_MS), zone), zone };
}
