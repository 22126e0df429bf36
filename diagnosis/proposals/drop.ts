import type { Index, Table } from '../relations.ts';

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

/** Neither dropping nor bringing back takes CONCURRENTLY on a partitioned table. */
export const dropLock = (kind: Table['kind']): string =>
  kind === 'partitioned'
    ? 'ACCESS EXCLUSIVE on the table and all its partitions for a moment; use a short lock_timeout. To bring it back takes SHARE while it is built'
    : 'SHARE UPDATE EXCLUSIVE; reads and writes go on';
