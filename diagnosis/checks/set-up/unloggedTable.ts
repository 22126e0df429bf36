import { bytesText } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { kept } from '../kept.ts';

export const check: Check = {
  id: 'unlogged-table',
  group: 'set-up',
  title: 'Unlogged tables',
  description:
    'Tables that are not in the WAL: empty after a crash, on replicas and in base backups. Right for what can be made again.',
  whileObserving: true,
  async *run(context) {
    for (const table of context.tables) {
      if (!table.unlogged || table.kind === 'partitioned' || table.heapBytes === 0) continue;
      yield kept({
        id: `unlogged-table:${table.schema}.${table.name}`,
        check: 'unlogged-table',
        severity: 'info',
        title: `${table.name} is unlogged`,
        explanation: `Its ${bytesText(table.heapBytes)} are gone after a crash of the server, and neither replicas nor base backups have them. That is right for a cache or a queue that can be filled again, and for nothing else.`,
        cause: 'maintenance-behind',
        objects: [{ schema: table.schema, table: table.name }],
        evidence: [
          {
            label: 'relpersistence',
            value: 'u',
            how: `SELECT relpersistence FROM pg_class WHERE oid = ${table.oid}`,
          },
        ],
        fix: {
          kind: 'migration',
          summary: `ALTER TABLE ${context.session.quote(table.schema, table.name)} SET LOGGED, if its rows have to stay`,
          changes: [],
          lock: 'ACCESS EXCLUSIVE while the table is written anew',
          risk: 'Nobody reads or writes the table meanwhile.',
          expectedEffect: 'its rows survive a crash',
        },
      });
    }
  },
};
