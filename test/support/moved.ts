import type { MovedMigration } from '../../migrate/operations/moved/declared.ts';
import { planEavToJsonb } from '../../migrate/operations/moved/eav.ts';
import type { EavOptions } from '../../migrate/operations/moved/eavColumns.ts';
import { type ExtractOptions, planExtract } from '../../migrate/operations/moved/extract.ts';
import { planSplitList } from '../../migrate/operations/moved/splitList.ts';
import type { SplitListOptions } from '../../migrate/operations/moved/splitListContent.ts';
import { type Operated, operatedAs } from './operated.ts';

/** @throws OperationError with the reasons why it cannot be done */
export const split = async (
  url: string,
  options: Pick<SplitListOptions, 'table' | 'column'> & Partial<SplitListOptions>,
): Promise<Operated<MovedMigration>> =>
  operatedAs(
    url,
    await planSplitList(url, { separator: ',', acceptQuotes: false, mergeEmpty: false, ...options }),
  );

/** @throws OperationError with the reasons why it cannot be done */
export const extracted = async (url: string, options: ExtractOptions): Promise<Operated<MovedMigration>> =>
  operatedAs(url, await planExtract(url, options));

/** @throws OperationError with the reasons why it cannot be done */
export const documented = async (
  url: string,
  options: Omit<EavOptions, 'leaveOut'> & Partial<EavOptions>,
): Promise<Operated<MovedMigration>> =>
  operatedAs(url, await planEavToJsonb(url, { leaveOut: [], ...options }));
