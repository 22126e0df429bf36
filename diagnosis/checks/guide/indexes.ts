import type { Page } from './page.ts';

export const indexes: Record<string, Page> = {
  'bloated-index': {
    why: 'Half-empty pages take disk and cache, and each scan of the index reads more of them.',
    measured:
      'B-trees of 50 MB and more, without expressions and conditions, against what their entries need by `pg_stats` (16 bytes and the key an entry, 70 % full): twice as much is bloat.',
    wrong:
      'It is an estimate: many equal keys are stored once (deduplication), and old statistics give wrong widths. `pgstattuple` or a rebuild shows the true size.',
    fix: '`REINDEX INDEX CONCURRENTLY` takes SHARE UPDATE EXCLUSIVE and needs room for the new index beside the old one. If the bloat comes back, look at what updates or deletes in bulk, and at vacuum.',
  },
  'duplicate-index': {
    why: 'Every insert, and most updates, write each index; the cache holds each of them.',
    measured:
      'By the definition: same method, keys, condition, operator classes, order and collation; or a B-tree whose keys are the beginning of another one’s. What a constraint, a foreign key, the replica identity or CLUSTER needs is left alone.',
    wrong:
      'A short index may be much smaller than the long one that contains it, and a statement that only needs the short one then reads less. Measure it when the table is large and the statement frequent.',
    fix: '`DROP INDEX CONCURRENTLY`. The way back is to build it again, which takes a scan of the table.',
  },
  'foreign-key-without-index': {
    why: 'A delete of a parent row, or a change of its key, has to look for children, and reads the whole child table for each.',
    measured:
      'Foreign keys of tables with 1,000 rows and more whose columns begin no valid index without a condition. A warning when rows of the parent were deleted (`n_tup_del`), otherwise for information.',
    wrong: 'Parents that are never deleted and never joined to their children need no index.',
    fix: 'An index on the columns of the key, built CONCURRENTLY. Each insert then writes one more entry.',
  },
  'invalid-index': {
    why: 'It is written at each change, no statement uses it, and `CREATE INDEX IF NOT EXISTS` takes it for a good one.',
    measured: '`pg_index.indisvalid` or `indisready` is false, and no build runs at the moment.',
    wrong:
      'A build that runs in another database of the server is not seen; look at `pg_stat_progress_create_index`.',
    fix: 'Drop it, find out why the build failed (a lock timeout, a value that is there twice), and build it again.',
  },
  'missing-gin-index': {
    why: 'A B-tree orders whole values. What an array or a document holds it does not know, so every row is read and taken apart.',
    measured:
      'Statements with `@>`, `<@`, `&&`, `?`, `@?` or `@@` on a jsonb, array or tsvector column, or `->>` compared with a value, that read a table of 1,000 rows and more sequentially by their generic plan, while neither GIN nor GiST is on the column. Where the blocks that were measured for a call are less than a tenth of the table, the plan is not believed.',
    wrong:
      'A condition that most rows meet is read sequentially with any index. Which field `->>` asks for is a parameter in pg_stat_statements, so the finding cannot name it.',
    fix: "A GIN index on the column; for one field an expression index, `((data ->> 'field'))`. GIN makes changes of the column slower; `jsonb_path_ops` is smaller and serves `@>` only.",
  },
  'missing-index': {
    why: 'The time of the statement grows with the table, and at peak such scans keep connections and memory busy.',
    measured:
      'Conditions of sequential scans (and of index scans that read the whole index) in generic plans. Columns by equality come first, the most selective first, then one range or the sort order. The gain is the planner’s: HypoPG where it is installed, otherwise the cost model from `pg_stats`; it has to be 1.3 and more with the server’s own `random_page_cost`.',
    wrong:
      'The generic plan does not know the values: a value that most rows have gains nothing, a rare one more. A batch that runs once a night may be better left as it is. Predicted gains were within a factor of six of the measured ones on the shop; take them as an order of magnitude.',
    fix: '`CREATE INDEX CONCURRENTLY`, partition by partition where the table has them. `sqltrail fix` builds it, measures, and drops it when it does not help.',
  },
  'unused-index': {
    why: 'It costs disk, cache and work at each write.',
    measured:
      '`idx_scan = 0` since statistics that are seven days old or more, 1 MB and more, not unique, and not needed by a constraint. What was built less than seven days ago, as far as the server tells, is left out.',
    wrong:
      'A replica has counters of its own; a report of the month’s or the year’s end may be its only user; a unique index that is never scanned still keeps values unique, and is left out.',
    fix: '`DROP INDEX CONCURRENTLY` after a look at the replicas and at least one whole cycle of the business.',
  },
};
