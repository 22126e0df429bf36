import { z } from 'zod';
import { type Finding, severities } from '../diagnosis/finding.ts';
import { operationSchema } from '../diagnosis/fix.ts';
import { operationCommand } from '../diagnosis/operationCommand.ts';

/**
 * Rows that `sqltrail migrate` brings through all phases in a second: copy at half of the time, indexes, comparison.
 * Measured with 400,000 rows of about 120 bytes and three indexes on two cores that were busy otherwise: 3,300 (text
 * becomes date, each value converted and compared) to 11,000 (partitions).
 */
const ROWS_PER_SECOND = 5_000;

/** An online migration that findings ask for, with what it takes. It is planned and started by `sqltrail migrate`. */
export const mediumTermSchema = z.object({
  /** With the rows and bytes of its table. */
  operation: operationSchema,
  /** Those that it resolves, the most severe first. */
  findings: z.array(z.object({ id: z.string(), title: z.string() })).min(1),
  severity: z.enum(severities),
  /** Expected; null where the table was never analysed. An order of magnitude. */
  seconds: z.number().nullable(),
  /** What `seconds` rests on. */
  rowsPerSecond: z.number(),
  /** Disk needed until it is complete, bytes. */
  bytes: z.number(),
  /** Strongest table lock taken, in Postgres's words, and for about how long. */
  lock: z.string(),
  /** Writes the plan, and changes nothing; the address of the database is in DATABASE_URL. */
  command: z.string(),
});

export type MediumTerm = z.infer<typeof mediumTermSchema>;

const LOCK =
  'ACCESS EXCLUSIVE for milliseconds, when the tables swap names or the old columns or table are dropped; otherwise reads and writes continue';

/** What `sqltrail fix` does not apply, because the table is rebuilt: the most severe first, in the order of each finding. */
export function mediumTermOf(findings: readonly Finding[]): MediumTerm[] {
  const found = new Map<string, MediumTerm>();
  const bySeverity = findings.toSorted(
    (a, b) => severities.indexOf(b.severity) - severities.indexOf(a.severity),
  );
  for (const { id, title, severity, fix } of bySeverity)
    for (const operation of fix?.operations ?? []) {
      const command = operationCommand(operation);
      const known = found.get(command);
      if (known) known.findings.push({ id, title });
      else
        found.set(command, {
          operation,
          findings: [{ id, title }],
          severity,
          seconds: operation.rows < 0 ? null : operation.rows / ROWS_PER_SECOND,
          rowsPerSecond: ROWS_PER_SECOND,
          bytes: operation.bytes,
          lock: LOCK,
          command,
        });
    }
  return [...found.values()];
}
