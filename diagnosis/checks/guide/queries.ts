import type { Page } from './page.ts';

const STATEMENTS =
  'Statements of pg_stat_statements in the window that was observed, read by Postgres’s own parser; those that take 0.5 % of the database time, or 20 ms a call in five calls and more.';

export const queries: Record<string, Page> = {
  'aggregate-at-request-time': {
    why: 'Somebody waits while sums of closed periods, which no longer change, are computed again.',
    measured:
      'Aggregates or GROUP BY in a SELECT that reads 20,000 rows and more a call and takes 100 ms and more on average.',
    wrong: 'A report that runs once a night for nobody in particular may take its time.',
    fix: 'Keep the sums of closed periods in a table of their own and add what is new, or a materialised view that is refreshed CONCURRENTLY.',
  },
  'cast-defeats-index': {
    why: 'The function is computed for all rows at each call, and an index on it is refused, because its result depends on settings.',
    measured: `${STATEMENTS} Conditions on a cast or function that the planner itself takes for not immutable, with a sequential scan of 1,000 rows and more; and \`value = ANY (column)\`.`,
    wrong: 'Where most rows meet the condition, a sequential scan is right.',
    fix: 'Compare the bare column: a range of moments instead of `date(at)`, `@>` with GIN instead of `= ANY (column)`, `to_tsvector` with its configuration named.',
  },
  'counts-everything': {
    why: 'Postgres looks at each row to count it, because each session may see other rows.',
    measured:
      'Statements that return nothing but counts, of rows or of a column, read 1,000 rows and more and were called five times and more.',
    wrong:
      'A count that a person asked for once is cheap enough. With an index-only scan on a well-vacuumed table it costs less than the plan says.',
    fix: 'Fetch one row more than is shown instead of the total; keep totals in a table; or show `reltuples` as an estimate.',
  },
  'hot-row': {
    why: 'The lock on a row is held until the transaction ends, so these transactions run one after another on any hardware.',
    measured:
      'Tables of at most 100 rows, updated 500 times a row since the statistics began or 20 times a row in the window, whose updates take more than twice the time of the fastest one and 1 ms more: that is waiting.',
    wrong:
      'One session that updates one row often waits for nobody and is not reported. Slow storage makes all updates slow, not only the waiting ones.',
    fix: 'Take numbers from a sequence; add up rows of a journal instead of updating a total; lock the row last in the transaction.',
  },
  'idle-in-transaction': {
    why: 'It holds its locks and a connection, and no row that died since can be removed in the whole database.',
    measured:
      'Sessions in `pg_stat_activity` that are idle in a transaction for five seconds and more; critical from a minute on.',
    wrong: 'It is a look at one moment. A role without `pg_read_all_stats` sees its own sessions only.',
    fix: 'Commit before waiting for anything else; set `idle_in_transaction_session_timeout`.',
  },
  'leading-wildcard': {
    why: 'A B-tree knows the beginning of a text only, so each search compares every row.',
    measured: `${STATEMENTS} LIKE, ILIKE or a regular expression whose pattern is a parameter or begins with a wildcard, with a sequential scan of 500 rows and more.`,
    wrong:
      'The pattern is a parameter: if it never begins with a wildcard, an index with `text_pattern_ops` does. Patterns below three characters read all rows with any index.',
    fix: 'A trigram index (pg_trgm, GIN); for words, full-text search.',
  },
  'lock-waits': {
    why: 'Who waits holds a connection, and the pool runs dry.',
    measured:
      'Five looks at `pg_stat_activity` and `pg_locks`: two waiting sessions in all, or one that waits a second and more.',
    wrong: 'It is a look at one moment; a migration that takes a lock for a moment shows here, too.',
    fix: 'Find the transaction that holds the lock, and what it does meanwhile: a call to another service does not belong into a transaction. Set `lock_timeout`.',
  },
  'n-plus-one': {
    why: 'Each statement is a round trip while a connection is held; the time is spent on the way, not in the database.',
    measured:
      'Five and more spans of the same statement below one parent span, in the traces of the console (`--console`).',
    wrong: 'A loop over what another service sent may have no better form.',
    fix: 'One statement for all rows: a join, or `= ANY ($1)` with an array of keys.',
  },
  'offset-paging': {
    why: 'All rows before the page are read and sorted to be thrown away, and later pages cost more than the first.',
    measured: `${STATEMENTS} OFFSET at the top, or with a LIMIT below it, on a table of 1,000 rows and more, where 500 rows and more are paged.`,
    wrong: 'Whoever only ever looks at the first pages pays little.',
    fix: 'Keyset paging: `WHERE (sort, id) < ($1, $2) ORDER BY sort DESC, id DESC LIMIT n`, with an index in that order. Page numbers then go.',
  },
  'select-star': {
    why: 'All columns are read, sent and parsed, also those kept out of line; an index alone cannot answer.',
    measured:
      '`SELECT *` of a table whose rows have 200 bytes and more, ten calls and 10 MB and more in all. A warning when its statements take 2 % of the time.',
    wrong: 'An application that shows every column needs every column.',
    fix: 'Name the columns that are used.',
  },
  'unbounded-read': {
    why: 'The answer grows with the table: in the database, on the wire and in the application’s memory.',
    measured: 'SELECT without LIMIT that returned 1,000 rows and more a call in five calls and more.',
    wrong: 'An export, or a table that cannot grow.',
    fix: 'Page it, aggregate it in the database, or read it through a cursor.',
  },
};
