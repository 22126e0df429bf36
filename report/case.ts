import type { Assumptions } from './assumptions.ts';
import { comparisonRows, type Row } from './comparison.ts';
import { Figures } from './figures.ts';
import { type Growth, scalingFigures } from './growth.ts';
import { type Impact, impactFigures } from './impact.ts';
import { runFigures } from './measured.ts';
import { mediumTermFigures } from './mediumTermFigures.ts';
import type { Recording } from './recording.ts';

/** What every writer works from: the recording, the assumptions, and the figures that follow from both. */
export interface Case {
  recording: Recording;
  figures: Figures;
  rows: Row[];
  assumptions: Assumptions;
  impact: Impact;
  /** Null where growth was not measured. */
  growth: Growth | null;
}

export function caseOf(recording: Recording, assumptions: Assumptions, growth: Growth | null = null): Case {
  const figures = new Figures();
  runFigures(figures, recording);
  mediumTermFigures(figures, recording, assumptions);
  const rows = comparisonRows(figures, recording);
  const impact = impactFigures(figures, recording, assumptions);
  if (growth) scalingFigures(figures, growth);
  return { recording, figures, rows, assumptions, impact, growth };
}
