import { Marp } from '@marp-team/marp-core';
import { isInForce } from '../fix/journalEntry.ts';
import type { Case } from './case.ts';
import { capacityBars } from './charts/capacity.ts';
import { causeBars } from './charts/causeBars.ts';
import { stageGantt } from './charts/gantt.ts';
import { cumulatedCost } from './charts/impact.ts';
import { phaseBars } from './charts/phaseBars.ts';
import { contentPolicy } from './page.ts';
import { together, Words } from './sentence.ts';
import { paragraphs, quoted, Writing } from './writing.ts';

/** Words a minute of a calm speaker. */
export const WORDS_PER_MINUTE = 130;

export interface Slide {
  title: string;
  body: string;
  notes: string;
  /** What the notes are planned to take. */
  seconds: number;
}

/**
 * As an image, so that no style of a chart reaches the slide, and no blank line ends it in the markdown. Charts are
 * drawn small and shown {@link ZOOM} times as large, which makes their text large enough to be read from the last row.
 */
const ZOOM = 2.1;
const image = (svg: string, alt: string, width: number) =>
  `<img alt="${alt}" width="${Math.round(width * ZOOM)}" src="data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}">`;

export const wordsIn = (text: string) => text.split(/\s+/).filter(Boolean).length;

/** A slide's writer: what it shows, and what is said with it. */
type Writer = (input: Case, writing: Writing) => Slide;

const opening: Writer = ({ recording, figures }, { say, when, ask }) => ({
  title:
    say`At the peak ${'checkouts:peak:lost'} of the buyers leave without an order` ||
    ask`What happened at the peak`,
  body: paragraphs(
    recording.outcome === 'complete' ? '' : ask`**This run is ${new Words(recording.outcome)}.**`,
    say`A page takes **${'customer-latency-p95:peak'}** (p95), and **${'request-failure-ratio:peak'}** of the requests fail.`,
    image(
      phaseBars(
        figures,
        recording,
        'customer-latency-p95',
        540,
        recording.outcome === 'complete' ? 200 : 172,
      ),
      'Page time in each phase',
      540,
    ),
  ),
  notes: together(
    say`Before the peak, with ${'offered:ordinary'} visits a second, a page takes ${'customer-latency-p95:ordinary'}.`,
    say`At the peak, with ${'offered:peak'} visits a second, it takes ${'customer-latency-p95:peak'}, and ${'request-failure-ratio:peak'} of the requests fail.`,
    say`Of ${'checkouts:peak:all'} people who came to buy, ${'checkouts:peak:count'} left without an order.`,
    when(
      'gave up, none failed',
    )`All of these gave up waiting; how patient they are is a setting of the load, which you can change.`,
    when(
      'followed to a trace',
      'plan captured',
    )`We followed an alert to the trace of a slow request, to its SQL and to its plan.`,
    ask`I will show you why, what it costs, what we changed, and what we ask of you.`,
  ),
  seconds: 45,
});

const sources: Writer = (input, { say, when, ask }) => {
  const { recording, figures, causes } = input;
  const top = causes.slice(0, 3);
  return {
    title: ask`Where the database time goes`,
    body: paragraphs(
      top.length > 0
        ? image(causeBars(input, 4, 560, 205), 'Causes by their share of database time', 560)
        : '',
      say`Below: **${'copies:bytes'}** of copied facts, **${'cold:bytes'}** older than a year.`,
    ),
    notes: together(
      say`The diagnosis read the live database for ${'diagnosis:seconds'}.`,
      top.length > 0 ? ask`Each statement counts once, for the cause whose fix gains most.` : '',
      ...top.map(({ title, rank }) => say`“${quoted(title)}”: ${`finding:${rank}:share`}.`),
      say`No finding explains ${'causes:rest'}.`,
      say`Below that lies the data model: ${'copies:bytes'} are copies of facts that stand elsewhere.`,
      when('copies contradict each other')`Some of the copies contradict each other.`,
      say`And ${'cold:share'} of the database is older than a year.`,
      say`A request reads ${'rows-read-per-request:peak'} rows by scanning tables.`,
      recording.diagnosis && figures.get('rows-read-per-request:peak')
        ? ask`More hardware would read them faster, and would not make them fewer.`
        : '',
    ),
    seconds: 50,
  };
};

