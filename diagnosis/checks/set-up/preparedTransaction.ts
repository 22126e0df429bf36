import type { Check } from '../../check.ts';
import type { Severity } from '../../finding.ts';
import { kept } from '../kept.ts';

/** A transaction manager resolves its transactions within seconds, after its restart within minutes. Seconds. */
const FORGOTTEN_SECONDS = 300;
const CRITICAL_SECONDS = 3_600;

/** @param seconds since PREPARE TRANSACTION */
export function severityOfPrepared(seconds: number): Severity | undefined {
  if (seconds >= CRITICAL_SECONDS) return 'critical';
  return seconds >= FORGOTTEN_SECONDS ? 'warning' : undefined;
}

export const check: Check = {
  id: 'prepared-transaction',
  group: 'set-up',
  title: 'Prepared transactions left open',
  description:
    'Transactions of two-phase commit that were prepared more than five minutes ago: they hold their locks and keep vacuum back, also after a restart.',
  whileObserving: true,
  async *run(context) {
    const open = await context.session.query<{ gid: string; owner: string; seconds: number }>(
      `SELECT gid, owner::text AS owner, extract(epoch FROM clock_timestamp() - prepared)::float8 AS seconds
         FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared`,
    );
    for (const { gid, owner, seconds } of open) {
      const severity = severityOfPrepared(seconds);
      if (!severity) continue;
      yield kept({
        id: `prepared-transaction:${gid}`,
        check: 'prepared-transaction',
        severity,
        title: `The prepared transaction ${gid} of ${owner} is open for ${Math.round(seconds / 60)} minutes`,
        explanation:
          'No session ends it: it survives disconnection and restart, holds its locks, and no row that died since can be removed anywhere in the database.',
        cause: 'lock-contention',
        evidence: [
          {
            label: 'age',
            value: Math.round(seconds),
            unit: 's',
            how: 'SELECT gid, prepared FROM pg_prepared_xacts',
          },
        ],
        explains: { kpis: ['blocked-sessions', 'dead-rows'], traces: [] },
        fix: {
          kind: 'application',
          summary:
            'ask the transaction manager whether it committed, then COMMIT PREPARED or ROLLBACK PREPARED it by its name',
          changes: [],
          lock: 'none',
          risk: 'The other databases of the transaction have to end it the same way.',
          expectedEffect: 'its locks are free, and vacuum removes what died since',
        },
      });
    }
  },
};
