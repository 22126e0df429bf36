import type { CheckContext } from '../../check.ts';
import type { Table } from '../../relations.ts';
import { snakeCase } from '../shared.ts';

/** How old a table's rows are, by the histogram that ANALYZE keeps of a date column. */
export interface Ages {
  table: Table;
  column: string;
  /** Ends of equally filled intervals, oldest first, milliseconds since 1970. */
  bounds: number[];
  /** When ANALYZE looked, milliseconds since 1970: what came after that it does not know. */
  asOf: number;
  /** Of the table with its indexes and partitions. */
  bytes: number;
  /** The dates are text. */
  text: boolean;
  /** The dates are numbers since 1970: so many of them make a second. */
  perSecond?: number;
  /** Date columns of the table, without those of the last change: several tell of a life that ends (placed, shipped). */
  dates: number;
  /** It has a date of the last change. */
  touched: boolean;
  /** Null when the table has its own date; otherwise the table that its rows belong to, whose dates these are. */
  through: Table | null;
}

export const DAY_MS = 86_400_000;
const MIN_ROWS = 1_000;
/** Columns whose newest values are further apart than this do not go on together. */
const STILL_GOING_ON_MS = 90 * DAY_MS;

/** When a row was last changed or looked at: that goes on as long as the row is used, and is no end of its life. */
const isTouch = (column: string) =>
  /(^|_)(updated?|modified|changed|edited|touched|refreshed|synced|indexed|bumped|noted|seen|last)(_|$)/.test(
    snakeCase(column),
  );
const isoDate =
  /^(?<day>\d{4}-\d\d-\d\d)([ T](?<time>\d\d:\d\d(:\d\d(\.\d{1,3})?)?)\d*( ?(?<zone>Z|[+-]\d\d(:?\d\d)?))?)?/;

/** Share of rows older than the moment, 0..1, linear within an interval. */
export function shareOlder({ bounds }: Pick<Ages, 'bounds'>, before: number): number {
  const last = bounds.length - 1;
  if (last < 1) return (bounds[0] ?? before) < before ? 1 : 0;
  const at = bounds.findIndex((bound) => bound >= before);
  if (at === 0) return 0;
  if (at === -1) return 1;
  const [low, high] = [bounds[at - 1] ?? before, bounds[at] ?? before];
  return (at - 1 + (high > low ? (before - low) / (high - low) : 1)) / last;
}

/**
 * Milliseconds since 1970; NaN where it is no date. What names no zone is meant in the server's, `zoneSeconds` ahead of
 * UTC now: an hour off in the other half of the year where clocks change.
 */
export function momentOf(text: string, zoneSeconds: number): number {
  const { day, time = '00:00', zone } = isoDate.exec(text)?.groups ?? {};
  if (zone === undefined || zone === 'Z') {
    const moment = Date.parse(`${day}T${time}Z`);
    return zone ? moment : moment - zoneSeconds * 1000;
  }
  return Date.parse(`${day}T${time}${zone.slice(0, 3)}:${zone.slice(3).replace(':', '') || '00'}`);
}

/** Names of columns that hold moments; other whole numbers of ten digits are numbers of something. */
const MOMENT = /(^|_)(at|on|ts|time|timestamp|date|epoch|created|updated|sec|seconds)$/i;
/** 2001: no row is older, and fewer digits begin here. Seconds since 1970. */
const FIRST_SECOND = 978_307_200;
const TEN_YEARS_MS = 3_653 * DAY_MS;

/** Ends of intervals as milliseconds since 1970, whatever the column writes; undefined where they are no moments. */
function momentsOf(
  column: string,
  bounds: readonly (string | number)[],
  zoneSeconds: number,
): Pick<Ages, 'bounds' | 'perSecond'> | undefined {
  if (bounds.every((bound) => typeof bound === 'number')) {
    const perSecond = (bounds[0] ?? 0) > FIRST_SECOND * 1000 ? 1000 : 1;
    const moments = bounds.map((bound) => (bound / perSecond) * 1000);
    const plausible = moments.every((at) => at >= FIRST_SECOND * 1000 && at <= Date.now() + TEN_YEARS_MS);
    return plausible && (perSecond === 1000 || MOMENT.test(column))
      ? { bounds: moments, perSecond }
      : undefined;
  }
  if (!bounds.every((bound) => typeof bound === 'string' && isoDate.test(bound))) return undefined;
  const moments = bounds.map((bound) => momentOf(String(bound), zoneSeconds));
  return moments.some(Number.isNaN) ? undefined : { bounds: moments };
}

