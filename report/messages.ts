import type { Figures } from './figures.ts';
import type { Recording } from './recording.ts';

export interface Message {
  file: string;
  text: string;
}

/** The finding that takes most time, by its title; findings are in the order of their rank. */
const worst = (recording: Recording, check: string) =>
  recording.diagnosis?.findings.find((finding) => finding.check === check)?.title;

/** Messages for several readers; the same figures in each. */
export function messages(recording: Recording, figures: Figures): Message[] {
  const f = (id: string) => figures.text(id);
  const relieved = recording.phases.some(({ name }) => name === 'peak-after-short-term');
  const partial =
    recording.outcome === 'complete'
      ? ''
      : `> This is from a run that is ${recording.outcome}: what it did not measure is not claimed.\n\n`;
  const indexes = recording.diagnosis?.findings.filter(({ check }) => check === 'missing-index') ?? [];
  const after = (text: string) => (relieved ? text : '');
  const cured =
    recording.migration?.reached === 'contract' && recording.migration.verification?.equal === true;

  const engineers = `# For engineers: what hurt, and what to keep doing

${partial}Under the peak the database was busy for ${f('diagnosis:busy')}, on two cores. Page time p95 was ${f('customer-latency-p95:peak')}, ${f('request-failure-ratio:peak')} of the requests failed, statements ran into their timeout ${f('statement-timeouts:peak')}, and a request waited ${f('pool-wait-p95:peak')} for a connection.

**Causes, by database time**
${
  (recording.diagnosis?.findings ?? [])
    .filter(({ shareOfLostTime }) => shareOfLostTime !== null)
    .slice(0, 5)
    .map(({ title, rank }) => `- ${title}: ${f(`finding:${rank}:share`)} of database time`)
    .join('\n') || '- the diagnosis did not run'
}

A request read ${f('rows-read-per-request:peak')} rows by sequential scans. ${f('cold:bytes')} are older than a year, ${f('copies:bytes')} are copies.
${after(`
**Done, under load**: ${f('actions:kept')} actions kept, ${f('actions:taken-back')} taken back. After them: p95 ${f('customer-latency-p95:peak-after-short-term')}, failed requests ${f('request-failure-ratio:peak-after-short-term')}, rows read a request ${f('rows-read-per-request:peak-after-short-term')}.
`)}
${
  cured
    ? `**Then, under ordinary load**: ${f('archival:rows')} rows archived into ${f('archival:bytes')} of Parquet; the model exchanged online, ${f('verified:rows')} rows compared both ways, ${f('verified:differing')} differing; ${f('size:before')} became ${f('size:after')}. The same peak then: p95 ${f('customer-latency-p95:peak-after-medium-term')}, failed requests ${f('request-failure-ratio:peak-after-medium-term')}.

`
    : ''
}**Next**: the indexes are temporary and journalled (\`sqltrail fix list\`); keep them in a migration of the schema. Review every new statement's plan in the console; no OFFSET, no statement for each row, no cast on a column.
`;

  const executives = `# For management: what happened, what it costs, what we ask for

${partial}At the busiest hours the shop was too slow to buy in: a page took ${f('customer-latency-p95:peak')}, and ${f('checkouts:peak:lost')} of those who came to buy left without an order.

**Why**: the database has to read far too much for each page. Look-up tables that it needs are missing, the same facts are stored again and again, and nothing old was ever put away.

**What it costs to wait**: ${f('impact:measured:likely')} of lost baskets in twelve months (${f('impact:measured:low')} to ${f('impact:measured:high')}, depending on peak hours and on how many come back), ${f('impact:on-call:likely')} of on-call work and ${f('impact:database:likely')} of database time. The data grows meanwhile: in twelve months it is ${f('growth:year:likely')} as large.
${after(`
**What we did in minutes**: ${f('actions:kept')} changes, each measured, each with a way back. Under the same load a page now takes ${f('customer-latency-p95:peak-after-short-term')}, and ${f('request-failure-ratio:peak-after-short-term')} of the requests fail.
`)}
${
  cured
    ? `**What was tried after that**: the cleaner model with archival, on the recorded shop, while it was open. The database is ${f('size:saved')} smaller, and nothing was lost: ${f('orders:acknowledged')} confirmed orders, ${f('orders:found')} there.

`
    : ''
}**What we ask for**: ${cured ? `the same for the real database, planned at ${f('migration:backfill:production:likely')} for the longest phase` : 'time for the second step, a cleaner model of the data with archival'}. Without it the same data grows back: ${f('cold:share')} of it is already older than a year.
`;

  const support = `# For support and customers

${partial}During busy hours our shop was slow, and some orders could not be placed. No order that was confirmed was lost, and no payment was taken twice.
${after(`
We have found the cause and relieved it: pages that took ${f('customer-latency-p95:peak')} now take ${f('customer-latency-p95:peak-after-short-term')}.
`)}
If you were in the middle of an order: your basket is kept; please try again. If you are not sure whether an order was placed, look at “My orders”: what is shown there is certain.
`;

  const status = `# Status updates

${partial}**Detected.** Alerts came ${f('alerts:first-page')} after the peak began: slow statements, timeouts, no free connections. ${f('request-failure-ratio:peak')} of the requests fail.

**Diagnosed.** ${f('diagnosis:findings')} causes in ${f('diagnosis:seconds')}; the dearest: ${worst(recording, 'missing-index') ?? 'not known yet'}.
${after(`
**Relieved.** ${f('actions:kept')} actions in force. Page time ${f('customer-latency-p95:peak-after-short-term')}; the alerts for timeouts and connections were silent ${f('alerts:silent')} after the last change.
`)}
${cured ? `**Cured.** ${f('archival:rows')} rows archived, the new model in use; ${f('verified:rows')} rows compared, ${f('verified:differing')} differ.` : '**Next.** The temporary indexes have a review date in the journal. The refactoring of the model is planned in phases, each with a way back.'}
`;

  const questions = `# Questions that will be asked

${partial}**Is it not simply too little hardware?** A request read ${f('rows-read-per-request:peak')} rows by sequential scans. Twice the hardware reads them in half the time, until the data has doubled. ${relieved ? `After the relief it is ${f('rows-read-per-request:peak-after-short-term')} rows on the same machine.` : ''}

**How do you know that it was these causes?** Each was changed alone, under the same load, and its statements were timed before and after.${indexes.length > 0 ? ` ${indexes.length === 1 ? 'The index' : 'Each index'} had a prediction first; prediction and measurement stand side by side in the report.` : ''}

**Could it be chance?** The report gives 95 % intervals over windows that do not overlap. What has no interval is called not measured.

**Is the load real?** It comes at its own pace (open loop), whatever the shop's speed, so waiting is counted from when a customer clicked. It is a sample shop: your traffic goes into the assumptions file.

**Why not only a larger connection pool?** The connections were busy with statements. More of them would queue in the database instead: a wait of ${f('pool-wait-p95:peak')} would become a longer statement.

**What if an index makes writing slower?** Each action is taken back by itself when its statements become slower for certain; ${f('actions:taken-back')} were.

**What was not measured?** Everything that this text calls “not measured”, and real customers: the loss in money rests on counted baskets of the load generator and on assumptions that are listed with their sources.
`;
  return [
    { file: 'messages/engineers.md', text: engineers },
    { file: 'messages/management.md', text: executives },
    { file: 'messages/support-and-customers.md', text: support },
    { file: 'messages/status.md', text: status },
    { file: 'messages/questions-and-answers.md', text: questions },
  ];
}
