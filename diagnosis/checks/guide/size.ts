import type { Page } from './page.ts';

export const size: Record<string, Page> = {
  'cache-pressure': {
    why: 'A page that is not in memory costs a read, and scans of large tables push out what frequent statements need.',
    measured:
      'Blocks that the SELECT, UPDATE and DELETE of the workload found in shared_buffers, less than 99 % of 20,000 and more, where the tables are larger than shared_buffers. Without pg_stat_statements the counters of the database, which hold its load, too.',
    wrong:
      'The operating system’s cache is not counted: a read may come from there. After a restart the cache is cold.',
    fix: 'Fewer pages first: indexes for what scans, archival of what is cold. Then `shared_buffers`, a quarter of the memory to begin with.',
  },
  'cold-data': {
    why: 'Every scan, vacuum, backup and index carries rows that nobody looks at.',
    measured:
      'The share of rows older than a year by the histogram of a date column (dates, dates as text, milliseconds or seconds since 1970), 20 % and 200 kB and more. Only rows whose life ends (several dates), or that nobody reads; what rows of the last 90 days refer to is in use.',
    wrong: 'What the law wants to be found at once, or a report over years.',
    fix: '`sqltrail archive` moves it to files that can still be queried, and back; or partition the table and detach its old part.',
  },
  'dead-rows': {
    why: 'Each scan reads them, and the table grows although its data do not.',
    measured:
      '`n_dead_tup` is a fifth of the rows and 5,000 and more; critical from a half on. `autovacuum_enabled = off` of the table is named as the cause.',
    wrong: 'Right after a bulk change it is as it should be: autovacuum comes within minutes.',
    fix: 'VACUUM, switch autovacuum on for the table or let it come earlier. If the rows stay, something keeps vacuum back: an open or prepared transaction, a slot, a standby with feedback.',
  },
  growth: {
    why: 'A limit that is known months before costs a plan, and one that is not an outage.',
    measured:
      'Rows by their own dates over 30, 90 and 365 days, times their size; the days when memory, the disk (`--disk-bytes`) and the objective of a statement are reached.',
    wrong: 'Deleted rows are not seen, and a campaign or a season is not the year.',
    fix: 'Archival, partitions, or the next larger disk, in time.',
  },
  'sequence-nearly-exhausted': {
    why: 'After the last number every insert fails.',
    measured:
      'The last value of sequences and the largest value of integer keys in the statistics, from half of their range on.',
    wrong: 'A sequence that was set high once and hardly moves.',
    fix: '`bigint` for the key, its sequence and all that refers to it. The change writes the table anew; with a large one do it online, by `sqltrail migrate plan … retype`.',
  },
};
