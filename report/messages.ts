import type { Case } from './case.ts';
import { worsened } from './comparison.ts';
import { plain } from './plain.ts';

export interface Message {
  file: string;
  text: string;
}

/** Paragraphs; those that are not there are left out, so that nothing is claimed of what was not measured. */
const paragraphs = (...texts: (string | false | undefined)[]) =>
  `${texts.filter((text) => typeof text === 'string' && text !== '').join('\n\n')}\n`;

/** What each message may speak of. */
interface Told {
  f: (id: string) => string;
  partial: string;
  /** The peak after the relief was measured. */
  relieved: boolean;
  archived: boolean;
  /** The new model is in use, and both models were equal. */
  cured: boolean;
}

function engineers({ recording, rows }: Case, { f, partial, relieved, cured }: Told): string {
  const worse = worsened(rows);
  const dear = (recording.diagnosis?.findings ?? [])
    .filter(({ shareOfLostTime }) => shareOfLostTime !== null)
    .slice(0, 5)
    .map(({ title, rank }) => `- ${plain(title)}: ${f(`finding:${rank}:share`)} of database time`)
    .join('\n');
  return paragraphs(
    '# For engineers: what hurt, and what to keep doing',
    partial,
    `Under the peak the database was busy for ${f('diagnosis:busy')}, on two cores. Page time p95 was ${f('customer-latency-p95:peak')}, ${f('request-failure-ratio:peak')} of the requests failed, statements ran into their timeout ${f('statement-timeouts:peak')}, and a request waited ${f('pool-wait-p95:peak')} for a connection.`,
    `**Causes, by database time**\n${dear || '- the diagnosis did not run'}`,
    `A request read ${f('rows-read-per-request:peak')} rows by sequential scans. ${f('cold:bytes')} are older than a year, ${f('copies:bytes')} are copies.`,
    relieved &&
      `**Done, under load**: ${f('actions:kept')} actions kept, ${f('actions:measured')} timed alone, ${f('actions:taken-back')} taken back. After them: p95 ${f('customer-latency-p95:peak-after-short-term')}, failed requests ${f('request-failure-ratio:peak-after-short-term')}, rows read a request ${f('rows-read-per-request:peak-after-short-term')}.`,
    cured &&
      `**Then, under ordinary load**: ${f('archival:rows')} rows archived into ${f('archival:bytes')} of Parquet; the model exchanged online, ${f('verified:rows')} rows compared both ways, ${f('verified:differing')} differing; ${f('size:before')} became ${f('size:after')}. The same peak then: p95 ${f('customer-latency-p95:peak-after-medium-term')}, failed requests ${f('request-failure-ratio:peak-after-medium-term')}.`,
    worse.length > 0 && `**Worse than before**: ${worse.join(', ')}. Look at these first.`,
    `**Next**: the indexes are temporary and journalled (\`sqltrail fix list\`); keep them in a migration of the schema. Review every new statement’s plan in the console; no OFFSET, no statement for each row, no cast on a column.`,
  );
}

function management({ rows }: Case, { f, partial, relieved, cured }: Told): string {
  const worse = worsened(rows);
  return paragraphs(
    '# For management: what happened, what it costs, what we ask for',
    partial,
    `At the busiest hours the shop was too slow to buy in: a page took ${f('customer-latency-p95:peak')}, and ${f('checkouts:peak:lost')} of those who came to buy left without an order.`,
    `**Why**: the database has to read far too much for each page. Look-up tables that it needs are missing, the same facts are stored again and again, and nothing old was ever put away.`,
    `**What it costs to wait**: lost baskets of ${f('impact:measured:today')} a month today, and ${f('impact:measured:likely')} in twelve months (${f('impact:measured:low')} to ${f('impact:measured:high')}, depending on traffic, peak hours and on how many come back); beside it ${f('impact:churn:likely')} for customers who stay away, ${f('impact:onCall:likely')} of on-call work and ${f('impact:database:likely')} of database time. The data grows meanwhile: in twelve months it is ${f('growth:year:likely')} as large.`,
    relieved &&
      `**What we did in minutes**: ${f('actions:kept')} changes, each with a way back, ${f('actions:measured')} of them timed alone. Under the same load a page now takes ${f('customer-latency-p95:peak-after-short-term')}, ${f('request-failure-ratio:peak-after-short-term')} of the requests fail, and ${f('checkouts:peak-after-short-term:lost')} of the buyers leave without an order.`,
    cured &&
      `**What was tried after that**: the cleaner model with archival, on the recorded shop, while it was open. The database is ${f('size:saved')} smaller, and nothing was lost: ${f('orders:acknowledged')} confirmed orders, ${f('orders:found')} there.`,
    worse.length > 0 && `**What became worse**: ${worse.join(', ')}.`,
    `**What we ask for**: ${cured ? `the same for the real database, planned at ${f('migration:backfill:production:likely')} for the longest phase` : 'time for the second step, a cleaner model of the data with archival'}. Without it the same data grows back: ${f('cold:share')} of it is already older than a year.`,
  );
}

