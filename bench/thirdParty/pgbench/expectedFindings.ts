import type { ForeignDatabase, Judged } from '../database.ts';

const pgbench = (...args: string[]) => ({ command: process.env['PGBENCH'] ?? 'pgbench', args });
const reference = (table: string, column: string): Judged => ({
  check: 'missing-foreign-key',
  table,
  columns: [column],
  why: 'pgbench’s own step f declares it; it is left out by default',
});
const keyless = (table: string): Judged => ({
  check: 'missing-primary-key',
  table,
  why: 'no unique index, and nothing else that names a row',
});

export const databases: ForeignDatabase[] = [
  {
    name: 'pgbench',
    source: 'pgbench -i -s 5',
    steps: [pgbench('-i', '-q', '-s', '5'), pgbench('-n', '-t', '1500', '-c', '4')],
    truth: [
      keyless('pgbench_history'),
      {
        check: 'hot-row',
        table: 'pgbench_branches',
        why: 'its manual: with more clients than branches most wait for each other',
      },
      ...['pgbench_tellers', 'pgbench_accounts', 'pgbench_history'].map((table) => reference(table, 'bid')),
      reference('pgbench_history', 'tid'),
      reference('pgbench_history', 'aid'),
    ],
  },
  {
    name: 'pgbench-without-keys',
    source: 'pgbench -i -s 5 -I dtgv (no keys)',
    steps: [pgbench('-i', '-q', '-s', '5', '-I', 'dtgv'), pgbench('-n', '-t', '30', '-c', '4')],
    truth: [
      ...['branches', 'tellers', 'accounts', 'history'].map((table) => keyless(`pgbench_${table}`)),
      {
        check: 'missing-index',
        table: 'pgbench_accounts',
        columns: ['aid'],
        why: 'each transaction reads 500,000 rows twice to find one',
      },
    ],
  },
];
