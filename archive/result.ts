/** Units that are due and stay, by the reason why. */
export interface LeftOut {
  reason: string;
  units: number;
}

export interface ArchivedUnit {
  unit: string;
  units: number;
  /** Written to files, but not removed from the database; `left` has the reasons. */
  kept: number;
  /** Rows of all tables. */
  rows: number;
  /** Of the files. */
  bytes: number;
  left: LeftOut[];
  /** Why the unit could not be archived, or not to its end; the others of the policy were. */
  problems: string[];
}

export const noneOf = (unit: string): ArchivedUnit => ({
  unit,
  units: 0,
  kept: 0,
  rows: 0,
  bytes: 0,
  left: [],
  problems: [],
});

export function addTo(total: ArchivedUnit, { units, kept, rows, bytes, left, problems }: ArchivedUnit): void {
  total.units += units;
  total.kept += kept;
  total.rows += rows;
  total.bytes += bytes;
  for (const { reason, units: more } of left) {
    const same = total.left.find((each) => each.reason === reason);
    if (same) same.units += more;
    else total.left.push({ reason, units: more });
  }
  total.problems.push(...problems.filter((problem) => !total.problems.includes(problem)));
}
