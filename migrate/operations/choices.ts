import type { Interval } from './intervals.ts';

export interface Choices {
  by: string;
  /** Keys and unique constraints get the partition column where they lack it. */
  extendKeys: boolean;
  /** Foreign keys of other tables that refer to a key which changes are dropped at the cutover. */
  dropForeignKeys: boolean;
  /** Triggers that may set the partition column are kept. */
  acceptTriggers: boolean;
}

export interface PartitionOptions extends Choices {
  /** As SQL writes it. */
  table: string;
  interval: Interval;
  timeZone: string;
  ahead: number;
  from?: string;
  /** Ranges after which a partition may leave; noted for `archive`. */
  retain?: number;
}
