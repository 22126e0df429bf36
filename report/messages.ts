import { isInForce } from '../fix/journalEntry.ts';
import type { Case } from './case.ts';
import { worsened } from './comparison.ts';
import { together, Words } from './sentence.ts';
import { paragraphs, quoted, type Writing } from './writing.ts';

export interface Message {
  file: string;
  text: string;
}

/** Who says it to whom, when, and what they should decide or do. */
interface Envelope {
  title: string;
  from: string;
  to: string;
  send: string;
  /** Decision or action wanted. */
  wanted: string;
}

/** What every message begins with; whether the run is whole stands before everything that is said. */
function head({ recording }: Case, { ask }: Writing, { title, from, to, send, wanted }: Envelope): string {
  const words = (text: string) => new Words(text);
  return paragraphs(
    ask`# ${words(title)}`,
    ask`- **From**: ${words(from)}\n- **To**: ${words(to)}\n- **Send**: ${words(send)}\n- **Wanted**: ${words(wanted)}`,
    recording.outcome === 'complete'
      ? ''
      : ask`> This is from a run that is ${words(recording.outcome)}: what it did not measure is left out.`,
  );
}

/** A bold lead with what follows it; left out when nothing does. */
const lead = (title: string, text: string): string => (text ? `**${title}**: ${text}` : '');

function engineers(input: Case, writing: Writing): string {
  const { say, when, ask } = writing;
  const { worse } = input;
  return paragraphs(
    head(input, writing, {
      title: 'For engineers: what hurt, what was changed, what to keep',
      from: 'engineer on call',
      to: 'all who write statements for this database',
      send: 'on the day of the fixes',
      wanted: 'move the temporary indexes into a migration of the schema before their review date',
    }).trim(),
    together(
      say`Under the peak all statements together ran for ${'diagnosis:busy'}.`,
      say`Page time p95 was ${'customer-latency-p95:peak'}, and ${'request-failure-ratio:peak'} of the requests failed.`,
      say`Statements ran into their timeout ${'statement-timeouts:peak'}, and a request waited ${'pool-wait-p95:peak'} for a connection (p95).`,
    ),
    lead(
      'Causes, by database time; each statement counts once',
      input.causes.length === 0
        ? ''
        : `\n${input.causes
            .slice(0, 5)
            .map(({ title, rank }) => say`- ${quoted(title)}: ${`finding:${rank}:share`}`)
            .join('\n')}\n${say`- without a finding: ${'causes:rest'}`}`,
    ),
    together(
      say`A request read ${'rows-read-per-request:peak'} rows by sequential scans.`,
      say`${'cold:bytes'} are older than a year, ${'copies:bytes'} are copies.`,
    ),
    lead(
      'Changed while the peak went on',
      together(
        when(
          'mitigated',
        )`${'actions:kept'} actions are in force, ${'actions:measured'} of them timed before and after; ${'actions:reverted'} were reverted.`,
        say`After them p95 is ${'customer-latency-p95:peak-after-short-term'}, and ${'request-failure-ratio:peak-after-short-term'} of the requests failed.`,
        say`A request reads ${'rows-read-per-request:peak-after-short-term'} rows by sequential scans.`,
      ),
    ),
    lead(
      'Then',
      together(
        when('archived')`${'archival:rows'} rows went into ${'archival:bytes'} of Parquet.`,
        when(
          'migrated',
        )`The model was exchanged with ${'offered:medium-term'} visits a second: ${'verified:rows'} rows compared both ways, ${'verified:differing'} differ; ${'size:before'} became ${'size:after'}.`,
        when(
          'same load after the medium term',
        )`The same peak then has p95 ${'customer-latency-p95:peak-after-medium-term'}.`,
      ),
    ),
    worse.length > 0
      ? when(
          'something worse',
        )`**Worse than at the peak before**: ${quoted(worse.join(', '))}. Look at these first.`
      : '',
    ask`**Next**: \`sqltrail fix list\` has the journal and the review dates. Look at the plan of each new statement in the console; avoid OFFSET, a statement for each row, and a cast on a column.`,
  );
}

