import type { Operation } from '../diagnosis/fix.ts';
import { bytesText, count, durationText } from '../lib/units/format.ts';
import type { MediumTerm } from './mediumTerm.ts';

/** What an online migration does, in words. */
export function operationText(operation: Operation): string {
  const name = `${operation.schema}.${operation.table}`;
  switch (operation.operation) {
    case 'partition':
      return `partition ${name} by ${operation.by}`;
    case 'split-list':
      return `move the entries of ${name}.${operation.column} to a table ${operation.into}`;
    case 'extract':
      return `move ${operation.columns.join(', ')} of ${name} to a table ${operation.into}, once for each ${operation.key}`;
    case 'eav-to-jsonb':
      return `make the attributes of each ${operation.entity.join(', ')} in ${name} one document in a table ${operation.into}`;
    default:
      return `change ${operation.columns.map(({ column, type }) => `${name}.${column} to ${type}`).join(', ')}`;
  }
}

/** How large its table is, how long it takes and which disk it needs, in words. */
export const mediumTermText = ({
  operation: { rows },
  seconds,
  rowsPerSecond,
  bytes,
}: Pick<MediumTerm, 'operation' | 'seconds' | 'rowsPerSecond' | 'bytes'>) => ({
  size: `${rows < 0 ? 'unknown: the table was never analysed' : `${count(rows)} rows`}, ${bytesText(bytes)} with indexes`,
  time:
    seconds === null
      ? 'unknown'
      : `${seconds < 60 ? 'less than a minute' : `of the order of ${durationText(seconds)}`} (${count(rowsPerSecond)} rows a second, as measured on two busy cores; migrate status shows your own)`,
  disk: `about ${bytesText(bytes)} until it is complete`,
});
