import type { TableName } from '../diagnosis/fix.ts';
import type { Session } from '../diagnosis/readSession.ts';
import { openSession } from '../diagnosis/session.ts';
import { bytesText } from '../lib/units/format.ts';
import type { Action, ExpectedTime } from './action.ts';
import type { Handlers } from './handler.ts';
import { MAX_REPEATS } from './sequentialTest.ts';

/** Pages read, and their keys sorted, to time what all of them take: 4 MB. */
const SAMPLE_PAGES = 500;
/** Each row of text has as many trigrams as characters. */
const TRIGRAM_PAGES = 10;
/** A sample that takes longer is given up: then the time is not told. */
const SAMPLE_TIMEOUT_MS = 2_000;
/** CREATE INDEX CONCURRENTLY waits for those who run when it begins, after its first pass and after its second. */
const WAITS = 3;
/** ANALYZE reads 300 rows for each step of statistics (100 by default), each from a page of its own at most. */
const ANALYZED_PAGES = 30_000;

/** Applying itself; what measuring takes is known without it. */
type Timed = Pick<ExpectedTime, 'applySeconds' | 'basis'>;

interface Facts {
  session: Session;
  /** The longest that somebody else's transaction has been running, seconds. */
  longestSeconds: number;
}

async function timed(session: Session, sql: string): Promise<number> {
  const from = performance.now();
  await session.query(sql, [], { withinMs: SAMPLE_TIMEOUT_MS });
  return (performance.now() - from) / 1000;
}

async function sizeOf(session: Session, { schema, table }: TableName) {
  const target = session.quote(schema, table);
  const [size] = await session.query<{ bytes: number; pages: number }>(
    `SELECT pg_relation_size(c)::float8 AS bytes, (pg_relation_size(c) / current_setting('block_size')::int)::float8 AS pages
       FROM to_regclass($1) AS c`,
    [target],
  );
  return { target, bytes: size?.bytes ?? 0, pages: Math.max(1, size?.pages ?? 0) };
}

/** Seconds to read the table once, from random pages of it timed now. */
async function readSeconds(
  session: Session,
  { target, pages }: Awaited<ReturnType<typeof sizeOf>>,
  samplePages = SAMPLE_PAGES,
) {
  const percent = Math.min(100, (samplePages / pages) * 100);
  const sample = `${target} TABLESAMPLE SYSTEM (${percent.toFixed(6)})`;
  const seconds = await timed(session, `SELECT count(*) FROM ${sample}`);
  return { sample, scale: 100 / percent, seconds: (seconds * 100) / percent };
}

/**
 * A concurrent build reads the table twice, and makes and sorts the keys once. Both are timed on some pages; sorting
 * n keys takes n log n. For trigrams the sample is cut into pieces of three characters by SQL, which costs more for
 * each than the index does, and the index writes more than a sort.
 */
async function buildTime({ session, longestSeconds }: Facts, action: Action): Promise<Timed | null> {
  const { method, keys } = action.index ?? {};
  if (!keys || !action.index) return null;
  const list = keys.join(', ');
  const size = await sizeOf(session, action.index);
  const read = await readSeconds(session, size, method === 'gin' ? TRIGRAM_PAGES : SAMPLE_PAGES);
  const sorted =
    method === 'gin'
      ? `SELECT count(*) FROM (SELECT substr(v, i, 3) FROM (SELECT concat_ws(' ', ${list}) AS v FROM ${read.sample}) AS s,
           generate_series(1, length(v)) AS i ORDER BY 1 OFFSET 0) AS x`
      : `SELECT count(*) FROM (SELECT FROM ${read.sample} ORDER BY ${list} OFFSET 0) AS x`;
  const sortedSeconds = await timed(session, sorted);
  const longer = Math.log(Math.max(2, size.pages)) / Math.log(Math.max(2, size.pages / read.scale));
  const waits = WAITS * longestSeconds;
  return {
    applySeconds: read.seconds + sortedSeconds * read.scale * longer + waits,
    basis: [
      `reading ${bytesText(size.bytes)} twice and sorting the keys, timed on ${Math.round(size.pages / read.scale)} of ${Math.round(size.pages)} pages`,
      ...(waits < 0.1
        ? []
        : [`${WAITS} waits for others, of whom one runs for ${longestSeconds.toFixed(1)} s now`]),
    ].join(', '),
  };
}