function management(input: Case, writing: Writing): string {
  const { say, when, ask } = writing;
  return paragraphs(
    head(input, writing, {
      title: 'For management: what happened, what it costs, what we ask for',
      from: 'head of engineering',
      to: 'managing director, head of sales, finance',
      send: 'on the day after the incident, with summary.pdf',
      wanted: 'a yes to the plan and its budget',
    }).trim(),
    lead(
      'What happened',
      together(
        when(
          'slow at the peak',
        )`At the busiest time the shop was too slow: a page took ${'customer-latency-p95:peak'}.`,
        say`Of ${'checkouts:peak:all'} people who came to buy, ${'checkouts:peak:count'} left without an order.`,
      ),
    ),
    lead(
      'Why',
      together(
        say`For one page the shop looks through ${'rows-read-per-request:peak'} entries of its records.`,
        say`Records older than a year take ${'cold:share'} of the space.`,
      ),
    ),
    lead(
      'What it costs to wait',
      together(
        say`Lost orders of ${'impact:measured:today'} a month, ${'impact:measured:likely'} in a year.`,
        say`With careful assumptions it is ${'impact:measured:low'}, with bold ones ${'impact:measured:high'}.`,
        say`The reckoning takes ${'assumed:buyingShare:likely'} of visitors for buyers; please put in our own number.`,
        say`Meanwhile the records grow: in a year they are ${'growth:year:likely'} as large.`,
      ),
    ),
    lead(
      'What we changed at once',
      together(
        say`${'actions:kept'} changes are in use.`,
        when('each action in force has an undo')`Each of them can be undone.`,
        when(
          'same load after the short term',
        )`With as many visitors as before a page takes ${'customer-latency-p95:peak-after-short-term'}, and ${'checkouts:peak-after-short-term:count'} of ${'checkouts:peak-after-short-term:all'} buyers left without an order.`,
      ),
    ),
    lead(
      'What we tried for the long term',
      together(
        when(
          'migrated',
        )`Cleaner records, with an archive for what is closed, brought in while the recorded shop was open; they take ${'size:saved'} less room.`,
        when(
          'every acknowledged order found',
        )`Each order that a customer was given is there: ${'orders:acknowledged'} given, ${'orders:found'} found.`,
      ),
    ),
    lead(
      'What we ask for',
      together(
        say`${'price:plan:likely'} for all three steps (${'price:plan:low'} to ${'price:plan:high'}), and the yes by ${'date:start'}.`,
        say`The new records are then in use on ${'date:switched'}, outside the weeks in which you want no changes.`,
        say`The money is earned back after ${'payback:days'} of use.`,
      ) || ask`The yes to the three steps of the plan.`,
    ),
  );
}

function support(input: Case, writing: Writing): string {
  const { say, when, ask, known } = writing;
  return paragraphs(
    head(input, writing, {
      title: 'For support and customers',
      from: 'head of support',
      to: 'customers who ask; the second part for support only',
      send: 'to support at once; to customers when they ask, or after the fixes',
      wanted: 'customers look at “My orders” before they order again',
    }).trim(),
    when('slow at the peak')`**To customers.** We are sorry: during busy hours our shop was slow.`,
    when('orders lost at the peak')`Some orders could not be placed.`,
    when(
      'pages faster after the short term',
    )`We have found a cause and changed what was slow: pages that took ${'customer-latency-p95:peak'} now take ${'customer-latency-p95:peak-after-short-term'}.`,
    when('every acknowledged order found')`Each order that was confirmed is in our records.`,
    ask`Before you order again, please look at “My orders”: what is listed there is placed.`,
    lead(
      'For support only',
      together(
        known(
          'sample-shop/load/journeys.ts',
        )`A customer who saw an error may still have an order, because the answer came too late: look for the order number before anything else.`,
        say`In the recorded peak ${'checkouts:peak:failed'} checkouts failed and ${'checkouts:peak:abandoned'} were given up.`,
        ask`Pass on each payment without an order, with its time.`,
      ),
    ),
  );
}

