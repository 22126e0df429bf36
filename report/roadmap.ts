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

Made by \`sqltrail report\` from a run of ${when} (${recording.mode}, scale ${recording.scale ?? 'of the running stack'}) and the assumptions; every duration is measured there or follows from what was. What was not measured is called so.

${mermaid(calendar)}

Calendar days with review, gate and watching, from the day of the run; they are the plan's own, and to be changed. What the machine itself takes is in the tables. Until the last bar each step can be reverted.

The plan keeps clear of the freeze periods of the assumptions (${assumptions.freezePeriods.map(({ from, to, reason }) => `${from} to ${to}: ${reason}`).join('; ') || 'none'}); the short-term fixes do not wait, because they end a running incident and each can be reverted.

## ${stageTitles.short}

| Action | State in that run | Measured effect on its statements |
| --- | --- | --- |
${recording.actions.map(({ action, state }) => `| ${plain(action.title)} | ${state} | ${f(`action:${action.id}:gain`)} |`).join('\n') || '| none | | |'}

Owner: engineer on call. Gate: KPIs within their objectives under the same load; what does not help is reverted. Way back: \`sqltrail fix revert\`.

## ${stageTitles.archival}

| Unit of the policy | Moved in that run | Files |
| --- | --- | --- |
${recording.archival?.units.map(({ unit }) => `| ${unit} | ${f(`archival:${unit}:rows`)} rows | ${f(`archival:${unit}:bytes`)} |`).join('\n') || '| not measured | | |'}

Owner: database engineer; the policy is signed by whoever answers for retention. Gate: files read back and equal. Way back: \`sqltrail archive restore\`. It took ${f('archival:seconds')}.

## ${stageTitles.medium}

| Phase | Owner | Gate to the next | Risk | Way back | Measured | At production size (low – likely – high) |
| --- | --- | --- | --- | --- | --- | --- |
${roadmap
  .map(
    ({ phase, title, owner, gate, risk, back }) =>
      `| ${title} | ${owner} | ${gate} | ${risk} | ${back} | ${f(`migration:${phase}:seconds`)} | ${f(`migration:${phase}:production:low`)} – ${f(`migration:${phase}:production:likely`)} – ${f(`migration:${phase}:production:high`)} |`,
  )
  .join('\n')}

Production size: ${assumptions.productionTimesData.low}, ${assumptions.productionTimesData.likely} and ${assumptions.productionTimesData.high} times the recorded one (${assumptions.productionTimesData.source}). Between \`cutover-writes\` and \`contract\` a full cycle of the business passes. The database was ${f('size:before')} before and ${f('size:after')} after.

## From then on

Partitions are made three months ahead; the archival runs by its policy every night; the KPIs and their alerts stay ([KPIs](kpis.md)).
`;
}