/** Three columns and three rows: more cannot be read from the last row. */
const table = (rows: (readonly [string, string, string])[]): string => {
  const [head = ['', '', ''], ...body] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), '|---|---|---|', ...body.map(line)].join('\n');
};

const future: Writer = ({ impact, assumptions }, { say, ask }) => {
  const money = say`**${'impact:measured:likely'}**`;
  return {
    title: ask`What it costs to wait`,
    body: paragraphs(
      money
        ? table([
            ['', 'a month, today', 'twelve months'],
            ['lost orders', say`${'impact:measured:today'}`, money],
            ['the whole plan, once', '', say`${'price:plan:likely'}`],
          ])
        : ask`The checkouts of the peak were not counted, so no cost is given.`,
      impact.cumulated.length > 0
        ? image(
            cumulatedCost(impact, assumptions.currency, 560, 150, ['likely']),
            'Lost orders, added up over twelve months',
            560,
          )
        : '',
    ),
    notes: together(
      say`The lost baskets of the recorded peak were counted: ${'baskets:peak:lost'}.`,
      say`Carried on to a year of such peaks they come to ${'impact:measured:likely'}; with other assumptions, between ${'impact:measured:low'} and ${'impact:measured:high'}.`,
      say`One assumption you should know: in the recorded load ${'checkouts:peak:of-visits'} of the visits buy; the money is reckoned with ${'assumed:buyingShare:likely'}.`,
      say`Even if only ${'break-even:buyers'} of the visits bought, the plan would be earned back within a year.`,
      ask`Put in your own numbers.`,
    ),
    seconds: 45,
  };
};

/** Actions in force with a measured gain: first those that answer the most expensive causes. */
function gains({ recording, figures, causes }: Case) {
  const share = (ids: readonly string[]) =>
    causes
      .filter(({ id }) => ids.includes(id))
      .reduce((sum, { rank }) => sum + (figures.value(`finding:${rank}:share`) ?? 0), 0);
  return recording.actions
    .filter((entry) => isInForce(entry) && figures.get(`action:${entry.action.id}:gain`))
    .sort((a, b) => share(b.action.findings) - share(a.action.findings));
}

const NAMED_ACTIONS = 5;

const atOnce: Writer = (input, { say, when, ask }) => {
  const { recording, figures } = input;
  const named = gains(input).slice(0, NAMED_ACTIONS);
  return {
    title: when('mitigated')`What we changed at once` || ask`What to change at once`,
    body: paragraphs(
      named
        .map(({ action }) => say`- ${quoted(action.title)}: **${`action:${action.id}:gain`}** as fast`)
        .join('\n'),
      when(
        'mitigated',
      )`${new Words(image(phaseBars(figures, recording, 'request-failure-ratio', 540, 155), 'Failed requests', 540))}`,
      when(
        'not mitigated',
      )`Indexes built while the shop is open, statements rewritten: each measured, each with its undo. This run did not get so far.`,
    ),
    notes: together(
      when(
        'mitigated',
      )`While the peak went on we built the missing indexes and switched to rewritten statements.`,
      say`You see those against the largest causes; ${'actions:kept'} are in force, and ${'actions:measured'} were timed before and after.`,
      when('actions reverted')`${'actions:reverted'} did not help, and were reverted.`,
      when('each action in force has an undo')`Each has its undo in the journal.`,
      when('same load after the short term')`Then the same load came again.`,
      say`A page takes ${'customer-latency-p95:peak-after-short-term'} instead of ${'customer-latency-p95:peak'}.`,
      say`Of ${'checkouts:peak-after-short-term:all'} buyers ${'checkouts:peak-after-short-term:count'} were lost.`,
      say`From so many, that is at most ${'checkouts:peak-after-short-term:at-most'}.`,
      say`The awaited alerts were silent ${'alerts:silent'} after the last change.`,
      ask`This buys time; the data model stays as it is.`,
    ),
    seconds: 45,
  };
};

