import type pg from 'pg';
import { z } from 'zod';

/** Ends a change: given back, or left to the owner who changed it since. */
const ended = { undone: z.literal(true).optional() };

/** Where a table is; the names are those of when it was changed. */
const place = { relation: z.number(), schema: z.string(), table: z.string() };

const indexChange = z.object({
  change: z.literal('index'),
  ...place,
  ...ended,
  /** Name in the end; the one that was wanted, or another where that was taken. */
  name: z.string(),
  /** While it is built: nobody else can have an index of this name. */
  provisional: z.string(),
  /** null until the server has begun to build it. */
  oid: z.number().nullable(),
  /** In its comment, which REINDEX CONCURRENTLY hands on to the index that takes its place. */
  token: z.string(),
  /** {@link import('./signature.ts').signatureSql} */
  signature: z.string(),
  /** Of a partitioned table itself: holds the indexes of its partitions together. */
  parent: z.boolean(),
  /** Built, valid and named. */
  done: z.boolean(),
});

const dropChange = z.object({
  change: z.literal('dropped-index'),
  ...place,
  ...ended,
  oid: z.number(),
  indexSchema: z.string(),
  name: z.string(),
  valid: z.boolean(),
  unique: z.boolean(),
  signature: z.string(),
  /** Behind `CREATE [UNIQUE] INDEX name ON `, without the predicate. */
  body: z.string(),
  predicate: z.string().nullable(),
  tablespace: z.string().nullable(),
  comment: z.string().nullable(),
  clustered: z.boolean(),
  /** Statistics targets of expressions: position and target. */
  statistics: z.array(z.tuple([z.number(), z.number()])),
  /** ALTER INDEX ... DEPENDS ON EXTENSION */
  extensions: z.array(z.string()),
  /** The index made in its place, by its provisional name, while undo is at it. */
  rebuilt: z.object({ provisional: z.string(), name: z.string().optional() }).optional(),
});

const optionsChange = z.object({
  change: z.literal('options'),
  ...place,
  ...ended,
  /** Of the relation, of its TOAST table, or of a column. */
  of: z.enum(['relation', 'toast', 'column']),
  column: z.string().nullable(),
  /** As `name=value`, in the catalogue's order. */
  before: z.array(z.string()),
  after: z.array(z.string()),
});

const statisticsChange = z.object({
  change: z.literal('statistics'),
  ...place,
  ...ended,
  column: z.string(),
  /** -1 for the default */
  before: z.number(),
  after: z.number(),
});

const settingChange = z.object({
  change: z.literal('setting'),
  ...ended,
  /** Both null: ALTER SYSTEM. */
  database: z.string().nullable(),
  role: z.string().nullable(),
  name: z.string(),
  before: z.string().nullable(),
  after: z.string().nullable(),
});

const extensionChange = z.object({
  change: z.literal('extension'),
  ...ended,
  oid: z.number(),
  name: z.string(),
});

/**
 * One thing that an action changed, with what was there before, as the journal keeps it. Objects are known by OID, and
 * by name only to say which.
 */
export const changeSchema = z.discriminatedUnion('change', [
  indexChange,
  dropChange,
  optionsChange,
  statisticsChange,
  settingChange,
  extensionChange,
]);

export type Change = z.infer<typeof changeSchema>;
export type IndexChange = z.infer<typeof indexChange>;
export type DropChange = z.infer<typeof dropChange>;
export type OptionsChange = z.infer<typeof optionsChange>;
export type StatisticsChange = z.infer<typeof statisticsChange>;
export type SettingChange = z.infer<typeof settingChange>;
export type ExtensionChange = z.infer<typeof extensionChange>;

/** What applying and undoing need. */
export interface Work {
  client: pg.Client;
  /** In the order in which they were made; added to and marked in place. */
  changes: Change[];
  /** Writes `changes` to the journal, within the client's transaction where one is open. */
  save: () => Promise<void>;
  signal: AbortSignal;
}
