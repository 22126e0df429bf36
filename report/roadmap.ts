import type { Case } from './case.ts';
import { plain } from './plain.ts';
import { type CalendarEntry, roadmap, stageTitles } from './plan.ts';

/** The calendar as a Mermaid diagram. */
function mermaid(calendar: readonly CalendarEntry[]): string {
  const lines = Object.entries(stageTitles).flatMap(([stage, title]) => [
    `  section ${title.replaceAll(':', ' –')}`,
    ...calendar
      .filter((entry) => entry.stage === stage)
      .map(
        ({ id, title: name, from, days }) =>
          `  ${name} :${id === 'contract' ? 'crit, ' : ''}${id}, ${from}, ${days}d`,
      ),
  ]);
  return ['```mermaid', 'gantt', '  dateFormat YYYY-MM-DD', '  axisFormat %d %b', ...lines, '```'].join('\n');
}

/** The plan as a page of its own: short term from the journal, medium term from the phases, with what was measured. */
export function roadmapPage({ recording, figures, assumptions, calendar }: Case): string {
  const f = (id: string) => figures.text(id);
  const when = recording.startedAt.slice(0, 10);
  return `# Roadmap

Made by \`sqltrail report\` from a run of ${when} (${recording.mode}, scale ${recording.scale ?? 'of the running stack'}) and the assumptions. Every duration was measured in that run or is computed from measurements; steps without a measurement say so.

${mermaid(calendar)}

The bars are calendar days from the day of the run, with review, gate and watching. They are a proposal, so adapt them. The tables have the time that the machine itself takes. Every step before the last bar can be reverted.

The plan avoids the freeze periods of the assumptions (${assumptions.freezePeriods.map(({ from, to, reason }) => `${from} to ${to}: ${reason}`).join('; ') || 'none'}); the short-term fixes do not wait for them, because they end a running incident and each one can be reverted.

## ${stageTitles.short}

| Action | State in that run | Measured effect on its statements |
| --- | --- | --- |
${recording.actions.map(({ action, state }) => `| ${plain(action.title)} | ${state} | ${f(`action:${action.id}:gain`)} |`).join('\n') || '| none | | |'}

Owner: engineer on call. Gate: KPIs within their objectives under the same load; what does not help is reverted. Rollback: \`sqltrail fix revert\`.

## ${stageTitles.archival}

| Unit of the policy | Moved in that run | Files |
| --- | --- | --- |
${recording.archival?.units.map(({ unit }) => `| ${unit} | ${f(`archival:${unit}:rows`)} rows | ${f(`archival:${unit}:bytes`)} |`).join('\n') || '| not measured | | |'}

Owner: database engineer; the policy is signed by whoever is responsible for retention. Gate: files read back and equal. Rollback: \`sqltrail archive restore\`. It took ${f('archival:seconds')}.

## ${stageTitles.medium}

| Phase | Owner | Gate to the next | Risk | Rollback | Measured | At production size (low – likely – high) |
| --- | --- | --- | --- | --- | --- | --- |
${roadmap
  .map(
    ({ phase, title, owner, gate, risk, back }) =>
      `| ${title} | ${owner} | ${gate} | ${risk} | ${back} | ${f(`migration:${phase}:seconds`)} | ${f(`migration:${phase}:production:low`)} – ${f(`migration:${phase}:production:likely`)} – ${f(`migration:${phase}:production:high`)} |`,
  )
  .join('\n')}

Production size: ${assumptions.productionTimesData.low}, ${assumptions.productionTimesData.likely} and ${assumptions.productionTimesData.high} times the recorded one (${assumptions.productionTimesData.source}). Between \`cutover-writes\` and \`contract\` a full business cycle passes. The database was ${f('size:before')} before and ${f('size:after')} after.

## Afterwards

Partitions are created three months ahead, the archival runs by its policy every night, and the KPIs and their alerts stay ([KPIs](kpis.md)).
`;
}
