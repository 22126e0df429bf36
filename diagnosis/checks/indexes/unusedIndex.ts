import type { Check } from '../../check.ts';
import { bytesText } from '../shared.ts';
import { finding } from './finding.ts';

/** Index statistics younger than this say nothing of what is unused (a month-end report); as peers do. Seconds. */
const LEAST_STATISTICS_AGE = 7 * 86_400;
const LEAST_BYTES = 1_000_000;

export const check: Check = {
  id: 'unused-index',
  group: 'indexes',
  title: 'Unused indexes',
  description:
    'Indexes that no statement has used since the statistics began, at least seven days ago, and that back no constraint.',
  async *run(context) {
    const how = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '…'";
    const [row] = await context.session.query<{ age: number | null; replica: boolean }>(
      `SELECT extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 AS age
         FROM pg_stat_database WHERE datname = current_database()`,
    );
    if (!row?.age || row.age < LEAST_STATISTICS_AGE) {
      context.blind({
        what: 'unused indexes',
        remedy: `The statistics are ${((row?.age ?? 0) / 86_400).toFixed(1)} days old; after seven days an index without a scan counts as unused.`,
      });
      return;
    }
    for (const table of context.tables)
      for (const index of table.indexes)
        if (
          index.scans === 0 &&
          !index.unique &&
          !index.constraint &&
          index.valid &&
          index.bytes >= LEAST_BYTES
        )
          yield finding(context, 'unused-index', table, index, {
            title: `${index.name} on ${table.name} is never used`,
            explanation: `In ${(row.age / 86_400).toFixed(0)} days no statement used it${context.capabilities.isReplica ? ' on this replica; look at the primary as well' : '; look at replicas as well'}. It costs ${bytesText(index.bytes)} and work at each write.`,
            severity: 'warning',
            level: 0.8,
            how,
          });
  },
};
