const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

/** A duration for people: microseconds to minutes, three significant digits. */
export function seconds(value: number): string {
  if (value === 0) return '0 s';
  if (value < 0.001) return `${number.format(value * 1e6)} µs`;
  if (value < 1) return `${number.format(value * 1e3)} ms`;
  if (value < 120) return `${number.format(value)} s`;
  return `${number.format(value / 60)} min`;
}

export const milliseconds = (value: number) => seconds(value / 1000);
export const percent = (value: number) => `${number.format(value * 100)} %`;
export const plain = (value: number) =>
  Math.abs(value) >= 10_000 ? Math.round(value).toLocaleString('en') : number.format(value);

/** A KPI's value with its unit (kpis/kpi.ts). */
export function withUnit(value: number, unit: string): string {
  switch (unit) {
    case 's':
      return seconds(value);
    case '1':
      return percent(value);
    case '/s':
      return `${plain(value)} /s`;
    case 'd':
      return value >= 3650 ? 'over 10 years' : `${plain(value)} days`;
    case 'EUR':
      return `€ ${plain(value)}`;
    case 'EUR/h':
      return `€ ${plain(value)} /h`;
    case 'By':
      return `${number.format(value / 1e6)} MB`;
    default:
      return plain(value);
  }
}

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

export function bytes(value: number): string {
  if (value >= 1e9) return `${number.format(value / 1e9)} GB`;
  if (value >= 1e6) return `${number.format(value / 1e6)} MB`;
  return `${number.format(value / 1e3)} kB`;
}
