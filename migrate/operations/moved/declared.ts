import { z } from 'zod';
import { declaredMigration } from '../declared.ts';

const name = z.string().min(1);

/** A migration that moves what columns say to a table of its own, as a file. */
export const movedMigration = declaredMigration.omit({ operation: true, rows: true }).extend({
  operation: z.enum(['split-list', 'extract', 'eav-to-jsonb']),
  moved: z.strictObject({
    searchPath: z.string(),
    /** Settings under which values are compared. */
    settings: z.record(z.string(), z.string()).optional(),
    /** The new table, in the schema of the old one. */
    into: name,
    /** Table of what the copies contradicted each other in, in the same schema. */
    ledger: name.optional(),
    /** Those that go with `complete`; none where the table itself goes. */
    columns: z.array(name),
    /** Functions of the migration, which use the columns until they go with them. */
    functions: z.array(name),
    /** Carries over the rows between the places `$1` and `$2` of the table. */
    copy: z.string(),
    /** What changed since it was carried over. */
    drain: z
      .strictObject({
        /** The latest change that is noted (`last`). */
        last: z.string(),
        /** Carries over up to `$1` keys that changed up to `$2`, and says how many those were (`units`). */
        batch: z.string(),
      })
      .optional(),
    compare: z.strictObject({
      /** The last key, as text, of the rows that are compared next, after `$1`; none for those that are left. */
      bound: z.string(),
      /** Compares what is after `$1` and up to `$2`, each null where there is no such end, before the cutover. */
      before: z.string(),
      /** The same after it, where that is another comparison. */
      after: z.string().optional(),
    }),
  }),
});

export type MovedMigration = z.infer<typeof movedMigration>;
