import { bytesText } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { kept } from '../kept.ts';

/** Of what the server keeps of its own accord (max_wal_size), held by a slot that nobody reads. */
const CRITICAL_FACTOR = 10;

interface Slot {
  name: string;
  kind: string;
  active: boolean;
  status: string | null;
  heldBytes: number | null;
}

export const check: Check = {
  id: 'replication-slot',
  group: 'set-up',
  title: 'Replication slots that hold WAL',
  description:
    'Slots that nobody reads and for which the server keeps more WAL than max_wal_size, which it would otherwise not exceed for long (the manual: wal_status “extended”); and slots whose WAL is gone.',
  whileObserving: true,
  async *run(context) {
    const slots = await context.session.query<Slot>(
      `SELECT slot_name::text AS name, slot_type AS kind, active, wal_status AS status,
              pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)::float8 AS "heldBytes"
         FROM pg_replication_slots`,
    );
    // pg_settings has it in megabytes.
    const megabytes = (name: string) => Number(context.settings.get(name)?.value ?? 0) * 2 ** 20;
    const ordinary = megabytes('max_wal_size');
    const bounded = megabytes('max_slot_wal_keep_size') > 0;
    for (const { name, kind, active, status, heldBytes } of slots) {
      const lost = status === 'lost';
      const bytes = Math.max(0, heldBytes ?? 0);
      if (!lost && (active || bytes < ordinary)) continue;
      yield kept({
        id: `replication-slot:${name}`,
        check: 'replication-slot',
        severity: !lost && !bounded && bytes >= ordinary * CRITICAL_FACTOR ? 'critical' : 'warning',
        title: lost
          ? `The WAL that the replication slot ${name} needs is gone`
          : `The replication slot ${name} holds ${bytesText(bytes)} of WAL, and nobody reads it`,
        explanation: lost
          ? 'The consumer of this slot cannot continue and has to be set up again.'
          : `The server keeps all WAL since the slot was last read${bounded ? ', up to max_slot_wal_keep_size' : '; nothing bounds it (max_slot_wal_keep_size), so the disk becomes full'}. ${kind === 'logical' ? 'It also keeps vacuum from removing old rows of the catalogue.' : ''}`.trim(),
        cause: 'maintenance-behind',
        evidence: [
          {
            label: 'WAL held',
            value: bytes,
            unit: 'By',
            how: `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), active, wal_status FROM pg_replication_slots`,
          },
        ],
        cost: lost ? {} : { bytes },
        confidence: { level: 0.9, basis: 'exact', note: 'at the moment of the diagnosis' },
        explains: { kpis: ['database-size'], traces: [] },
        fix: {
          kind: 'application',
          summary: `start what reads ${name} again, or drop the slot with pg_drop_replication_slot when nothing needs it`,
          changes: [],
          lock: 'none',
          risk: 'What read a dropped slot has to be set up anew from a copy of the data.',
          expectedEffect: lost
            ? 'one slot less that nobody can use'
            : `about ${bytesText(bytes)} of WAL can go`,
        },
      });
    }
  },
};