function status(input: Case, writing: Writing): string {
  const { say, when, ask } = writing;
  const [first] = input.causes;
  const update = (sentences: string, rest: string) => (sentences ? `${sentences} ${rest}` : '');
  return paragraphs(
    head(input, writing, {
      title: 'Status updates, one a step',
      from: 'engineer on call',
      to: 'status page, support, management',
      send: 'each at the time that it bears',
      wanted: 'none; questions to the engineer on call',
    }).trim(),
    update(
      say`**1. Detected (${'clock:detected'}).** An alert came ${'alerts:first-page'} into the peak. A page takes ${'customer-latency-p95:peak'}, and ${'request-failure-ratio:peak'} of the requests fail.`,
      ask`Customers: buying fails or takes long. Next update: with the cause.`,
    ),
    update(
      together(
        say`**2. Diagnosed (${'clock:diagnosed'}).** ${'diagnosis:findings'} findings after ${'diagnosis:seconds'}, by reading alone.`,
        first
          ? say`The most expensive: ${quoted(first.title)} (${`finding:${first.rank}:share`} of database time).`
          : '',
      ),
      ask`Customers: as before. Next update: when the first changes are measured.`,
    ),
    update(
      together(
        say`**3. Mitigated (${'clock:mitigated'}).** ${'actions:kept'} changes in force, ${'actions:reverted'} reverted.`,
        when(
          'same load after the short term',
        )`Under the same load a page takes ${'customer-latency-p95:peak-after-short-term'}; ${'checkouts:peak-after-short-term:count'} of ${'checkouts:peak-after-short-term:all'} buyers left without an order.`,
        say`The alerts for slow statements, timeouts and connections were silent ${'alerts:silent'} after the last change.`,
      ),
      ask`Next update: before the archival.`,
    ),
    update(
      say`**4. Archived (${'clock:archived'}).** ${'archival:rows'} old rows are in ${'archival:files'} files that were read back and compared; damaged: ${'archival:damaged'}.`,
      ask`Next update: before the data model is changed.`,
    ),
    update(
      say`**5. New data model filled and compared (${'clock:compared'}).** ${'migration:units'} units copied; pauses for the sake of customers: ${'migration:pauses'}. ${'verified:rows'} rows compared, ${'verified:differing'} differ.`,
      ask`Each step so far can be reverted. Next update: after the switch.`,
    ),
    update(
      together(
        when('migrated')`**6. Closed (${'clock:closed'}).** The new model is in use.`,
        when(
          'migrated',
          'same load after the medium term',
        )`The same peak has pages of ${'customer-latency-p95:peak-after-medium-term'}.`,
        when(
          'migrated',
        )`Orders confirmed meanwhile: ${'orders:acknowledged'}; found: ${'orders:found'}. The database is ${'size:saved'} smaller.`,
      ),
      ask`This is the last update.`,
    ),
    when(
      'not migrated',
    )`**Next.** The temporary indexes have a review date in the journal. The new data model is planned in phases, each with its way back.`,
  );
}

