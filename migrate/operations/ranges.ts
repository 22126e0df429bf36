import {
  addChunk,
  type ComparedChunk,
  noComparison,
  type TableComparison,
  type VerifyOptions,
} from '../verify.ts';

/** Rows of the old table that one statement compares. */
export const CHUNK = 20_000;

/** By ranges of the key; a key as text. */
export interface Ranges<Chunk extends ComparedChunk> {
  /** The last key of the rows that come next, null where the rest is one range. */
  boundAfter(from: string[] | null): Promise<string[] | null>;
  /** One statement, which sees both tables at the same moment: what is after `from` and up to `to`. */
  compare(from: string[] | null, to: string[] | null): Promise<Chunk>;
}

/** Exact while writes go on. */
export async function compareRanges<Chunk extends ComparedChunk>(
  table: string,
  { boundAfter, compare }: Ranges<Chunk>,
  { signal, pace = async () => {} }: VerifyOptions,
): Promise<TableComparison> {
  const result = noComparison(table);
  for (let from: string[] | null = null; ; ) {
    signal?.throwIfAborted();
    await pace();
    const to: string[] | null = await boundAfter(from);
    addChunk(result, await compare(from, to));
    if (to === null) return result;
    from = to;
  }
}
