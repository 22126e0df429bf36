import type { Page } from './page.ts';

export const size: Record<string, Page> = {
  'cache-pressure': {
    why: 'A page that is not in memory costs a read, and scans of large tables push out what frequent statements need.',
    measured:
      'Less than 99 % of the blocks that SELECT, UPDATE and DELETE statements of the workload read were found in shared_buffers, of at least 20,000 blocks, and the tables are larger than shared_buffers. Without pg_stat_statements, the counters of the database are used, which also include bulk loads.',
    wrong:
      'The operating system’s cache is not counted: a read may come from there. After a restart the cache is cold.',
    fix: 'First reduce the pages that are read, with indexes for scans and archival of cold data. Then raise `shared_buffers`; a quarter of the memory is a good start.',
  },
  'cold-data': {
    why: 'Every scan, vacuum, backup and index includes rows that nobody looks at.',
    measured:
      'The share of rows older than a year by the histogram of a date column (dates, dates as text, milliseconds or seconds since 1970), if it is at least 20 % and 200 kB. Rows only count if they reach an end of life (they have several dates) or if nobody reads them. Rows that rows of the last 90 days refer to are in use.',
    wrong: 'Data that the law requires to be available at once, or a report over several years.',
    fix: '`sqltrail archive` moves it to files that can still be queried and restored; or partition the table and detach old partitions.',
  },
  'dead-rows': {
    why: 'Each scan reads them, and the table grows although its data does not.',
    measured:
      '`n_dead_tup` is at least a fifth of the rows and at least 5,000; critical from one half. If the table has `autovacuum_enabled = off`, this is named as the cause.',
    wrong: 'It is normal right after a bulk change: autovacuum follows within minutes.',
    fix: 'VACUUM the table, and switch autovacuum on for it or let it run earlier. If the rows stay, something holds back vacuum: an open or prepared transaction, a slot, a standby with feedback.',
  },
  growth: {
    why: 'A limit that is known months ahead costs some planning; an unknown one causes an outage.',
    measured:
      'Rows by their own dates over 30, 90 and 365 days, times their size; and the dates when memory or the disk (`--disk-bytes`) will be full, and when a statement will miss its objective.',
    wrong:
      'Deleted rows are not visible, and growth during a campaign or a season is not typical of the year.',
    fix: 'Archive, partition, or get a larger disk in time.',
  },
  'sequence-nearly-exhausted': {
    why: 'After the last number, every insert fails.',
    measured:
      'The last value of sequences and the largest value of integer keys in the statistics, from half of their range.',
    wrong: 'A sequence may have been set to a high value once and hardly advance.',
    fix: '`bigint` for the key, its sequence and all that refers to it. The change rewrites the table; for a large table, do it online with `sqltrail migrate plan … retype`.',
  },
};