const proposal: Writer = (input, { say, when, ask, known }) => {
  const { capacity, figures, recording, calendar } = input;
  const partitioned = (recording.migration?.partitioned ?? []).slice(0, 3);
  return {
    title:
      when('migrated')`The new data model, tried on the open shop` || ask`The new data model that we propose`,
    body: paragraphs(
      say`**${'archival:rows'}** rows archived · database **${'size:before'} → ${'size:after'}**`,
      partitioned.length > 0
        ? when(
            'migrated',
          )`Partitioned: ${quoted(partitioned.map(({ table: name, by }) => `${name} by ${by}`).join('; '))}`
        : '',
      capacity
        ? `<div class="pair">${image(capacityBars(figures, capacity, 330, 205), 'Visits a second that each model can serve', 330)}\n\n${[
            say`- Archival: ${'date:archive'}`,
            say`- New model filled: ${'date:filled'}`,
            say`- In use: **${'date:switched'}**`,
            say`- Old tables dropped: ${'date:end'}`,
          ].join('\n')}\n\n</div>`
        : image(
            stageGantt(calendar, input.assumptions.freezePeriods, 540),
            'The plan, by date; grey: freeze periods',
            540,
          ),
    ),
    notes: together(
      ask`The lasting answer is a cleaner model, with an archive for what is closed.`,
      when('migrated')`We tried it on the recorded shop.`,
      say`First ${'archival:rows'} old rows went to files.`,
      known(
        'archive/archive.integration.test.ts',
      )`Each file is read back and compared before a row is deleted.`,
      say`Then ${'migration:units'} units were copied in small steps; ${'strain:failed'} of ${'strain:requests'} requests failed meanwhile.`,
      when('migrated under the load of the peak')`The load of the peak went on while they were.`,
      when(
        'same load after the medium term',
      )`The database is ${'size:saved'} smaller, and the same peak has pages of ${'customer-latency-p95:peak-after-medium-term'}.`,
      say`For ${'assumed:productionTimesData:likely'} times the recorded data, an assumption, we plan ${'migration:backfill:production:likely'} of copying.`,
      capacity
        ? say`Measured apart, ${'capacity:legacy:1'} visits a second were the limit of the old model, and ${'capacity:refactored:1'} that of the new one.`
        : ask`How many visits a second each model can serve is not measured yet.`,
      say`If you say yes on ${'date:start'}, the new model is in use on ${'date:switched'}; the plan keeps clear of your freeze periods.`,
      ask`Until the old tables are dropped, each step can be reverted.`,
    ),
    seconds: 70,
  };
};

