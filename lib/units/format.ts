const three = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** A number of things that come whole: `12,345`. */
export const count = (value: number): string => whole.format(value);

/** Three significant digits; all of them from a hundred: `0.123`, `12.3`, `12,345`. */
export const numberText = (value: number): string =>
  Math.abs(value) >= 100 ? whole.format(value) : three.format(value);

const BYTES = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `1.23 MB`; decimal, as disks are sold. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let at = 0;
  for (; Math.abs(value) >= 999.5 && at < BYTES.length - 1; at += 1) value /= 1000;
  return `${three.format(value)} ${BYTES[at]}`;
}

/** A duration for people, from microseconds to hours. */
export function durationText(seconds: number): string {
  if (seconds === 0) return '0 s';
  if (seconds < 0.001) return `${three.format(seconds * 1e6)} µs`;
  if (seconds < 1) return `${three.format(seconds * 1e3)} ms`;
  if (seconds < 120) return `${three.format(seconds)} s`;
  if (seconds < 5_400) return `${three.format(seconds / 60)} min`;
  return `${three.format(seconds / 3_600)} h`;
}

export const percentText = (share: number): string => `${three.format(share * 100)} %`;

/** Below ten to the cent; three significant digits from a thousand. */
export const moneyText =
  (currency: string) =>
  (value: number): string => {
    if (value !== 0 && Math.abs(value) < 10) return `${currency} ${value.toFixed(2)}`;
    return `${currency} ${whole.format(Math.abs(value) >= 1000 ? Number(value.toPrecision(3)) : value)}`;
  };

const TEN_YEARS_DAYS = 3_650;

const units: Record<string, (value: number) => string> = {
  s: durationText,
  By: bytesText,
  '1': percentText,
  '/s': (value) => `${numberText(value)} /s`,
  'By/s': (value) => `${bytesText(value)}/s`,
  d: (value) => (value >= TEN_YEARS_DAYS ? 'over 10 years' : `${numberText(value)} days`),
};

/** An amount of a currency, or such an amount an hour. */
const MONEY = /^(?<currency>[A-Z]{3})(?<anHour>\/h)?$/;

/** A measured value in a unit of the KPI catalogue; a plain number in any other. */
export function withUnit(value: number, unit: string): string {
  const { currency, anHour = '' } = MONEY.exec(unit)?.groups ?? {};
  if (currency) return `${moneyText(currency)(value)}${anHour && ` ${anHour}`}`;
  return (units[unit] ?? numberText)(value);
}
