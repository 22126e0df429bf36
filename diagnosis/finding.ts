import { z } from 'zod';
import { causes } from '../kpis/kpi.ts';
import { fixSchema } from './fix.ts';

/** `info` is worth knowing, `warning` costs something today, `critical` explains lost time or endangers data. */
export const severities = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof severities)[number];

/** What a finding is about. Names are as in the catalogue, unquoted. */
const databaseObject = z.object({
  schema: z.string(),
  table: z.string().optional(),
  columns: z.array(z.string()).optional(),
  index: z.string().optional(),
});

/** A statement that suffers. */
export const statementReference = z.object({
  /** As pg_stat_statements has it; null for a statement that was seen in traces only. */
  queryid: z.string().nullable(),
  /** `db.query.summary`, the name that spans and metrics know it by; null in findings of version 1. */
  summary: z.string().nullable(),
  /** libpg_query's fingerprint, the same for a span of the statement; null where it cannot be parsed. */
  fingerprint: z.string().nullable(),
  /** Share of its time that the fix is predicted to save, 0..1; absent where nobody predicted it. */
  gain: z.number().optional(),
});

/** One measured fact. `how` is the SQL, view or span query that gives it again. */
const evidence = z.object({
  label: z.string(),
  value: z.union([z.number(), z.string()]),
  /** UCUM-like: `By`, `ms/s`, `rows`, `1`; none for text. */
  unit: z.string().optional(),
  how: z.string(),
});

/** What the cause costs now. A figure that could not be measured is left out, never guessed. */
const cost = z.object({
  /** Bytes on disk that would not be there without the cause. */
  bytes: z.number().optional(),
  /** Database time spent because of the cause, milliseconds for each second of wall clock. */
  msPerSecond: z.number().optional(),
  /** Rows read for each row returned. */
  rowsReadPerRow: z.number().optional(),
  /** Calls in the window that the workload covers. */
  calls: z.number().optional(),
});

/** Figures that others compute with. */
const metrics = z.object({
  /** How fast the database grows, by the dates of its rows. */
  growth: z
    .array(z.object({ /** Length of the window that ends now. */ days: z.number(), bytesPerDay: z.number() }))
    .optional(),
});

const confidence = z.object({
  /** 0..1 */
  level: z.number(),
  basis: z.enum(['exact', 'sample', 'statistics', 'estimate']),
  note: z.string().optional(),
});

export const findingSchema = z.object({
  /** Stable for the same cause on the same object: `<check>:<schema>.<table>(<columns>)…`. */
  id: z.string(),
  check: z.string(),
  severity: z.enum(severities),
  title: z.string(),
  /** Two or three plain sentences: what it is, why it hurts here. */
  explanation: z.string(),
  cause: z.enum(causes),
  objects: z.array(databaseObject),
  /** The most expensive first. */
  statements: z.array(statementReference),
  evidence: z.array(evidence),
  cost,
  metrics: metrics.optional(),
  confidence,
  explains: z.object({
    kpis: z.array(z.string()),
    traces: z.array(z.string()),
    /** The route whose requests show it; a trace of another route is no evidence of it. */
    route: z.string().optional(),
  }),
  fix: fixSchema.optional(),
});

export const rankedFindingSchema = findingSchema.extend({
  /** From 1. */
  rank: z.number(),
  /** Of the database time in the window, 0..1; null when the cause takes no time that could be measured. */
  shareOfLostTime: z.number().nullable(),
});

export type Finding = z.infer<typeof findingSchema>;
export type RankedFinding = z.infer<typeof rankedFindingSchema>;
export type Evidence = z.infer<typeof evidence>;
export type Cost = z.infer<typeof cost>;
export type DatabaseObject = z.infer<typeof databaseObject>;
export type StatementReference = z.infer<typeof statementReference>;

export const atLeast = (severity: Severity, minimum: Severity) =>
  severities.indexOf(severity) >= severities.indexOf(minimum);

/** queryids of the statements, of those that have one. */
export const queryidsOf = ({ statements }: Pick<Finding, 'statements'>): string[] =>
  statements.flatMap(({ queryid }) => queryid ?? []);
