import type { Attributes } from '@opentelemetry/api';
import type { Statement } from './statement.ts';

const described = new WeakSet<object>();

/** Remembers that a span's statement is described, and redacted, so that it is not described again at its end. */
export const markDescribed = (span: object): void => void described.add(span);
export const isDescribed = (span: object): boolean => described.has(span);

/** What a span says of its statement. */
export const statementAttributes = (statement: Statement): Attributes => ({
  'db.query.text': statement.text,
  'db.query.summary': statement.summary,
  'db.operation.name': statement.operation,
  ...(statement.collection ? { 'db.collection.name': statement.collection } : {}),
  ...(statement.fingerprint ? { 'sqltrail.query.fingerprint': statement.fingerprint } : {}),
});
