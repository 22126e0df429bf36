import { count } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import type { Severity } from '../../finding.ts';
import { kept } from '../kept.ts';

/** Transaction ids and multixact ids are compared modulo 2^32: an age of half of that is the end. */
const END = 2 ** 31;
/**
 * Shares of it, as pgMonitor alerts. Autovacuum begins at 10 % whatever is set for a table, so half of the way it does
 * not get through; at 75 % vacuum leaves out all else to hurry (vacuum_failsafe_age and vacuum_multixact_failsafe_age,
 * 1.6 billion).
 */
const WARNING = 0.5;
const CRITICAL = 0.75;

/** @param age of the oldest id that is not frozen, in ids */
export function severityOfAge(age: number): Severity | undefined {
  if (age >= END * CRITICAL) return 'critical';
  return age >= END * WARNING ? 'warning' : undefined;
}

export const check: Check = {
  id: 'wraparound',
  group: 'set-up',
  title: 'Transaction ids that run out',
  description:
    'Age of the oldest transaction id and multixact id that vacuum has not frozen, against the 2 billion at which the server takes no more writes.',
  whileObserving: true,
  async *run(context) {
    const [database] = await context.session.query<{ xids: number; multixacts: number }>(
      'SELECT age(datfrozenxid)::float8 AS xids, mxid_age(datminmxid)::float8 AS multixacts FROM pg_database WHERE datname = current_database()',
    );
    for (const [kind, age, ageOf] of [
      ['transaction', database?.xids ?? 0, (table: string) => `age(${table}.relfrozenxid)`],
      ['multixact', database?.multixacts ?? 0, (table: string) => `mxid_age(${table}.relminmxid)`],
    ] as const) {
      const severity = severityOfAge(age);
      if (!severity) continue;
      const [oldest] = await context.session.query<{ schema: string; name: string; age: number }>(
        `SELECT n.nspname::text AS schema, c.relname::text AS name, greatest(${ageOf('c')}, ${ageOf('t')})::float8 AS age
           FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
          WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' ORDER BY 3 DESC LIMIT 1`,
      );
      const table = context.tables.find(
        ({ schema, name }) => schema === oldest?.schema && name === oldest.name,
      );
      yield kept({
        id: `wraparound:${kind}`,
        check: 'wraparound',
        severity,
        title: `${kind === 'transaction' ? 'Transaction' : 'Multixact'} ids are ${Math.round((age / END) * 100)} % used up`,
        explanation: `The oldest that is not frozen is ${count(age)} ids old${oldest ? `, in ${oldest.name}` : ''}; at ${count(END)} the server takes no more writes. Vacuum does not get through, or something keeps it from freezing: look first for prepared transactions, replication slots and transactions left open.`,
        cause: 'maintenance-behind',
        objects: oldest ? [{ schema: oldest.schema, table: oldest.name }] : [],
        evidence: [
          {
            label: 'age of the oldest id',
            value: age,
            unit: '1',
            how: 'SELECT age(datfrozenxid), mxid_age(datminmxid) FROM pg_database WHERE datname = current_database()',
          },
        ],
        explains: { kpis: ['dead-rows'], traces: [] },
        ...(table
          ? {
              fix: {
                kind: 'maintenance' as const,
                summary: `vacuum ${table.name}, which freezes its old rows`,
                vacuum: { schema: table.schema, table: table.name },
                storage: [],
                lock: 'SHARE UPDATE EXCLUSIVE; reads and writes continue',
                risk: 'Reads the whole table and its indexes; a transaction that was begun before keeps it from freezing.',
                expectedEffect: 'the age falls to that of the next table',
              },
            }
          : {}),
      });
    }
  },
};