function questions(input: Case, writing: Writing): string {
  const { say, when, ask, known } = writing;
  const { recording, rows } = input;
  const worse = worsened(rows);
  const effect = 'customer-latency-p95:effect:peak-after-short-term';
  const entry = (question: string, answer: string, evidence: string) =>
    answer ? `**${question}** ${answer} *Evidence: ${evidence}.*` : '';
  const inForce = recording.actions.filter(isInForce).length > 0;
  return paragraphs(
    head(input, writing, {
      title: 'Questions that will be asked',
      from: 'whoever presents the deck',
      to: 'whoever presents the deck',
      send: 'read it before the meeting',
      wanted: 'answers with their evidence at hand',
    }).trim(),
    entry(
      'Is the hardware simply too small?',
      together(
        say`A request read ${'rows-read-per-request:peak'} rows by sequential scans; twice the hardware reads them in half the time at best, until the data has doubled.`,
        say`After the short-term fixes it is ${'rows-read-per-request:peak-after-short-term'} rows on the same machine.`,
      ),
      'report, “Before and after”',
    ),
    entry(
      'How do you know that it was these causes?',
      inForce
        ? together(
            say`The statements of ${'actions:measured'} actions were timed before and after each.`,
            say`For ${'actions:predicted'} indexes the planner gave a factor first; for ${'actions:predicted-near'} of them it was within a factor of two. It says what to do first, not how much it gains.`,
          )
        : '',
      'report, “Short-term fixes”; the journal in the database (`sqltrail fix list`)',
    ),
    entry(
      'Could it be chance? It is one run.',
      together(
        say`There are ${'windows:peak'} windows before and ${'windows:peak-after-short-term'} after, which do not overlap.`,
        say`Page time is ${effect} shorter, 95 % interval ${`${effect}:low`} to ${`${effect}:high`}; Cliff’s delta ${`${effect}:delta`}.`,
        ask`Windows of one run are not independent of each other, so take the interval for narrow. Repeat it with another seed: \`npm start -- --seed 7\`.`,
      ),
      'report, “Before and after”; `lib/stats/interval.ts`, `report/effect.ts`',
    ),
    entry(
      'Is the load real?',
      together(
        known(
          'sample-shop/load/load.test.ts',
        )`It comes at its own pace (open loop), so waiting is counted from the intended click.`,
        say`It is generated: ${'checkouts:peak:of-visits'} of its visits buy, and how long they wait before they give up is a setting. The money is reckoned with ${'assumed:buyingShare:likely'} buyers.`,
      ),
      '`sample-shop/load/`, `report/assumptions.yaml`',
    ),
    entry(
      'What if fewer visitors buy than you assume?',
      together(
        say`The plan is earned back within a year as long as ${'break-even:buyers'} of the visits buy.`,
        say`If all who were lost came back and bought, the loss would be ${'impact:retry:100'}.`,
      ),
      'report, “What it costs to wait”',
    ),
    entry(
      'Why not only a larger connection pool?',
      say`A request waited ${'pool-wait-p95:peak'} for a connection while ${'pool-saturation:peak'} of them were busy with statements. More connections would move that wait into the database.`,
      'report, “Wait for a connection” and “Slowest statement”',
    ),
    entry(
      'What if an index makes writing slower?',
      together(
        known(
          'fix/mitigate.integration.test.ts',
        )`An action that was measured and does not help is reverted by itself.`,
        when('actions reverted')`That happened to ${'actions:reverted'} of them.`,
        ask`What writing pays for each index was not measured apart.`,
      ),
      'report, “Short-term fixes”',
    ),
    entry(
      'Did anything become worse?',
      together(
        worse.length > 0 ? when('something worse')`Yes: ${quoted(worse.join(', '))}.` : '',
        ...input.worseSamples.map(
          ({ id, name, phase }) =>
            say`${quoted(name)}, by samples and without an interval: ${`sampled:${id}:peak`} became ${`sampled:${id}:${phase}`}.`,
        ),
        when(
          'nothing compared worse',
        )`Of ${'kpis:compared'} KPIs that were read in windows, out of ${'kpis:all'}, none became worse; the others were not compared.`,
      ),
      'report, column “effect”',
    ),
    entry(
      'How do we know that no order was lost?',
      together(
        say`${'verified:rows'} rows were compared both ways through views that rebuild the old rows; ${'verified:differing'} differ.`,
        say`Customers were given ${'orders:acknowledged'} orders meanwhile; ${'orders:found'} came into the database.`,
      ),
      'report, “Orders and rows compared”',
    ),
    entry(
      'What if it fails half way?',
      known(
        'migrate/crash.integration.test.ts',
      )`Each step is journalled in the database, and is resumed or rolled back after a kill; until the old tables are dropped each can be reverted.`,
      '`migrate/crash.integration.test.ts`, with kill -9 at each step',
    ),
    entry(
      'Do customers notice the migration?',
      say`Page time went from ${'strain:before'} to ${'strain:during'} during the backfill; ${'strain:failed'} of ${'strain:requests'} requests failed; the longest wait for one of its locks was ${'strain:lock'}, in ${'strain:lock-samples'} samples.`,
      'report, “What customers noticed”',
    ),
    entry(
      'How many visitors can each model serve?',
      together(
        say`The old model ${'capacity:legacy:1'}, the new one ${'capacity:refactored:1'}, within the objective.`,
      ) || ask`That was not measured in this case (\`npm run bench:capacity\`).`,
      'report, “Capacity”',
    ),
    entry(
      'What was not measured?',
      together(
        ask`Real customers, and what is called “not measured” in the report.`,
        when('not migrated')`The new data model was not brought in, in this run.`,
      ),
      'report, “What was not measured”',
    ),
  );
}

const writers: Record<string, (input: Case, writing: Writing) => string> = {
  'messages/engineers.md': engineers,
  'messages/management.md': management,
  'messages/support-and-customers.md': support,
  'messages/status.md': status,
  'messages/questions-and-answers.md': questions,
};

/** Messages for several readers; the same figures in each. */
export const messages = (input: Case, writing: Writing): Message[] =>
  Object.entries(writers).map(([file, write]) => ({ file, text: write(input, writing) }));
