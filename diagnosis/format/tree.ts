import { catalogue } from '../../kpis/catalogue.ts';
import type { Diagnosis } from '../diagnosis.ts';
import type { RankedFinding } from '../finding.ts';

/** A KPI with the findings that explain it; findings are grouped by the table in which the cause lies. */
export interface KpiBranch {
  kpi: string;
  name: string;
  symptoms: { table: string; findings: RankedFinding[] }[];
}

/** From KPI to symptom to cause, for findings of `warning` and above; a finding hangs below its first KPI only. */
export function causeTree({ findings }: Pick<Diagnosis, 'findings'>): KpiBranch[] {
  const branches = new Map<string, Map<string, RankedFinding[]>>();
  for (const finding of findings) {
    if (finding.severity === 'info') continue;
    const kpi = finding.explains.kpis[0] ?? 'none';
    const table = finding.objects[0]?.table ?? 'the server';
    const symptoms = branches.get(kpi) ?? new Map<string, RankedFinding[]>();
    symptoms.set(table, [...(symptoms.get(table) ?? []), finding]);
    branches.set(kpi, symptoms);
  }
  return [...branches].map(([kpi, symptoms]) => ({
    kpi,
    name: catalogue.find(({ id }) => id === kpi)?.name ?? kpi,
    symptoms: [...symptoms].map(([table, of]) => ({ table, findings: of })),
  }));
}
