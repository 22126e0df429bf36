// Made by `node diagnosis/checks/generate.ts` from the files of the groups.
import type { Check } from '../check.ts';
import { check as bloatedIndex } from './indexes/bloatedIndex.ts';
import { check as duplicateIndex } from './indexes/duplicateIndex.ts';
import { check as foreignKeyWithoutIndex } from './indexes/foreignKeyWithoutIndex.ts';
import { check as invalidIndex } from './indexes/invalidIndex.ts';
import { check as missingGinIndex } from './indexes/missingGinIndex.ts';
import { check as missingIndex } from './indexes/missingIndex.ts';
import { check as unusedIndex } from './indexes/unusedIndex.ts';
import { check as duplicateForeignKey } from './model/duplicateForeignKey.ts';
import { check as entityAttributeValue } from './model/entityAttributeValue.ts';
import { check as functionalDependency } from './model/functionalDependency.ts';
import { check as listInColumn } from './model/listInColumn.ts';
import { check as missingForeignKey } from './model/missingForeignKey.ts';
import { check as missingPrimaryKey } from './model/missingPrimaryKey.ts';
import { check as notValidatedConstraint } from './model/notValidatedConstraint.ts';
import { check as typedAsText } from './model/typedAsText.ts';
import { check as weakType } from './model/weakType.ts';
import { check as aggregateAtRequestTime } from './queries/aggregateAtRequestTime.ts';
import { check as castDefeatsIndex } from './queries/castDefeatsIndex.ts';
import { check as countsEverything } from './queries/countsEverything.ts';
import { check as hotRow } from './queries/hotRow.ts';
import { check as idleInTransaction } from './queries/idleInTransaction.ts';
import { check as leadingWildcard } from './queries/leadingWildcard.ts';
import { check as lockWaits } from './queries/lockWaits.ts';
import { check as nPlusOne } from './queries/nPlusOne.ts';
import { check as offsetPaging } from './queries/offsetPaging.ts';
import { check as selectStar } from './queries/selectStar.ts';
import { check as unboundedRead } from './queries/unboundedRead.ts';
import { check as accessTooWide } from './set-up/accessTooWide.ts';
import { check as autovacuumOff } from './set-up/autovacuumOff.ts';
import { check as poolSize } from './set-up/poolSize.ts';
import { check as preparedTransaction } from './set-up/preparedTransaction.ts';
import { check as replicationSlot } from './set-up/replicationSlot.ts';
import { check as telemetryBlind } from './set-up/telemetryBlind.ts';
import { check as timeoutsMissing } from './set-up/timeoutsMissing.ts';
import { check as unloggedTable } from './set-up/unloggedTable.ts';
import { check as wraparound } from './set-up/wraparound.ts';
import { check as cachePressure } from './size/cachePressure.ts';
import { check as coldData } from './size/coldData.ts';
import { check as deadRows } from './size/deadRows.ts';
import { check as growth } from './size/growth.ts';
import { check as sequenceNearlyExhausted } from './size/sequenceNearlyExhausted.ts';

/** Every check, in the order in which they run. */
export const allChecks: readonly Check[] = [
  bloatedIndex,
  duplicateIndex,
  foreignKeyWithoutIndex,
  invalidIndex,
  missingGinIndex,
  missingIndex,
  unusedIndex,
  aggregateAtRequestTime,
  castDefeatsIndex,
  countsEverything,
  hotRow,
  idleInTransaction,
  leadingWildcard,
  lockWaits,
  nPlusOne,
  offsetPaging,
  selectStar,
  unboundedRead,
  accessTooWide,
  autovacuumOff,
  poolSize,
  preparedTransaction,
  replicationSlot,
  telemetryBlind,
  timeoutsMissing,
  unloggedTable,
  wraparound,
  cachePressure,
  coldData,
  deadRows,
  growth,
  sequenceNearlyExhausted,
  duplicateForeignKey,
  entityAttributeValue,
  functionalDependency,
  listInColumn,
  missingForeignKey,
  missingPrimaryKey,
  notValidatedConstraint,
  typedAsText,
  weakType,
];
