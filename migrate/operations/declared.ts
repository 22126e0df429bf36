import { stringify } from 'yaml';
import { z } from 'zod';
import { ConfigurationError } from '../../lib/errors.ts';
import { readYaml } from '../../lib/yaml.ts';

const name = z.string().min(1);

const step = z.strictObject({
  name,
  /** What is locked, and for how long. */
  lock: z.string(),
  /** One short transaction. */
  sql: z.string().optional(),
  /** Built one after the other with CREATE INDEX CONCURRENTLY. */
  indexes: z.array(z.strictObject({ name, sql: z.string() })).optional(),
  /**
   * `copy`: the rows, in batches; `compare`: all rows of both tables; `drain`: keys that changed since; `unused`: ends
   * the run while something uses the old columns.
   */
  work: z.enum(['copy', 'compare', 'drain', 'unused']).optional(),
  /** One short transaction that takes the step back. */
  undo: z.string().optional(),
});

/** The phases that an operation has, in their order; the engine's others are empty. */
export const operationPhases = [
  'expand',
  'dual-write',
  'backfill',
  'verify',
  'cutover-writes',
  'contract',
] as const;

export const declaredMigration = z.strictObject({
  sqltrail: z.literal('migration'),
  version: z.literal(1),
  operation: z.enum(['partition', 'retype']),
  name,
  table: z.strictObject({ oid: z.string(), schema: name, name, owner: name }),
  choices: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** For the reader; nothing depends on it. */
  notes: z.array(z.string()),
  size: z.strictObject({ rows: z.number(), heapBytes: z.number(), totalBytes: z.number() }),
  /** Of each part of the table's definition as it was planned for. */
  definition: z.record(z.string(), z.string()),
  rows: z.strictObject({
    searchPath: z.string(),
    /** The new table before the cutover, and the old one after it. */
    newName: name,
    oldName: name,
    /** Columns that are copied; generated ones follow. */
    copied: z.array(name),
    compared: z.array(name),
    key: z.array(z.strictObject({ name, type: z.string() })),
    /** Columns that tell rows apart in the new table. */
    newKey: z.array(name),
    /** Columns of another type in the new table; `by` is the function that converts, quoted. */
    converted: z.array(z.strictObject({ column: name, type: name, by: name.optional() })).optional(),
    /** Settings under which values are converted. */
    settings: z.record(z.string(), z.string()).optional(),
    /** Table of the keys of rows that the other table cannot hold. */
    conflicts: name.optional(),
    /** Function that copies the rows of a range of blocks; without it INSERT ... SELECT does. */
    copy: name.optional(),
  }),
  phases: z.array(z.strictObject({ phase: z.enum(operationPhases), steps: z.array(step) })),
});

/** A migration of one table as a file: what was chosen, and all SQL that will run, to be reviewed. */
export type DeclaredMigration = z.infer<typeof declaredMigration>;
export type DeclaredStep = z.infer<typeof step>;

const HEAD = `# A migration of one table, made by sqltrail migrate plan. Read it, then:
#   sqltrail migrate start URL THIS-FILE            shows what will be done; --yes does it
#   sqltrail migrate start URL THIS-FILE --until cutover-writes --yes
#   sqltrail migrate complete URL THIS-FILE --yes   drops what is old; until then rollback loses nothing
# Each sql runs as one short transaction that gives up waiting for a lock after 500 ms and is tried again.
`;

export const writeYaml = (declared: object): string =>
  HEAD + stringify(declared, { lineWidth: 0, blockQuote: 'literal' });

/** @param file its name, for messages @throws ConfigurationError naming what is wrong and where */
export function readAs<T>(schema: (document: unknown) => z.ZodType<T>, text: string, file: string): T {
  const { values } = readYaml(text, file);
  const result = schema(values).safeParse(values);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ConfigurationError(
    `${file} is not a migration plan that this version can run: ${issue?.path.join('.') || 'the file'}: ${issue?.message}. Create it again with sqltrail migrate plan.`,
  );
}
