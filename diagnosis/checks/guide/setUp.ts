import type { Page } from './page.ts';

export const setUp: Record<string, Page> = {
  'access-too-wide': {
    why: 'Rights that nobody meant to give are used by mistake, or by somebody who got in.',
    measured:
      'From the catalogue: policies on tables whose row-level security is off (a warning); INSERT, UPDATE, DELETE or TRUNCATE for PUBLIC; SECURITY DEFINER functions that everybody may call and that have no `search_path` of their own (for information).',
    wrong:
      'Policies may be prepared for a switch to come. On a server with one role for everything PUBLIC is that role.',
    fix: '`ENABLE ROW LEVEL SECURITY`, after a test as each role; `REVOKE … FROM PUBLIC` and GRANT to who needs it; `ALTER FUNCTION … SET search_path`.',
  },
  'autovacuum-off': {
    why: 'Dead rows stay, plans are made from old statistics, and in the end the server stops to protect against wraparound.',
    measured: '`autovacuum` or `track_counts` is off.',
    wrong: 'Never for long; during a bulk load it may be off for hours.',
    fix: 'Switch it on. Where it disturbs, lower its cost limit or let it come earlier on large tables, with less to do each time.',
  },
  'pool-size': {
    why: 'A request that finds no connection waits, and no statement shows that.',
    measured:
      'Ten looks at `pg_stat_activity`: an application with 70 % of its connections busy on average, and Erlang’s C formula for the chance of having to wait; and all connections of the server against `max_connections`, from 85 % on.',
    wrong:
      'Erlang C takes requests for independent, and a second of samples for the usual. A pooler shows the connections of the pooler.',
    fix: 'Shorten what keeps connections busy first. A larger pool moves the queue into the database; a pooler shares connections between many processes.',
  },
  'prepared-transaction': {
    why: 'It survives disconnection and restart, holds its locks, and keeps vacuum back in the whole database.',
    measured:
      '`pg_prepared_xacts` of this database, prepared more than five minutes ago; critical from an hour on.',
    wrong: 'A transaction manager that is down for repair ends its transactions when it is back.',
    fix: 'Ask the transaction manager how it ended, then `COMMIT PREPARED` or `ROLLBACK PREPARED`. Where two-phase commit is not used, `max_prepared_transactions = 0` forbids it.',
  },
  'replication-slot': {
    why: 'The server keeps all WAL since the slot was last read, until the disk is full and it stops.',
    measured:
      'Slots in `pg_replication_slots` that nobody reads and that hold more than `max_wal_size`; critical from ten times as much on, where `max_slot_wal_keep_size` sets no bound. Slots with `wal_status = lost` too.',
    wrong: 'A replica that is down for maintenance comes back and reads on.',
    fix: 'Start its reader, or `pg_drop_replication_slot`. Set `max_slot_wal_keep_size` to what the disk can give.',
  },
  'telemetry-blind': {
    why: 'Nobody can say afterwards which statement hurt.',
    measured:
      'pg_stat_statements, slow-statement logging or auto_explain, `log_lock_waits` and `track_io_timing` are off; or functions whose statements are not recorded (`pg_stat_statements.track = top`) take 2 % of the time.',
    wrong: 'A service that records elsewhere what is slow.',
    fix: 'Switch them on; `shared_preload_libraries` needs a restart. Logged statements hold values.',
  },
  'timeouts-missing': {
    why: 'One statement, lock or forgotten transaction holds a connection for ever, and the pool runs dry.',
    measured:
      '`statement_timeout`, `lock_timeout` and `idle_in_transaction_session_timeout` at the server, at the database and at each role that has statements or sessions here. A warning while a transaction is older than a minute.',
    wrong: 'What an application sets for itself when it connects is not seen.',
    fix: 'Set them for the database; long reports and migrations set their own.',
  },
  'unlogged-table': {
    why: 'After a crash it is empty, and neither replicas nor base backups have its rows.',
    measured: '`relpersistence = u`, with rows in it.',
    wrong: 'Right for a cache, a queue or a staging table that can be filled again.',
    fix: '`ALTER TABLE … SET LOGGED` writes the table anew under ACCESS EXCLUSIVE.',
  },
  wraparound: {
    why: 'Ids are compared modulo 2^32. Before the oldest would be taken for a future one, the server refuses all writes.',
    measured:
      '`age(datfrozenxid)` and `mxid_age(datminmxid)` against 2^31: a warning from a half on, critical from three quarters on, where vacuum’s own failsafe sets in.',
    wrong: 'An age of some 200 million is ordinary: autovacuum comes then.',
    fix: 'End what keeps vacuum back (prepared transactions, slots, open transactions), then VACUUM the oldest tables. Single-user mode is not needed for it.',
  },
};
