import type { Page } from './page.ts';

export const setUp: Record<string, Page> = {
  'access-too-wide': {
    why: 'Privileges that nobody meant to grant are used by mistake, or by an intruder.',
    measured:
      'From the catalogue: policies on tables whose row-level security is off (a warning); INSERT, UPDATE, DELETE or TRUNCATE for PUBLIC; SECURITY DEFINER functions that everybody may call and that have no `search_path` of their own (for information).',
    wrong:
      'Policies may be prepared before row-level security is enabled. On a server with a single role, PUBLIC is that role.',
    fix: '`ENABLE ROW LEVEL SECURITY`, after a test as each role; `REVOKE … FROM PUBLIC`, and GRANT to the roles that need it; `ALTER FUNCTION … SET search_path`.',
  },
  'autovacuum-off': {
    why: 'Dead rows stay, plans use outdated statistics, and eventually the server refuses writes to prevent wraparound.',
    measured: '`autovacuum` or `track_counts` is off.',
    wrong: 'Never for long. During a bulk load it may be off for hours.',
    fix: 'Switch it on. If it interferes with the load, lower its cost limit, or let it run earlier on large tables, so that it has less to do each time.',
  },
  'pool-size': {
    why: 'A request without a free connection waits, and no statement shows this.',
    measured:
      'Ten samples of `pg_stat_activity`: an application whose connections are 70 % busy on average, with the chance of having to wait by Erlang’s C formula; and all connections of the server, from 85 % of `max_connections`.',
    wrong:
      'Erlang C assumes that requests are independent, and the check assumes that one second is typical. Behind a pooler, the check sees only the pooler’s connections.',
    fix: 'First make faster whatever keeps connections busy. A larger pool only moves the queue into the database; a pooler shares connections among many processes.',
  },
  'prepared-transaction': {
    why: 'It survives disconnection and restart, holds its locks, and holds back vacuum in the whole database.',
    measured:
      '`pg_prepared_xacts` of this database, prepared more than five minutes ago; critical from one hour.',
    wrong: 'A transaction manager that is down for maintenance finishes its transactions when it is back.',
    fix: 'Find out from the transaction manager how the transaction ended, then run `COMMIT PREPARED` or `ROLLBACK PREPARED`. If you do not use two-phase commit, `max_prepared_transactions = 0` disables it.',
  },
  'replication-slot': {
    why: 'The server keeps all WAL since the slot was last read, until the disk is full and it stops.',
    measured:
      'Slots in `pg_replication_slots` that nobody reads and that hold more than `max_wal_size`; critical from ten times as much, if `max_slot_wal_keep_size` sets no limit. Slots with `wal_status = lost` too.',
    wrong: 'A replica that is down for maintenance continues reading when it is back.',
    fix: 'Start its reader, or `pg_drop_replication_slot`. Set `max_slot_wal_keep_size` to what the disk can spare.',
  },
  'telemetry-blind': {
    why: 'After an incident, nobody can say which statement caused it.',
    measured:
      'pg_stat_statements, slow-statement logging or auto_explain, `log_lock_waits` and `track_io_timing` are off; or functions whose statements are not recorded (`pg_stat_statements.track = top`) take 2 % of the time.',
    wrong: 'A service may record slow statements elsewhere.',
    fix: 'Switch them on; `shared_preload_libraries` needs a restart. Note that logged statements contain values.',
  },
  'timeouts-missing': {
    why: 'A single statement, lock or forgotten transaction can hold a connection forever, until the pool is exhausted.',
    measured:
      '`statement_timeout`, `lock_timeout` and `idle_in_transaction_session_timeout` for the server, for the database and for each role that has statements or sessions here. It is a warning while a transaction is older than a minute.',
    wrong: 'Timeouts that an application sets when it connects are not visible.',
    fix: 'Set them for the database; long reports and migrations set their own.',
  },
  'unlogged-table': {
    why: 'After a crash it is empty, and neither replicas nor base backups have its rows.',
    measured: '`relpersistence = u`, with rows in it.',
    wrong: 'It is right for a cache, a queue or a staging table that can be filled again.',
    fix: '`ALTER TABLE … SET LOGGED` rewrites the table under ACCESS EXCLUSIVE.',
  },
  wraparound: {
    why: 'Transaction ids are compared modulo 2^32. Before the oldest id would look like one in the future, the server refuses all writes.',
    measured:
      '`age(datfrozenxid)` and `mxid_age(datminmxid)` against 2^31: a warning from one half, critical from three quarters, where vacuum’s own failsafe starts.',
    wrong: 'An age of about 200 million is normal: that is when autovacuum acts.',
    fix: 'End what holds back vacuum (prepared transactions, slots, open transactions), then VACUUM the oldest tables. This does not need single-user mode.',
  },
};
