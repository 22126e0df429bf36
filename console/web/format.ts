import { durationText } from '../../lib/units/format.ts';

export const milliseconds = (value: number) => durationText(value / 1000);

export function ago(iso: string, now = Date.now()): string {
  const s = Math.max(0, Math.round((now - Date.parse(iso)) / 1000));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return `${Math.round(s / 3600)} h`;
}

const clockFormat = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

/** Time of day of this browser's place. @param at milliseconds since the epoch */
export const clock = (at: number) => (Number.isFinite(at) ? clockFormat.format(at) : '–');