function support({ f, partial, relieved }: Told): string {
  return paragraphs(
    '# For support and customers',
    partial,
    'During busy hours our shop was slow, and some orders could not be placed. An order that was confirmed to you is an order that we have.',
    relieved &&
      `We have found the cause and relieved it: pages that took ${f('customer-latency-p95:peak')} now take ${f('customer-latency-p95:peak-after-short-term')}.`,
    'If you were in the middle of an order: your basket is kept; please try again. If you are not sure whether an order was placed, look at “My orders” before you order again: what is shown there is certain.',
    `**For support only.** Who says that an order is missing: look for the order number first. A customer who saw an error may still have an order, because the answer came too late; nobody has paid for an order that is not there. ${f('checkouts:peak:count')} checkouts failed or were given up in the recorded peak.`,
  );
}

function status({ recording }: Case, { f, partial, relieved, archived, cured }: Told): string {
  const first = recording.diagnosis?.findings[0]?.title;
  const { migration } = recording;
  const running = migration?.phases.some(({ phase, endedAt }) => phase === 'backfill' && endedAt !== null);
  return paragraphs(
    '# Status updates, one a phase',
    partial,
    `**1. Detected (${f('clock:peak')}).** Slow pages and failed orders since the peak began; the first alert that pages came after ${f('alerts:first-page')}. ${f('request-failure-ratio:peak')} of the requests fail. Customers: cannot reliably buy. Next update: with the cause.`,
    recording.diagnosis !== null &&
      `**2. Diagnosed (${f('clock:diagnosis')}).** ${f('diagnosis:findings')} causes found in ${f('diagnosis:seconds')}, nothing changed yet; the most expensive: ${plain(first ?? 'none')}. Customers: as before. Next update: when the first changes are measured.`,
    relieved &&
      `**3. Relieved (${f('clock:peak-after-short-term')}).** ${f('actions:kept')} changes in force, ${f('actions:taken-back')} taken back. Under the same load a page takes ${f('customer-latency-p95:peak-after-short-term')}, ${f('request-failure-ratio:peak-after-short-term')} of the requests fail; the alerts for slow statements, timeouts and connections were silent ${f('alerts:silent')} after the last change. Customers: can buy. Next update: before the archival.`,
    archived &&
      `**4. Archived (${f('clock:archival')}).** ${f('archival:rows')} old rows moved to files that were read back and compared; the shop stayed open. Damaged files: ${f('archival:damaged')}. Next update: before the data model is changed.`,
    running &&
      `**5. New data model filled (${f('clock:medium-term')}).** ${f('migration:units')} units carried over beside the old model; paused ${f('migration:pauses')} times so that customers were not slowed. ${f('verified:rows')} rows compared, ${f('verified:differing')} differ. Everything can still be taken back. Next update: after the switch.`,
    cured &&
      `**6. Closed (${f('clock:peak-after-medium-term')}).** The new model is in use. The same peak has pages of ${f('customer-latency-p95:peak-after-medium-term')}, ${f('request-failure-ratio:peak-after-medium-term')} failed requests. ${f('orders:acknowledged')} orders confirmed meanwhile, ${f('orders:found')} there. The database is ${f('size:saved')} smaller. This is the last update.`,
    !cured &&
      '**Next.** The temporary indexes have a review date in the journal. The refactoring of the model is planned in phases, each with a way back.',
  );
}

