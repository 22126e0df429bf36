/** A form that text in a column has to have, so that it sorts as the dates that it stands for. */
export type DateForm = 'timestamp' | 'date';

/**
 * What the equality of two statements rests on. What the catalogue tells was checked there and holds as long as the
 * constraint named is there; `byApplication` are those that only the application can keep.
 */
export type Condition =
  | {
      kind: 'table';
      schema: string;
      table: string;
      /** How the name leads there: it is qualified, no other schema has it, or the search path was given. */
      by: 'qualified' | 'unique' | 'search path';
    }
  | {
      kind: 'plain table';
      /** No view, no row-level security, no inheritance, no foreign partition, no virtual generated column. */
      table: string;
    }
  | { kind: 'built-in'; names: string[] }
  | { kind: 'columns only' }
  | { kind: 'no error'; where: string[] }
  | { kind: 'not null'; column: string }
  | { kind: 'unique key'; index: string; columns: string[] }
  | { kind: 'at most one row'; index: string; columns: string[] }
  | { kind: 'column type'; column: string; type: string }
  | { kind: 'collation'; column: string; collation: string }
  | { kind: 'check'; column: string; constraints: string[]; form: DateForm }
  | { kind: 'order of ties'; sort: string[] }
  | { kind: 'parameter type'; parameter: number; type: string }
  | { kind: 'any value'; parameter: number | null; form: 'number' | DateForm }
  | { kind: 'values of the row before'; parameters: number[]; columns: string[] }
  | { kind: 'unchanged between pages' }
  | { kind: 'date style'; parameters: number[] };

/** Conditions that no catalogue tells: the application keeps them, or does not use the rewrite. */
export const byApplication: readonly Condition['kind'][] = [
  'parameter type',
  'values of the row before',
  'unchanged between pages',
  'date style',
];

/** Why a statement has no rewrite whose equality follows from its form. */
export type Refusal =
  | { kind: 'unreadable' }
  | { kind: 'several statements' }
  | { kind: 'no SELECT' }
  | { kind: 'shortened list' }
  | { kind: 'clause'; clause: string }
  | { kind: 'ties' }
  | { kind: 'not one table' }
  | { kind: 'no such table'; table: string }
  | { kind: 'ambiguous table'; table: string; schemas: string[] }
  | { kind: 'table'; table: string; has: TableTrait }
  | { kind: 'user-defined'; names: string[] }
  | { kind: 'select list'; expression: string }
  | { kind: 'where'; expression: string; raises: 'error' | 'unknown' }
  | { kind: 'repeated parameter'; parameter: number }
  | { kind: 'limit'; expression: string }
  | { kind: 'order by'; expression: string }
  | { kind: 'output name'; column: string }
  | { kind: 'order not total'; sort: string[]; keys: string[][] }
  | { kind: 'no order' }
  | { kind: 'both directions' }
  | { kind: 'nullable key'; column: string }
  | { kind: 'key type'; column: string; type: string }
  | { kind: 'key not selected'; columns: string[] }
  | { kind: 'aggregate' }
  | { kind: 'collation'; column: string; collation: string }
  | { kind: 'no check'; column: string; form: DateForm; remedy: string }
  | { kind: 'parameter type'; parameter: number; type: string; expected: string }
  | { kind: 'date style' }
  | { kind: 'nothing to rewrite' }
  | { kind: 'no text' }
  | { kind: 'not carried out'; message: string }
  | { kind: 'not compared'; message: string }
  | { kind: 'differs'; values: (string | null)[] };

export type TableTrait =
  | 'no table'
  | 'row-level security'
  | 'child tables'
  | 'foreign partitions'
  | 'virtual columns';

/** Ends the reading of one statement; it never leaves this folder. */
export class Refused extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.kind);
    this.refusal = refusal;
  }
}

export function refuse(refusal: Refusal): never {
  throw new Refused(refusal);
}
