import { z } from 'zod';

/** Names are as in the catalogue, unquoted. */
const table = { schema: z.string(), table: z.string() };
const tableSchema = z.object(table);

const key = z.object({
  /** SQL, with every name quoted or found without a search_path. */
  expression: z.string(),
  column: z.string(),
  operatorClass: z.string().optional(),
});

/** An index to be built. Its parts are there once the server has been asked whether it would build it. */
const newIndexSchema = z.object({
  ...table,
  method: z.enum(['btree', 'hash', 'gin']),
  /** In order. */
  keys: z.array(key),
  /** Rows are wanted in its order, or within a range: no hash will do. */
  ordered: z.boolean(),
  /** The extension that has its operator class, created first. */
  extension: z.string().optional(),
  /** In order: one for a plain table; for a partitioned one those of its partitions, then its own. */
  parts: z.array(
    z.object({
      ...table,
      index: z.string(),
      /** `only` takes the definition without its partitions, which are attached; `blocking` makes writes wait. */
      how: z.enum(['concurrently', 'only', 'blocking']),
      /** Indexes of its partitions, attached after it. */
      attach: z.array(z.object({ schema: z.string(), index: z.string() })).default([]),
    }),
  ),
});

const column = z.object({ name: z.string(), type: z.string(), notNull: z.boolean().optional() });

const schemaChange = z.discriminatedUnion('change', [
  z.object({
    change: z.literal('add column'),
    ...table,
    column: z.string(),
    type: z.string(),
    identity: z.boolean().optional(),
  }),
  z.object({
    change: z.literal('add foreign key'),
    ...table,
    constraint: z.string(),
    column: z.string(),
    references: z.object({ ...table, column: z.string() }),
    /** `later`: existing rows are not checked (NOT VALID); `then`: they are, by a statement of its own. */
    validate: z.enum(['at once', 'then', 'later']),
  }),
  z.object({
    change: z.literal('create table'),
    ...table,
    columns: z.array(column),
    primaryKey: z.array(z.string()),
  }),
  z.object({ change: z.literal('create sequence'), schema: z.string(), sequence: z.string() }),
  z.object({
    change: z.literal('column type'),
    ...table,
    column: z.string(),
    from: z.string(),
    to: z.string(),
  }),
  z.object({
    change: z.literal('drop constraint'),
    ...table,
    constraint: z.string(),
    /** As pg_get_constraintdef() has it. */
    definition: z.string(),
  }),
  z.object({ change: z.literal('validate constraint'), ...table, constraint: z.string() }),
  z.object({
    change: z.literal('sequence type'),
    schema: z.string(),
    sequence: z.string(),
    from: z.string(),
    to: z.string(),
  }),
]);

/** Of the table that is rebuilt, or that loses columns. */
const rebuilt = {
  ...table,
  /** As the statistics have them; -1 where the table was never analysed. */
  rows: z.number(),
  /** With indexes. */
  bytes: z.number(),
};

/** An online migration of `sqltrail migrate`, with what it is given. */
export const operationSchema = z.discriminatedUnion('operation', [
  z.object({
    operation: z.literal('retype'),
    ...rebuilt,
    /** The first one, and further ones of the same form. */
    columns: z.array(z.object({ column: z.string(), type: z.string() })).min(1),
    /** Of dates in text: a pattern of to_char(). */
    format: z.string().optional(),
  }),
  z.object({
    operation: z.literal('partition'),
    ...rebuilt,
    by: z.string(),
    interval: z.enum(['day', 'week', 'month', 'quarter', 'year']),
  }),
  z.object({
    operation: z.literal('split-list'),
    ...rebuilt,
    column: z.string(),
    separator: z.string(),
    /** Name of the new table. */
    into: z.string(),
  }),
  z.object({
    operation: z.literal('extract'),
    ...rebuilt,
    columns: z.array(z.string()).min(1),
    /** The column that determines them. */
    key: z.string(),
    into: z.string(),
    /** Copies of one key contradict each other, so that a rule has to say which one counts. */
    contradicting: z.boolean(),
  }),
  z.object({
    operation: z.literal('eav-to-jsonb'),
    ...rebuilt,
    /** Columns that say what a row is about, the one that names the attribute, and those with its value. */
    entity: z.array(z.string()).min(1),
    attribute: z.string(),
    values: z.array(z.string()).min(1),
    /** Columns that no document needs. */
    leaveOut: z.array(z.string()),
    into: z.string(),
  }),
]);