/** Round trips, and tables that its statements read. */
async function statementTime({ session }: Facts, action: Action): Promise<Timed> {
  const trip = await timed(session, 'SELECT 1');
  let applySeconds = trip * Math.max(1, action.sql.length);
  const parts = [`${Math.max(1, action.sql.length)} round ${action.sql.length > 1 ? 'trips' : 'trip'}`];
  for (const { sample, ...table } of action.reads ?? []) {
    const size = await sizeOf(session, table);
    const share = sample ? Math.min(1, ANALYZED_PAGES / size.pages) : 1;
    applySeconds += (await readSeconds(session, size)).seconds * share;
    parts.push(`reading ${bytesText(size.bytes * share)} of ${table.table}, timed on a sample`);
  }
  if (action.kind === 'query') parts.push('at least: what is made of the rows is not timed');
  return { applySeconds, basis: parts.join(', ') };
}

export interface Measuring {
  windows: number;
  windowMs: number;
  handlers?: Handlers;
}

/** How long the windows of one measurement take, seconds; 0 where nothing is measured. */
function measuringSeconds({ kind, statements }: Action, { windows, windowMs, handlers }: Measuring): number {
  if (windows === 0) return 0;
  return handlers?.[kind]?.measure?.seconds ?? (statements.length > 0 ? (windows * windowMs) / 1000 : 0);
}

/** From beginning to measured, seconds; without the doing itself where that could not be timed. */
export const expectedSeconds = (action: Action, measuring: Measuring): number =>
  (action.time?.applySeconds ?? 0) + 2 * measuringSeconds(action, measuring);

/**
 * The actions with how long each is expected to take, timed on samples of this very server under the load of now. What
 * cannot be timed (the role may not read the table, the sample takes too long) is left without a time.
 */
export async function withTimes(
  options: Measuring & {
    /** May read the tables. */
    url: string;
    actions: readonly Action[];
    signal: AbortSignal;
  },
): Promise<Action[]> {
  const { url, actions, signal } = options;
  const session = await openSession({
    url,
    statementTimeoutMs: SAMPLE_TIMEOUT_MS,
    lockTimeoutMs: 500,
    budgetMs: Number.POSITIVE_INFINITY,
    dutyCycle: 1,
    signal,
  });
  try {
    const [others] = await session.query<{ longest: number | null }>(
      `SELECT max(extract(epoch FROM clock_timestamp() - xact_start))::float8 AS longest FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()`,
    );
    const facts: Facts = { session, longestSeconds: others?.longest ?? 0 };
    const timedActions: Action[] = [];
    for (const action of actions) {
      const seconds = measuringSeconds(action, options);
      const time = await (action.index ? buildTime(facts, action) : statementTime(facts, action)).catch(
        (error: Error & { code?: string }) => {
          if (error.code && !signal.aborted) return null;
          throw error;
        },
      );
      timedActions.push(
        time
          ? {
              ...action,
              time: { ...time, measureSeconds: 2 * seconds, longerSeconds: MAX_REPEATS * seconds },
            }
          : action,
      );
    }
    return timedActions;
  } finally {
    await session.close();
  }
}

/** Seconds as one says them. */
export const secondsText = (seconds: number): string =>
  seconds < 1
    ? 'under 1 s'
    : seconds < 120
      ? `about ${Math.round(seconds)} s`
      : `about ${Math.round(seconds / 60)} min`;

/** What an action is expected to take, in words. */
export const timeText = ({ applySeconds, measureSeconds, longerSeconds, basis }: ExpectedTime): string =>
  `${secondsText(applySeconds)} (${basis})${
    measureSeconds > 0
      ? `; ${measureSeconds} s to measure before and after, up to ${longerSeconds} s more where no gain is seen`
      : ''
  }`;
