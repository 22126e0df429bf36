import { setTimeout as sleep } from 'node:timers/promises';
import { describeStatement, loadParser } from '../instrumentation/statement.ts';
import { readStatements } from './catalogue.ts';
import type { Capabilities } from './diagnosis.ts';
import type { Session } from './readSession.ts';
import type { Statement } from './relations.ts';

/** Running statements are looked at no more often, milliseconds: 32 looks in the default 8 s. */
const LOOK_EVERY_MS = 250;

/** From so many looks on their mean says how busy the server is. */
const TELLING_LOOKS = 3;

/**
 * Samples by which what the view says is corrected. Chance sees more than there is as often as less, but only more
 * counts: of a statement to be seen once in all looks, one is had in 63 % of cases, three in 8 % (Poisson).
 */
const TELLING_SIGHTINGS = 3;

interface Running {
  queryid: string;
  pid: number;
  started: string;
  text: string;
  busy: boolean;
}

const counters = [
  'calls',
  'totalMs',
  'rows',
  'sharedBlocksRead',
  'sharedBlocksHit',
  'tempBlocksWritten',
] as const;

/** What happened between two looks at pg_stat_statements, the most time-consuming first. */
export function workloadBetween(before: readonly Statement[], after: readonly Statement[]): Statement[] {
  const earlier = new Map(before.map((statement) => [statement.queryid, statement]));
  return after
    .flatMap((now): Statement[] => {
      const then = earlier.get(now.queryid);
      // Its counters began anew in between, or it came in between. After a reset it may have been called more often than
      // before, and taken less time.
      if (!then || counters.some((counter) => now[counter] < then[counter]))
        return now.calls > 0 ? [now] : [];
      const calls = now.calls - then.calls;
      if (calls === 0) return [];
      const totalMs = now.totalMs - then.totalMs;
      return [
        {
          ...now,
          calls,
          totalMs,
          meanMs: totalMs / calls,
          rows: now.rows - then.rows,
          sharedBlocksRead: now.sharedBlocksRead - then.sharedBlocksRead,
          sharedBlocksHit: now.sharedBlocksHit - then.sharedBlocksHit,
          tempBlocksWritten: now.tempBlocksWritten - then.tempBlocksWritten,
        },
      ];
    })
    .sort((a, b) => b.totalMs - a.totalMs);
}

/**
 * The workload of the next `forMs` milliseconds. pg_stat_statements knows only statements that came to their end; one
 * that is cancelled by a timeout never shows there, and those hurt most. So running statements are looked at too, and
 * where looks found more time than the view, and more often than by chance, theirs counts (each look that finds a
 * statement is worth the time between two of them).
 *
 * @param onRunning takes how many statements keep the server busy, the mean of the looks so far; those that wait for
 *   something else than a disk do not
 */
export async function observe(
  session: Session,
  capabilities: Capabilities,
  before: readonly Statement[],
  forMs: number,
  signal: AbortSignal,
  onRunning: (mean: number) => void = () => {},
): Promise<{ statements: Statement[]; seconds: number }> {
  await loadParser();
  const from = performance.now();
  const seen = new Map<string, { looks: number; calls: Set<string>; text: string }>();
  const until = from + forMs;
  let looks = 0;
  let busy = 0;
  while (performance.now() < until) {
    const due = Math.min(performance.now() + LOOK_EVERY_MS, until);
    await sleep(Math.max(0, due - performance.now()), undefined, { signal });
    const running = await session.query<Running>(
      `SELECT query_id::text AS queryid, pid, query_start::text AS started, query AS text,
              wait_event_type IS NULL OR wait_event_type = 'IO' AS busy
         FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'active' AND query_id IS NOT NULL AND pid <> pg_backend_pid()
          AND backend_type = 'client backend' AND usename IS DISTINCT FROM 'sqltrail_monitor'`,
    );
    looks += 1;
    busy += running.filter((each) => each.busy).length;
    if (looks >= TELLING_LOOKS) onRunning(busy / looks);
    for (const { queryid, pid, started, text } of running) {
      const known = seen.get(queryid) ?? { looks: 0, calls: new Set<string>(), text };
      known.looks += 1;
      known.calls.add(`${pid} ${started}`);
      seen.set(queryid, known);
    }
  }
  const after = await readStatements(session, capabilities);
  const elapsedMs = performance.now() - from;
  const statements = new Map(
    workloadBetween(before, after.statements).map((statement) => [statement.queryid, statement]),
  );
  const texts = new Map(after.statements.map(({ queryid, text }) => [queryid, text]));
  for (const [queryid, { looks: found, calls, text }] of seen) {
    const sampledMs = (found / looks) * elapsedMs;
    const known = statements.get(queryid);
    if (known && (found < TELLING_SIGHTINGS || known.totalMs >= sampledMs)) continue;
    const least = Math.max(known?.calls ?? 0, calls.size);
    statements.set(queryid, {
      rows: 0,
      sharedBlocksRead: 0,
      sharedBlocksHit: 0,
      tempBlocksWritten: 0,
      ...known,
      queryid,
      // The text in pg_stat_activity holds the values where they are no parameters.
      text: texts.get(queryid) ?? describeStatement(text).text,
      calls: least,
      totalMs: sampledMs,
      meanMs: sampledMs / least,
    });
  }
  return {
    statements: [...statements.values()].sort((a, b) => b.totalMs - a.totalMs),
    seconds: elapsedMs / 1000,
  };
}