function questions({ recording, rows }: Case, { f, partial, relieved, cured }: Told): string {
  const worse = worsened(rows);
  const { migration } = recording;
  const entry = (question: string, answer: string, evidence: string) =>
    `**${question}** ${answer} *Evidence: ${evidence}.*`;
  const effect = 'customer-latency-p95:effect:peak-after-short-term';
  return paragraphs(
    '# Questions that will be asked',
    partial,
    entry(
      'Is it not simply too little hardware?',
      `A request read ${f('rows-read-per-request:peak')} rows by sequential scans. Twice the hardware reads them in half the time, until the data has doubled.${relieved ? ` After the relief it is ${f('rows-read-per-request:peak-after-short-term')} rows on the same machine.` : ''}`,
      'report, “Before and after”',
    ),
    entry(
      'How do you know that it was these causes?',
      `They were mended one after the other under the same load, and for ${f('actions:measured')} of them the statements were timed before and after.${relieved ? ` ${f('actions:predicted')} indexes had a prediction first; prediction and measurement stand side by side.` : ''}`,
      'report, “Short-term relief”; the journal in the database (`sqltrail fix list`)',
    ),
    entry(
      'Could it be chance? It is one run.',
      `${f('windows:peak')} windows that do not overlap before${relieved ? `, ${f('windows:peak-after-short-term')} after: page time is ${f(`${effect}:mean`)} shorter, 95 % interval ${f(`${effect}:low`)} to ${f(`${effect}:high`)}; Cliff’s delta ${f(`${effect}:delta`)}` : ''}. Windows of one run are not wholly independent, and the report says so. The run can be repeated with any seed: \`npm start -- --seed\`.`,
      'report, “Before and after”; `lib/stats/interval.ts`, `report/effect.ts`',
    ),
    entry(
      'Is the load real?',
      'It comes at its own pace (open loop), whatever the shop’s speed, so waiting is counted from when a customer clicked. It is a sample shop with seeded, skewed data: your traffic goes into the assumptions file.',
      '`sample-shop/load/`, `report/assumptions.yaml`',
    ),
    entry(
      'Why not only a larger connection pool?',
      `The connections were busy with statements. More of them would queue in the database instead: a wait of ${f('pool-wait-p95:peak')} would become a longer statement.`,
      'report, “Wait for a connection” and “Slowest statement”',
    ),
    entry(
      'What if an index makes writing slower?',
      `Each action is taken back by itself when it was measured and is not shown to help; ${f('actions:taken-back')} were.`,
      'report, “Short-term relief”',
    ),
    entry(
      'Did anything become worse?',
      rows.some(({ effects }) => effects.length > 0)
        ? worse.length > 0
          ? `Yes: ${worse.join(', ')}.`
          : 'No KPI of those compared, for certain; the table has the intervals.'
        : 'Nothing was measured after a change.',
      'report, column “effect”',
    ),
    migration?.verification
      ? entry(
          'How do we know that no order was lost?',
          `${f('verified:rows')} rows were compared both ways through views that rebuild the old rows; ${f('verified:differing')} differ. ${f('verified:sums')} sums of money were compared. ${f('orders:acknowledged')} checkouts were answered meanwhile; ${f('orders:found')} orders came into the database.`,
          'report, “Proof that nothing was lost”',
        )
      : '',
    entry(
      'What if it fails half way?',
      'Each step is journalled in the database and goes on, or back, after a kill; until the old tables are dropped everything can be taken back.',
      '`migrate/` and its tests with kill -9 at every step; `sqltrail fix revert`',
    ),
    migration?.strain
      ? entry(
          'Do customers notice the migration?',
          `Page time went from ${f('strain:before')} to ${f('strain:during')} while rows were carried over; ${f('strain:failed')} of ${f('strain:requests')} requests failed; the shop waited ${f('strain:lock')} at most for a lock of it.`,
          'report, “What customers noticed”',
        )
      : '',
    entry(
      'Where does the money come from?',
      `Counted: ${f('checkouts:peak:count')} lost checkouts with baskets of ${f('baskets:peak:lost')} in the recorded peak. Traffic, hours of peak, share of buyers and of those who come back are assumptions, each with its source; at a retry share of ${f('retry:100')} the loss is ${f('impact:retry:100')}.`,
      'report, “What it costs to wait” and its sensitivity charts',
    ),
    entry(
      'Does the measuring itself slow the shop?',
      'It costs CPU for each span, before as after, so both sides of each comparison carry it. A dead collector costs a counter, never a request.',
      '`bench/`; README, “Safety”',
    ),
    entry(
      'What was not measured?',
      `Everything that is called “not measured”, and real customers.${cured ? '' : ' The new data model was not brought in, in this run.'}`,
      'report, first page',
    ),
  );
}

/** Messages for several readers; the same figures in each. */
export function messages(input: Case): Message[] {
  const { recording, figures } = input;
  const told: Told = {
    f: (id) => figures.text(id),
    partial:
      recording.outcome === 'complete'
        ? ''
        : `> This is from a run that is ${recording.outcome}: what it did not measure is not claimed.`,
    relieved: figures.get('customer-latency-p95:peak-after-short-term') !== undefined,
    archived: recording.archival !== null,
    cured: recording.migration?.reached === 'contract' && recording.migration.verification?.equal === true,
  };
  return [
    { file: 'messages/engineers.md', text: engineers(input, told) },
    { file: 'messages/management.md', text: management(input, told) },
    { file: 'messages/support-and-customers.md', text: support(told) },
    { file: 'messages/status.md', text: status(input, told) },
    { file: 'messages/questions-and-answers.md', text: questions(input, told) },
  ];
}