/** What every fix says, with its own price. */
const common = {
  summary: z.string(),
  /** Strongest table lock taken, in Postgres's words, and for about how long. */
  lock: z.string(),
  /** Disk that the fix needs, bytes. */
  bytes: z.number().optional(),
  risk: z.string(),
  /** What gets better, in figures where they are known. */
  expectedEffect: z.string(),
  /** Predicted ratio of statement time before to after (>= 1). */
  predictedSpeedup: z.number().optional(),
  /** Why there is no SQL, or what of it could not be checked. */
  caveats: z.array(z.string()).optional(),
  /** Postgres would not carry it out as it stands, which `caveats` explain. */
  refused: z.boolean().optional(),
  /** `sqltrail fix` may apply it: it needs no change of the application, and can be undone or harms nothing. */
  automatic: z.boolean().optional(),
  /** Online, where the SQL would lock the table for long, or is none; in this order. */
  operations: z.array(operationSchema).optional(),
  /** SQL as version 1 wrote it, where that is all that is known; rendered in place of the fields. */
  recorded: z.object({ sql: z.array(z.string()), undo: z.array(z.string()) }).optional(),
};

/** A way to resolve the cause, as data. fixSql.ts renders it; the diagnosis runs nothing. */
export const fixSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('index'),
    ...common,
    create: newIndexSchema.optional(),
    drop: z
      .object({
        ...table,
        index: z.string(),
        partitioned: z.boolean(),
        unique: z.boolean(),
        /** What follows the table's name in its definition. */
        body: z.string(),
      })
      .optional(),
  }),
  z.object({
    kind: z.literal('setting'),
    ...common,
    extensions: z.array(z.string()).default([]),
    settings: z.array(
      z.object({
        name: z.string(),
        /** Several for a setting that is a list. */
        values: z.array(z.string()),
        /** For this database; for the whole server without it. */
        database: z.string().optional(),
      }),
    ),
    /** Undo takes the settings out again. */
    reset: z.boolean(),
  }),
  z.object({
    kind: z.literal('maintenance'),
    ...common,
    vacuum: tableSchema.optional(),
    reindex: z.object({ ...table, index: z.string() }).optional(),
    /** Storage parameters of the vacuumed table; `before` null where it has none of its own. */
    storage: z
      .array(z.object({ name: z.string(), value: z.string(), before: z.string().nullable() }))
      .default([]),
  }),
  z.object({
    kind: z.literal('rewrite'),
    ...common,
    /** Serves the new statement, not the old one. */
    create: newIndexSchema.optional(),
  }),
  z.object({
    kind: z.literal('archive'),
    ...common,
    ...table,
    /** By which rows are old; null where another table has it. */
    column: z.string().nullable(),
    /** First day that stays, ISO. */
    before: z.string(),
    /** The column has its dates as text. */
    text: z.boolean(),
  }),
  z.object({ kind: z.literal('migration'), ...common, changes: z.array(schemaChange) }),
  z.object({ kind: z.literal('application'), ...common, changes: z.array(schemaChange) }),
]);

export type Fix = z.infer<typeof fixSchema>;
export type FixOf<Kind extends Fix['kind']> = Extract<Fix, { kind: Kind }>;
export type NewIndex = z.infer<typeof newIndexSchema>;
export type SchemaChange = z.infer<typeof schemaChange>;
export type Operation = z.infer<typeof operationSchema>;
export type OperationOf<Name extends Operation['operation']> = Extract<Operation, { operation: Name }>;
export type TableName = z.infer<typeof tableSchema>;
