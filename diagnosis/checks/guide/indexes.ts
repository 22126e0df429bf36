import type { Page } from './page.ts';

export const indexes: Record<string, Page> = {
  'bloated-index': {
    why: 'Half-empty pages take disk and cache, and each scan of the index reads more of them.',
    measured:
      'B-trees of at least 50 MB, without expressions and conditions, compared with the space that their entries need by `pg_stats` (16 bytes plus the key for each entry, 70 % full). Twice as much counts as bloat.',
    wrong:
      'It is an estimate: many equal keys are stored once (deduplication), and old statistics give wrong widths. `pgstattuple` or a rebuild shows the true size.',
    fix: '`REINDEX INDEX CONCURRENTLY` takes SHARE UPDATE EXCLUSIVE and needs room for the new index beside the old one. If the bloat comes back, look at what updates or deletes in bulk, and at vacuum.',
  },
  'duplicate-index': {
    why: 'Every insert, and most updates, write each index; the cache holds each of them.',
    measured:
      'Two indexes are duplicates if their definitions have the same method, keys, condition, operator classes, order and collation. A B-tree is also redundant if its keys are a prefix of those of another one. Indexes that a constraint, a foreign key, the replica identity or CLUSTER needs are left alone.',
    wrong:
      'A short index may be much smaller than the long one that contains it, and a statement that only needs the short one then reads less. Measure it if the table is large and the statement frequent.',
    fix: '`DROP INDEX CONCURRENTLY`. To undo it, build the index again, which scans the table.',
  },
  'foreign-key-without-index': {
    why: 'A delete of a parent row, or a change of its key, has to look for children, and reads the whole child table for each.',
    measured:
      'Foreign keys of tables with at least 1,000 rows whose columns are not the first columns of any valid index without a condition. It is a warning if rows of the parent were deleted (`n_tup_del`), otherwise for information.',
    wrong: 'Parents that are never deleted and never joined to their children need no index.',
    fix: 'An index on the columns of the key, built CONCURRENTLY. Each insert then writes one more entry.',
  },
  'invalid-index': {
    why: 'Every change writes to it although no statement can use it, and `CREATE INDEX IF NOT EXISTS` treats it as a good one.',
    measured: '`pg_index.indisvalid` or `indisready` is false, and no build runs at the moment.',
    wrong:
      'A build that runs in another database of the server is not seen; look at `pg_stat_progress_create_index`.',
    fix: 'Drop it, find out why the build failed (a lock timeout, a duplicate value), and build it again.',
  },
  'missing-gin-index': {
    why: 'A B-tree sorts whole values and does not know the contents of an array or a document, so every row is read and examined.',
    measured:
      'Statements with `@>`, `<@`, `&&`, `?`, `@?` or `@@` on a jsonb, array or tsvector column, or `->>` compared with a value, whose generic plan reads a table of at least 1,000 rows sequentially, if the column has neither a GIN nor a GiST index. The plan is ignored if a call was measured to read less than a tenth of the table’s blocks.',
    wrong:
      'A condition that most rows meet is read sequentially with any index. In pg_stat_statements, the field after `->>` is a parameter, so the finding cannot name it.',
    fix: "A GIN index on the column; for one field an expression index, `((data ->> 'field'))`. GIN makes changes of the column slower; `jsonb_path_ops` is smaller and serves `@>` only.",
  },
  'missing-index': {
    why: 'The time of the statement grows with the table, and at peak such scans keep connections and memory busy.',
    measured:
      'Conditions of sequential scans (and of index scans that read the whole index) in generic plans. Columns by equality come first, the most selective first, then one range or the sort order. The gain is estimated by the planner with HypoPG if it is installed, otherwise by a cost model based on `pg_stats`. It has to be at least 1.3 with the server’s own `random_page_cost`.',
    wrong:
      'The generic plan does not know the values: the index does not help for a value that most rows have, and helps more for a rare one. A batch that runs once a night may be fine without an index. Predicted gains were within a factor of six of the measured ones on the shop; take them as an order of magnitude.',
    fix: '`CREATE INDEX CONCURRENTLY`, on each partition if the table is partitioned. `sqltrail fix` builds the index, measures the effect, and drops it if it does not help.',
  },
  'unused-index': {
    why: 'It costs disk, cache and work at each write.',
    measured:
      'Indexes of at least 1 MB with `idx_scan = 0`, if the statistics are at least seven days old, that are not unique and not needed by a constraint. Indexes built less than seven days ago, as far as the server shows, are left out.',
    wrong:
      'A replica has its own counters. A report at the end of the month or year may be the only user. A unique index that is never scanned still enforces uniqueness, so it is left out.',
    fix: '`DROP INDEX CONCURRENTLY` after checking the replicas and at least one full business cycle.',
  },
};