/**
 * The row's own beginning: of several dates that go on until now, the one whose oldest value is oldest. A birthday ends
 * long before; an expiry goes beyond.
 */
export function beginningOf<Dates extends Pick<Ages, 'bounds'>>(
  candidates: readonly Dates[],
  now: number,
): Dates | undefined {
  const newest = ({ bounds }: Dates) => Math.min(bounds.at(-1) ?? 0, now);
  const latest = Math.max(...candidates.map(newest));
  return candidates
    .filter((dates) => newest(dates) > latest - STILL_GOING_ON_MS)
    .sort((a, b) => (a.bounds[0] ?? 0) - (b.bounds[0] ?? 0))[0];
}

function bytesWithPartitions(tables: readonly Table[], table: Table): number {
  return tables
    .filter(({ partitionOf }) => partitionOf === table.oid)
    .reduce((sum, partition) => sum + bytesWithPartitions(tables, partition), table.totalBytes);
}

const singular = (name: string) =>
  name.endsWith('ies') ? `${name.slice(0, -3)}y` : name.endsWith('s') ? name.slice(0, -1) : name;

/** The column of `child` that refers to `parent`, by a foreign key or, where none is declared, by its name. */
export function referenceTo(child: Table, parent: Table): string | undefined {
  const declared = child.foreignKeys.find(
    ({ columns, referenced }) =>
      columns.length === 1 && referenced.schema === parent.schema && referenced.table === parent.name,
  );
  const name = `${singular(parent.name)}_id`;
  return declared?.columns[0] ?? child.columns.find((column) => column.name === name)?.name;
}

/**
 * The ages of every table that has a date column (also one that holds dates as text) or belongs to a table that has
 * one. Reads statistics only, no rows.
 */
export async function readAges(context: Pick<CheckContext, 'session' | 'tables'>): Promise<Ages[]> {
  const rows = await context.session.query<{
    schema: string;
    table: string;
    column: string;
    bounds: (string | number)[];
    zoneSeconds: number;
  }>(
    // JSON has dates in one form, whatever the server's DateStyle, and moments with their offset from UTC.
    `SELECT schemaname AS schema, tablename AS table, attname AS column, to_json(histogram_bounds) AS bounds,
            extract(timezone FROM now())::float8 AS "zoneSeconds"
       FROM pg_stats
      WHERE schemaname <> ALL ('{pg_catalog,information_schema}') AND histogram_bounds IS NOT NULL
        AND to_json(histogram_bounds)::text ~ '^\\[("[12]\\d{3}-\\d\\d-\\d\\d|1\\d{9}(\\d{3})?[],])' `,
  );
  const found: Ages[] = [];
  for (const table of context.tables) {
    if (table.estimatedRows < MIN_ROWS || table.kind === 'partition') continue;
    const own = rows.filter((row) => row.schema === table.schema && row.table === table.name);
    const dated = table.columns.flatMap((column) => {
      const row = own.find((r) => r.column === column.name);
      const read = row && momentsOf(row.column, row.bounds, row.zoneSeconds);
      return read ? [{ column, ...read }] : [];
    });
    const mostlyFilled = dated.filter(({ column }) => (column.stats?.nullFraction ?? 0) <= 0.5);
    const first = beginningOf(mostlyFilled, Date.now());
    if (!first) continue;
    const names = dated.map(({ column }) => column.name);
    found.push({
      ...first,
      table,
      column: first.column.name,
      asOf: table.activity.lastAnalyze?.getTime() ?? Infinity,
      bytes: bytesWithPartitions(context.tables, table),
      text: /text|char/.test(first.column.type),
      dates: names.filter((name) => !isTouch(name)).length,
      touched: names.some(isTouch),
      through: null,
    });
  }
  for (const table of context.tables) {
    if (table.estimatedRows < MIN_ROWS || found.some((ages) => ages.table === table)) continue;
    const parent = found.find(
      (ages) =>
        ages.through === null &&
        referenceTo(table, ages.table) !== undefined &&
        table.name.startsWith(singular(ages.table.name)),
    );
    if (parent)
      found.push({
        ...parent,
        table,
        bytes: bytesWithPartitions(context.tables, table),
        through: parent.table,
      });
  }
  return found;
}
