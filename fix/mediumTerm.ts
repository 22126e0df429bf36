import { type Finding, type Severity, severities } from '../diagnosis/finding.ts';
import type { Operation } from '../diagnosis/fix.ts';

/**
 * Rows that `sqltrail migrate` brings through all phases in a second: copy at half of the time, indexes, comparison.
 * Measured with 400,000 rows of about 120 bytes and three indexes on two cores that were busy otherwise: 3,300 (text
 * becomes date, each value converted and compared) to 11,000 (partitions).
 */
export const ROWS_PER_SECOND = 5_000;

/** An online migration that findings ask for, with what it takes. */
export interface MediumTerm {
  operation: Operation;
  /** Titles of the findings that it resolves, the most severe first. */
  findings: string[];
  severity: Severity;
  /** Expected; null where the table was never analysed. An order of magnitude. */
  seconds: number | null;
  /** Disk needed until it is complete. */
  bytes: number;
}

const same = (a: Operation, b: Operation) => JSON.stringify(a) === JSON.stringify(b);

/** What `sqltrail fix` does not apply, because the table is rebuilt: the most severe first, in the order of each finding. */
export function mediumTermOf(findings: readonly Finding[]): MediumTerm[] {
  const found: MediumTerm[] = [];
  const bySeverity = findings.toSorted(
    (a, b) => severities.indexOf(b.severity) - severities.indexOf(a.severity),
  );
  for (const { title, severity, fix } of bySeverity)
    for (const operation of fix?.operations ?? []) {
      const known = found.find((each) => same(each.operation, operation));
      if (known) known.findings.push(title);
      else
        found.push({
          operation,
          findings: [title],
          severity,
          seconds: operation.rows < 0 ? null : operation.rows / ROWS_PER_SECOND,
          bytes: operation.bytes,
        });
    }
  return found;
}
