import { quote } from '../lib/pg/quote.ts';
import { shellWord } from '../lib/shellWord.ts';
import type { Fix, Operation } from './fix.ts';

/** An identifier without quotes where SQL needs none. */
const plain = (...names: string[]) =>
  names.map((name) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : quote(name))).join('.');

/** The command that plans an operation; the address of the database is in DATABASE_URL. */
export function operationCommand(operation: Operation): string {
  const { schema, table } = operation;
  const words = ['sqltrail', 'migrate', 'plan', operation.operation];
  switch (operation.operation) {
    case 'partition':
      words.push(plain(schema, table), '--by', operation.by, '--interval', operation.interval);
      break;
    case 'split-list':
      words.push(plain(schema, table, operation.column));
      words.push('--separator', operation.separator, '--into', operation.into);
      break;
    case 'extract':
      words.push(plain(schema, table), '--columns', operation.columns.join(','), '--key', operation.key);
      words.push(
        '--into',
        operation.into,
        ...(operation.contradicting ? ['--resolve', 'most-frequent'] : []),
      );
      break;
    case 'eav-to-jsonb':
      words.push(plain(schema, table), '--entity', operation.entity.join(','));
      words.push('--attribute', operation.attribute, '--values', operation.values.join(','));
      if (operation.leaveOut.length > 0) words.push('--leave-out', operation.leaveOut.join(','));
      words.push('--into', operation.into);
      break;
    default: {
      const [first, ...also] = operation.columns;
      words.push(plain(schema, table, first?.column ?? ''), first?.type ?? '');
      for (const { column, type } of also) words.push('--also', `${column}=${type}`);
      if (operation.format !== undefined) words.push('--format', operation.format);
    }
  }
  return words.map(shellWord).join(' ');
}

export const commandsOf = (fix: Pick<Fix, 'operations'> | undefined): string[] =>
  (fix?.operations ?? []).map(operationCommand);
