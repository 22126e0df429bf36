import type { Index, Table } from '../check.ts';

/** Why an index has to stay although no statement may need it, in words; undefined when it can go. */
export function keptFor(index: Index): string | undefined {
  const { constraint, foreignKeys, replicaIdentity, clustered, parent } = index;
  if (constraint) return `it backs the constraint ${constraint}`;
  if (foreignKeys.length > 0) return `the foreign key ${foreignKeys.join(', ')} refers to its columns`;
  if (replicaIdentity) return 'it is the replica identity of the table';
  if (clustered) return 'CLUSTER orders the table by it';
  if (parent) return `it is a part of ${parent}, the index of the partitioned table`;
  return undefined;
}

/** Statements that drop an index and bring it back, with their locks. */
export function dropStatements(
  quote: (...parts: string[]) => string,
  table: Table,
  index: Index,
): { sql: string[]; undo: string[]; lock: string } {
  const name = quote(table.schema, index.name);
  // Neither statement takes CONCURRENTLY on a partitioned table.
  return table.kind === 'partitioned'
    ? {
        sql: [`DROP INDEX ${name}`],
        undo: [index.definition.replace(' ON ONLY ', ' ON ')],
        lock: 'ACCESS EXCLUSIVE on the table and all its partitions for a moment; use a short lock_timeout. To bring it back takes SHARE while it is built',
      }
    : {
        sql: [`DROP INDEX CONCURRENTLY ${name}`],
        undo: [index.definition.replace(/INDEX /, 'INDEX CONCURRENTLY ')],
        lock: 'SHARE UPDATE EXCLUSIVE; reads and writes go on',
      };
}
