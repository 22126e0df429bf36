import type { Conversion } from './conversion.ts';
import type { TableColumn } from './description.ts';
import type { Proof } from './proof.ts';

/** A column that gets another type. */
export interface Retyped {
  column: string;
  described: TableColumn;
  /** As format_type() prints them; of a domain the type that it is made from. */
  from: string;
  to: string;
  /** Integers to larger ones: assigned as they are. */
  widening: boolean;
  conversion: Conversion;
  /** Of a widening there is nothing to prove. */
  proof?: Proof;
}
