import type { Assumptions } from './assumptions.ts';
import { comparisonRows, type Row } from './comparison.ts';
import { Figures } from './figures.ts';
import { type Impact, impactFigures } from './impact.ts';
import { runFigures } from './measured.ts';
import type { Recording } from './recording.ts';
import { mediumTermFigures } from './roadmap.ts';

/** What every writer works from: the recording, the assumptions, and the figures that follow from both. */
export interface Case {
  recording: Recording;
  figures: Figures;
  rows: Row[];
  assumptions: Assumptions;
  impact: Impact;
}

export function caseOf(recording: Recording, assumptions: Assumptions): Case {
  const figures = new Figures();
  runFigures(figures, recording);
  mediumTermFigures(figures, recording, assumptions);
  const rows = comparisonRows(figures, recording);
  const impact = impactFigures(figures, recording, assumptions);
  return { recording, figures, rows, assumptions, impact };
}
