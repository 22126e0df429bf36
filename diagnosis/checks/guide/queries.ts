import type { Page } from './page.ts';

const STATEMENTS =
  'Statements of pg_stat_statements in the observed window, parsed with Postgres’s own parser, that take at least 0.5 % of the database time, or 20 ms a call in at least five calls.';

export const queries: Record<string, Page> = {
  'aggregate-at-request-time': {
    why: 'Users wait while sums of past periods, which no longer change, are computed again.',
    measured:
      'Aggregates or GROUP BY in a SELECT that reads at least 20,000 rows a call and takes at least 100 ms on average.',
    wrong: 'A report that runs once a night, with nobody waiting for it, may take its time.',
    fix: 'Keep the sums of past periods in a separate table and add what is new, or use a materialised view that is refreshed CONCURRENTLY.',
  },
  'cast-defeats-index': {
    why: 'The function is computed for all rows in each call, and Postgres refuses an index on it, because its result depends on settings.',
    measured: `${STATEMENTS} Conditions on a cast or function that the planner does not consider immutable, with a sequential scan of at least 1,000 rows; and \`value = ANY (column)\`.`,
    wrong: 'If most rows meet the condition, a sequential scan is the right plan.',
    fix: 'Compare the column itself: a range of timestamps instead of `date(at)`, `@>` with GIN instead of `= ANY (column)`, `to_tsvector` with its configuration named.',
  },
  'counts-everything': {
    why: 'Postgres looks at each row to count it, because each session may see other rows.',
    measured:
      'Statements that return only counts, of rows or of a column, read at least 1,000 rows, and were called at least five times.',
    wrong:
      'A count that somebody requests once is cheap enough. With an index-only scan on a well-vacuumed table it costs less than the plan says.',
    fix: 'Fetch one row more than is shown instead of the total; keep totals in a table; or show `reltuples` as an estimate.',
  },
  'hot-row': {
    why: 'The lock on a row is held until the transaction ends, so these transactions run one after another on any hardware.',
    measured:
      'Tables of at most 100 rows, updated 500 times a row since the last reset of the statistics or 20 times a row in the window, whose updates take more than twice as long as the fastest one, and at least 1 ms longer. The difference is waiting time.',
    wrong:
      'One session that updates one row often waits for nobody and is not reported. Slow storage makes all updates slow, not only the waiting ones.',
    fix: 'Take numbers from a sequence; add up rows of a journal instead of updating a total; lock the row last in the transaction.',
  },
  'idle-in-transaction': {
    why: 'It holds its locks and a connection, and prevents vacuum from removing rows that died since then, in the whole database.',
    measured:
      'Sessions in `pg_stat_activity` that have been idle in a transaction for at least five seconds; critical from one minute.',
    wrong: 'It is only a snapshot. A role without `pg_read_all_stats` only sees its own sessions.',
    fix: 'Commit before waiting for anything else; set `idle_in_transaction_session_timeout`.',
  },
  'leading-wildcard': {
    why: 'A B-tree can only search for the beginning of a text, so each search compares every row.',
    measured: `${STATEMENTS} LIKE, ILIKE or a regular expression whose pattern is a parameter or begins with a wildcard, with a sequential scan of at least 500 rows.`,
    wrong:
      'The pattern is a parameter: if it never begins with a wildcard, an index with `text_pattern_ops` is enough. Patterns shorter than three characters read all rows with any index.',
    fix: 'A trigram index (pg_trgm, GIN); for words, full-text search.',
  },
  'lock-waits': {
    why: 'A waiting session holds a connection, so the pool may be exhausted.',
    measured:
      'Five samples of `pg_stat_activity` and `pg_locks`: at least two waiting sessions in total, or one that waits for at least a second. The transactions that are waited for, and wait for nobody themselves, are among the evidence (`pg_blocking_pids()`).',
    wrong: 'It is only a snapshot; a migration that takes a short lock shows up as well.',
    fix: 'Let the transaction that holds the lock end, or end it with `SELECT pg_terminate_backend(pid)`, which rolls it back. Then look at what it does in the meantime: a call to another service does not belong in a transaction. Set `lock_timeout`, and `idle_in_transaction_session_timeout`.',
  },
  'n-plus-one': {
    why: 'Each statement is a round trip while a connection is held; the time is spent on the network, not in the database.',
    measured:
      'At least five spans of the same statement below one parent span, in the traces of the console (`--console`).',
    wrong: 'A loop over data from another service may have no better form.',
    fix: 'One statement for all rows: a join, or `= ANY ($1)` with an array of keys.',
  },
  'offset-paging': {
    why: 'All rows before the page are read and sorted to be thrown away, and later pages cost more than the first.',
    measured: `${STATEMENTS} OFFSET at the top level, or with a LIMIT below it, on a table of at least 1,000 rows, with at least 500 rows to page through.`,
    wrong: 'If users only look at the first pages, it costs little.',
    fix: 'Keyset paging: `WHERE (sort, id) < ($1, $2) ORDER BY sort DESC, id DESC LIMIT n`, with an index in that order. Page numbers are no longer possible then.',
  },
  'select-star': {
    why: 'All columns are read, sent and parsed, even those stored out of line, and an index-only scan is impossible.',
    measured:
      '`SELECT *` on a table whose rows have at least 200 bytes, with at least ten calls and 10 MB in total. It is a warning if its statements take 2 % of the time.',
    wrong: 'An application that shows every column needs every column.',
    fix: 'Name the columns that are used.',
  },
  'unbounded-read': {
    why: 'The result grows with the table: in the database, on the network and in the application’s memory.',
    measured: 'SELECT without LIMIT that returned at least 1,000 rows a call in at least five calls.',
    wrong: 'An export, or a table that cannot grow.',
    fix: 'Page it, aggregate it in the database, or read it through a cursor.',
  },
};
