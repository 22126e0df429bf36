import { bytesText } from '../../../lib/units/format.ts';
import type { Check } from '../../check.ts';
import { keptFor } from '../../proposals/drop.ts';
import type { Index } from '../../relations.ts';
import { finding } from './finding.ts';

const MIN_BYTES = 1_000_000;

const keysOf = (index: Index) =>
  JSON.stringify([index.method, index.columns, index.predicate, index.included]);

const isOrdinary = ({ ordinary, classes }: Index) => ordinary && classes.every((name) => name === null);

export const check: Check = {
  id: 'duplicate-index',
  group: 'indexes',
  title: 'Duplicate and prefix indexes',
  description:
    'Indexes whose work another index of the same table does: the same keys, or a longer one that begins with them.',
  whileObserving: true,
  async *run(context) {
    for (const table of context.tables) {
      const given = new Set<string>();
      for (const index of table.indexes) {
        if (!index.valid || index.primary || keptFor(index)) continue;
        const twin = table.indexes.find((other) => {
          if (other === index || given.has(other.name) || !other.valid) return false;
          if (index.unique && !other.unique) return false;
          // What a deferrable constraint checks at the end serves neither ON CONFLICT nor a foreign key.
          if (index.unique && index.immediate && !other.immediate) return false;
          if (index.columns.includes(null) || other.columns.includes(null)) return index.body === other.body;
          if (keysOf(other) === keysOf(index)) return index.body === other.body;
          if (keysOf({ ...other, included: [] }) === keysOf({ ...index, included: [] }))
            return (
              index.included.every((column) => other.included.includes(column)) &&
              index.semantics === other.semantics
            );
          return (
            !index.unique &&
            index.method === 'btree' &&
            other.method === 'btree' &&
            index.predicate === other.predicate &&
            index.included.length === 0 &&
            index.columns.length < other.columns.length &&
            index.columns.every((column, at) => column === other.columns[at]) &&
            // Another order, collation or operator class makes it another index.
            isOrdinary(index) &&
            isOrdinary(other)
          );
        });
        if (!twin) continue;
        given.add(index.name);
        const same = keysOf(twin) === keysOf(index);
        const covers = !same && twin.columns.length === index.columns.length;
        yield finding(context, 'duplicate-index', table, index, {
          title: `${index.name} on ${table.name} ${same ? 'does the same as' : covers ? 'has the keys of' : 'is the beginning of'} ${twin.name}${covers ? ', which includes more columns' : ''}`,
          explanation: `${twin.name} serves every statement that ${index.name} serves. The copy costs ${bytesText(index.bytes)} and work at each write.`,
          severity: index.bytes >= MIN_BYTES ? 'warning' : 'info',
          level: same ? 1 : 0.9,
          how: `pg_get_indexdef: ${index.definition}; ${twin.definition}`,
        });
      }
    }
  },
};
