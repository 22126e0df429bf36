import type { Check } from '../../check.ts';
import { entityAttributeValue, listInColumn, typedAsText } from './columns.ts';
import { check as functionalDependency } from './dependencies.ts';
import { missingForeignKey, missingPrimaryKey } from './keys.ts';

export const modelChecks: readonly Check[] = [
  missingPrimaryKey,
  typedAsText,
  listInColumn,
  entityAttributeValue,
  missingForeignKey,
  functionalDependency,
];
