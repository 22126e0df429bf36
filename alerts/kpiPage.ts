import type { Config } from '../config/schema.ts';
import { catalogueFor } from '../kpis/catalogue.ts';
import type { Kpi, KpiGroup } from '../kpis/kpi.ts';
import { objectiveText } from '../kpis/unitText.ts';
import { type AlertDefinition, alertsFor } from './definitions.ts';

const titles: Record<KpiGroup, string> = {
  'user-experience': 'What customers feel',
  throughput: 'How much gets through',
  queries: 'Statements',
  connections: 'Connections',
  capacity: 'Capacity and growth',
  structure: 'Structure of the data',
  business: 'Business',
};

function section(kpi: Kpi, alerts: readonly AlertDefinition[]): string {
  const { objective, collection } = kpi;
  const guards = alerts.filter((alert) => alert.kpi === kpi.id);
  return `### ${kpi.name}

${kpi.meaning}

- **Why this one**: ${kpi.justification}
- **Points at**: ${kpi.causes.join(', ')}
- **Objective**: ${objectiveText(objective, kpi.unit)}. ${objective.rationale}
- **Collected**: ${collection.how} (${collection.source}). Without history: ${collection.withoutHistory}
- **Alerts**: ${guards.length > 0 ? guards.map(({ alert }) => `[${alert}](runbooks/${alert}.md)`).join(', ') : 'none; it is read beside those that have one'}

\`\`\`promql
${kpi.promql()}
\`\`\`
`;
}

/**
 * docs/kpis.md, made from the catalogue and the alerts.
 *
 * @param file that the configuration comes from, as the page names it
 */
export function kpiPage(config: Config, file: string): string {
  const catalogue = catalogueFor(config);
  const alerts = alertsFor(config);
  const groups = [...new Set(catalogue.map(({ group }) => group))];
  return `# KPIs and why they were chosen

Made from the catalogue, as ${file} sets it up, by \`npm run docs\`; change \`kpis/\`, not this page. ${catalogue.length} KPIs; the same definitions make the dashboards, the alerts, the console and the report.

${groups
  .map(
    (group) =>
      `## ${titles[group]}\n\n${catalogue
        .filter((kpi) => kpi.group === group)
        .map((kpi) => section(kpi, alerts))
        .join('\n')}`,
  )
  .join('\n')}`;
}
