import type { Check } from '../check.ts';
import { check as foreignKeyIndex } from './indexes/foreignKeyIndex.ts';
import { check as missingIndex } from './indexes/missingIndex.ts';
import { bloatedIndex, duplicateIndex, invalidIndex, unusedIndex } from './indexes/uselessIndexes.ts';
import { modelChecks } from './model/index.ts';
import { statementChecks } from './queries/statements.ts';
import { hotRow, idleInTransaction, lockWaits } from './queries/waiting.ts';
import { setUpChecks } from './set-up/setUp.ts';
import { sizeChecks } from './size/sizes.ts';

/** Every check, in the order in which they run: first what costs the server least and explains most. */
export const allChecks: readonly Check[] = [
  missingIndex,
  ...statementChecks,
  hotRow,
  lockWaits,
  idleInTransaction,
  ...setUpChecks,
  ...sizeChecks,
  foreignKeyIndex,
  duplicateIndex,
  unusedIndex,
  invalidIndex,
  bloatedIndex,
  ...modelChecks,
];
