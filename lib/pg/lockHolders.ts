import { setTimeout as sleep } from 'node:timers/promises';
import { durationText } from '../units/format.ts';
import { openReadOnly } from './connect.ts';

/** A session that another one waits for. */
export interface LockHolder {
  /** 0 for a prepared transaction. */
  pid: number;
  /** In words: which session, and since when. */
  what: string;
  /** The table's upkeep, by VACUUM or ANALYZE: it holds its lock as long as the table is large. */
  upkeep: boolean;
  /** OID of the table whose lock is waited for; null where it is another kind of lock. */
  table: number | null;
}

interface Row {
  pid: number;
  autovacuum: boolean | null;
  application: string | null;
  seconds: number | null;
  command: string | null;
  relation: string | null;
  table: number | null;
}

// Without pg_read_all_stats another role's session has neither name nor table here, but its number.
const UPKEEP = `SELECT pid, 'VACUUM' AS command, relid FROM pg_catalog.pg_stat_progress_vacuum
   UNION ALL SELECT pid, 'ANALYZE', relid FROM pg_catalog.pg_stat_progress_analyze`;

const HOLDERS = `SELECT b.pid, a.backend_type = 'autovacuum worker' AS autovacuum,
        coalesce(nullif(a.application_name, ''), a.usename) AS application,
        extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8 AS seconds,
        u.command, u.relid::pg_catalog.regclass::text AS relation,
        (SELECT l.relation::int8::float8 FROM pg_catalog.pg_locks AS l
          WHERE l.pid = $1 AND NOT l.granted AND l.locktype = 'relation' LIMIT 1) AS "table"
   FROM (SELECT DISTINCT pid FROM unnest(pg_catalog.pg_blocking_pids($1)) AS pid) AS b
   LEFT JOIN pg_catalog.pg_stat_activity AS a USING (pid) LEFT JOIN (${UPKEEP}) AS u USING (pid) ORDER BY a.xact_start`;

function inWords({ pid, autovacuum, application, seconds, command, relation }: Row): string {
  if (pid === 0) return 'a prepared transaction (pg_prepared_xacts)';
  const since = seconds === null ? '' : `, for ${durationText(seconds)}`;
  if (command === null) return `a transaction of ${application ?? 'another role'} (pid ${pid}${since})`;
  const by = autovacuum ? `autovacuum (${command})` : command;
  return `${by} of ${relation ?? 'the table'} (pid ${pid}${since})`;
}

/** Looks from a connection of its own at whom a session waits for. */
export class LockHolders {
  readonly #url: string;
  readonly #pid: number;
  #client: Awaited<ReturnType<typeof openReadOnly>> | undefined;

  /** @param pid of the session that waits, as the server numbers it */
  constructor(url: string, pid: number) {
    this.#url = url;
    this.#pid = pid;
  }

  async #query<T extends object>(sql: string, values: unknown[]): Promise<T[]> {
    this.#client ??= await openReadOnly({ url: this.#url, applicationName: 'sqltrail-locks' });
    return (await this.#client.query<T>(sql, values)).rows;
  }

  /**
   * So that {@link during} waits neither for a connection nor for what planning its query reads of the catalogue. What
   * fails is told there, by nobody.
   */
  async open(): Promise<void> {
    await this.#query(HOLDERS, [this.#pid]).catch(() => {});
  }

  /** Who holds what `work` waits for `afterMs` after its begin; nobody where it has ended by then. */
  async during(work: Promise<unknown>, afterMs: number): Promise<LockHolder[]> {
    let ended = false;
    const end = () => {
      ended = true;
    };
    await Promise.race([work.then(end, end), sleep(afterMs)]);
    if (ended) return [];
    const rows = await this.#query<Row>(HOLDERS, [this.#pid]).catch(() => []);
    return rows.map((row) => ({
      pid: row.pid,
      what: inWords(row),
      upkeep: row.command !== null,
      table: row.table,
    }));
  }

  /** Whether one of them is still at the upkeep of that table: the same session may go on with others. */
  async atUpkeep(holders: readonly LockHolder[]): Promise<boolean> {
    const those = holders.filter(({ upkeep }) => upkeep);
    const rows = await this.#query(
      `SELECT FROM (${UPKEEP}) AS u JOIN unnest($1::int[], $2::float8[]) AS h (pid, "table") USING (pid)
        WHERE h."table" IS NULL OR EXISTS (SELECT FROM pg_catalog.pg_locks AS l
          WHERE l.pid = h.pid AND l.relation::int8 = h."table" AND l.granted) LIMIT 1`,
      [those.map(({ pid }) => pid), those.map(({ table }) => table)],
    );
    return rows.length > 0;
  }

  async close(): Promise<void> {
    await this.#client?.end().catch(() => {});
  }
}