const decision: Writer = ({ worse }, { say, when, ask, known }) => ({
  title: ask`What we ask you to decide`,
  body: paragraphs(
    [
      say`- **Today**: keep the short-term fixes (${'price:daysShortTerm:likely'})`,
      say`- **Archive** closed and old rows (${'price:daysArchival:likely'})`,
      say`- **New data model** by ${'date:switched'} (${'price:daysMediumTerm:likely'})`,
      say`- All three: **${'price:plan:likely'}**, earned back after **${'payback:days'}** of use`,
    ]
      .filter(Boolean)
      .join('\n'),
    ask`**Why you can believe it**`,
    [
      say`- Page time **${'customer-latency-p95:effect:peak-after-short-term'}** shorter (95 %: ${'customer-latency-p95:effect:peak-after-short-term:low'} to ${'customer-latency-p95:effect:peak-after-short-term:high'})`,
      when(
        'models equal',
      )`- **${'verified:rows'}** rows of both models equal; of **${'orders:acknowledged'}** orders given, **${'orders:found'}** found`,
      say`- **${'kpis:compared'}** of **${'kpis:all'}** KPIs compared; worse: ${new Words(worse.length > 0 ? worse.map((name) => quoted(name).text).join(', ') : 'not one of these')}`,
    ]
      .filter(Boolean)
      .join('\n'),
  ),
  notes: together(
    say`We ask for three things, ${'price:plan:likely'} together: keep what we changed, archive, and start on the new model.`,
    say`At the likely numbers that is earned back after ${'payback:days'} of use.`,
    known(
      'sample-shop/load/load.test.ts',
    )`Why believe it? Customers of the load come at their own pace, so waiting counts.`,
    say`The peaks were read in windows that do not overlap, ${'windows:peak'} before and ${'windows:peak-after-short-term'} after.`,
    when('every acknowledged order found')`Each order that a customer was given is in the database.`,
    when('something worse')`What became worse stands on this slide.`,
    known(
      'report/report.test.ts',
    )`Each figure has its query and its raw data in the report, and a check fails when one is changed by hand.`,
    ask`May we go on?`,
  ),
  seconds: 45,
});

/** Five minutes: what happened, why, what it costs, short term, medium term, the decision and why to believe it. */
export const slides = (input: Case, writing = new Writing(input)): Slide[] =>
  [opening, sources, future, atOnce, proposal, decision].map((slide) => slide(input, writing));

/** 24 px are 18 pt: nothing on a slide is smaller. */
const theme = `section{font-family:system-ui,sans-serif;font-size:26px;line-height:1.3;color:#1a1a1a;background:#fff;padding:36px 56px 60px;place-content:start;justify-content:flex-start;align-items:stretch;display:flex;flex-direction:column}
h1{font-size:42px;line-height:1.15;color:#1a1a1a;margin:0 0 10px}p,ul{margin:8px 0}table{font-size:26px;flex:none;margin:6px 0}li+li{margin-top:6px}img{display:block;margin:4px auto;max-width:100%}.pair img{margin:0}.pair{display:flex;gap:12px;justify-content:center;align-items:flex-start}footer,section::after{color:#555;font-size:24px}`;

/** Marp's markdown, with the notes as comments. */
export function deckMarkdown({ recording }: Case, deck: readonly Slide[]): string {
  return `---
marp: true
paginate: true
footer: recorded ${recording.startedAt.slice(0, 10)} · sources of the figures: appendix.html
---
<style>
${theme}
</style>

${deck
  .map(({ title, body, notes, seconds }) => `# ${title}\n\n${body}\n\n<!--\n${seconds} s\n\n${notes}\n-->`)
  .join('\n\n---\n\n')}
`;
}

const clock = (seconds: number) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;

/** What is said with each slide, and from when to when. */
export function speakerNotes(deck: readonly Slide[]): string {
  let at = 0;
  const notes = deck.map(({ title, notes: said, seconds }, slide) => {
    const from = at;
    at += seconds;
    return `## ${clock(from)} to ${clock(at)}, slide ${slide + 1}: ${title}\n\n${said}\n`;
  });
  return `# Speaker notes: ${clock(at)} minutes in all\n\n${notes.join('\n')}`;
}

/** The slides as one page without scripts; the notes stand in the markdown. */
export function deckHtml(markdown: string): string {
  const marp = new Marp({
    html: true,
    script: false,
    emoji: { unicode: false, shortcode: false },
    math: false,
  });
  const { html, css } = marp.render(markdown);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">${contentPolicy()}<title>Five minutes</title><style>${css}
@page{size:1280px 720px;margin:0}body{margin:0;background:#888}div.marpit>svg{display:block;margin:0 auto 16px;width:min(100vw,1280px);height:auto}@media print{body{background:none}div.marpit>svg{margin:0;width:1280px;height:720px;break-after:page}}</style></head><body>${html}</body></html>
`;
}
