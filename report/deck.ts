import { Marp } from '@marp-team/marp-core';
import type { Case } from './case.ts';
import { causeBars } from './charts/causeBars.ts';
import { migrationGantt, roadmapGantt } from './charts/gantt.ts';
import { cumulatedCost } from './charts/impact.ts';
import { phaseBars } from './charts/phaseBars.ts';
import { contentPolicy } from './page.ts';
import { plain } from './plain.ts';

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
 * drawn small and shown at `width`, which makes their text large enough to be read from the last row.
 */
const image = (svg: string, alt: string, width: number) =>
  `<img alt="${alt}" width="${width}" src="data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}">`;

export const wordsIn = (text: string) => text.split(/\s+/).filter(Boolean).length;

function opening({ recording, figures }: Case): Slide {
  const f = (id: string) => figures.text(id);
  const partial = recording.outcome === 'complete' ? '' : `\n\n**This run is ${recording.outcome}.**`;
  return {
    title: 'The shop breaks at its peak',
    body: `Page time **${f('customer-latency-p95:peak')}** (p95), **${f('request-failure-ratio:peak')}** of requests fail, **${f('checkouts:peak:lost')}** of buyers leave without an order.${partial}\n\n${image(phaseBars(figures, recording, 'customer-latency-p95', 680, 300), 'Page time in each phase', 960)}`,
    notes: `At ordinary load a page takes ${f('customer-latency-p95:ordinary')}. At the peak it takes ${f('customer-latency-p95:peak')}, and ${f('request-failure-ratio:peak')} of the requests fail. Of those who came to buy, ${f('checkouts:peak:lost')} left without an order. The first alert that pages came ${f('alerts:first-page')} into the peak, and it led to the trace, the statement and its plan. Now: where it comes from, what waiting costs, what we did at once, what we propose, and why you can believe it.`,
    seconds: 40,
  };
}

function sources({ recording, figures }: Case): Slide {
  const f = (id: string) => figures.text(id);
  const top = (recording.diagnosis?.findings ?? [])
    .filter(({ shareOfLostTime }) => shareOfLostTime !== null)
    .slice(0, 3);
  return {
    title: 'Where it comes from',
    body: `${image(causeBars(figures, recording, 6, 880, 280), 'Causes by their share of database time', 1140)}\n\n**${f('missing-indexes')}** missing indexes · **${f('copies:bytes')}** of copied facts · **${f('cold:bytes')}** older than a year · **${f('missing-references')}** references nobody declared`,
    notes: `The diagnosis read the live database for ${f('diagnosis:seconds')} and changed nothing. Time is lost in a few statements. ${top.map(({ title, rank }) => `${plain(title)}, ${f(`finding:${rank}:share`)} of all database time.`).join(' ')} Below that lies the data model. The same facts are copied into each order, ${f('copies:bytes')} of them, and some of the copies contradict each other. ${f('cold:bytes')}, ${f('cold:share')} of the database, are older than a year, and every scan carries them along. So this is not a question of hardware. It is a question of what the database is made to read.`,
    seconds: 60,
  };
}

function future({ figures, impact, assumptions }: Case): Slide {
  const f = (id: string) => figures.text(id);
  const rows = (
    [
      ['lost baskets (measured)', 'measured'],
      ['slow pages (scenario)', 'scenario'],
      ['customers who stay away', 'churn'],
      ['on-call work', 'onCall'],
      ['database time', 'database'],
    ] as const
  ).map(
    ([title, id]) =>
      `| ${title} | ${f(`impact:${id}:today`)} | ${f(`impact:${id}:low`)} | **${f(`impact:${id}:likely`)}** | ${f(`impact:${id}:high`)} |`,
  );
  return {
    title: 'What it costs to wait',
    body: `| | a month, today | 12 months, low | likely | high |\n|---|---|---|---|---|\n${rows.join('\n')}\n\n${impact.cumulated.length > 0 ? image(cumulatedCost(impact, assumptions.currency, 800, 180), 'Revenue at risk, added up over twelve months', 1080) : ''}`,
    notes: `The baskets that were lost in the recorded peak are counted. Carried on to a year of such peaks they come to ${f('impact:measured:likely')}, between ${f('impact:measured:low')} and ${f('impact:measured:high')}. The hours of peak, the traffic and the share of people who come back are assumptions, each listed with its source. Slow pages are a scenario from studies, never added to the first number. Then come customers who stay away, ${f('impact:churn:likely')}, and on-call work, ${f('impact:onCall:likely')}. The data is ${f('growth:year:likely')} as large in a year, and reading whole tables takes as much longer. Put in your own numbers; the report shows which matters most.`,
    seconds: 60,
  };
}

function atOnce({ recording, figures }: Case): Slide {
  const f = (id: string) => figures.text(id);
  if (!recording.phases.some(({ name }) => name === 'peak-after-short-term'))
    return {
      title: 'What to do at once',
      body: 'Indexes built without blocking, statements rewritten, closed orders archived: each measured, each with a way back. This run did not get so far.',
      notes:
        'The relief was not measured in this run, so nothing is claimed for it. The tool builds indexes without blocking anybody, and rewrites the statements that read far too much. It prints the plan before anything is changed, with the lock, the risk and the undo of each action. Each action is measured alone, before and after, under the running load, and one that does not help is taken back by itself.',
      seconds: 50,
    };
  return {
    title: 'What we did at once',
    body: `**${f('actions:kept')}** actions in force, each with its undo; **${f('actions:measured')}** timed alone under the running peak, **${f('actions:taken-back')}** taken back\n\n<div class="pair">${image(phaseBars(figures, recording, 'request-failure-ratio', 430, 310), 'Failed requests', 570)}${image(phaseBars(figures, recording, 'rows-read-per-request', 430, 310), 'Rows read', 570)}</div>`,
    notes: `While the peak went on we built the missing indexes, without blocking anybody, and switched to rewritten statements. ${f('actions:measured')} actions were timed alone, before and after. One that was measured and is not shown to help is taken back by itself; ${f('actions:taken-back')} were. Then the same peak came again. Page time went from ${f('customer-latency-p95:peak')} to ${f('customer-latency-p95:peak-after-short-term')}, failed requests from ${f('request-failure-ratio:peak')} to ${f('request-failure-ratio:peak-after-short-term')}. The alerts were silent ${f('alerts:silent')} after the last change. This is relief, not a cure. The indexes carry a review date.`,
    seconds: 50,
  };
}

/** Whether the new model was brought in, and both models were equal. */
const cured = ({ recording }: Case) =>
  recording.migration?.reached === 'contract' && recording.migration.verification?.equal === true;

function roadmapSlide(input: Case): Slide {
  const f = (id: string) => input.figures.text(id);
  const tried = cured(input);
  return {
    title: tried ? 'The cure, tried; and the way to it' : 'The cure we propose',
    body: `${tried ? `Tried on the recorded shop while it was open: **${f('archival:rows')}** rows archived, new model brought in online, live database **${f('size:before')} → ${f('size:after')}**` : 'The clean model beside the old one, filled and compared in small steps, with a way back until the last'}\n\n<div class="pair">${image(roadmapGantt(tried ? 560 : 900), 'The plan, in days', tried ? 630 : 1000)}${tried ? image(migrationGantt(input.recording, 450), 'Phases of the recorded migration', 510) : ''}</div>`,
    notes: tried
      ? `Relief buys time; the cure is a cleaner model with an archive. We tried it on the recorded shop, while customers kept buying. First ${f('archival:rows')} old rows went to files, each compared before it was deleted. Then the new model was filled in small steps beside the old one, giving way to the shop’s own page times. The database is ${f('size:saved')} smaller, and the same peak has pages of ${f('customer-latency-p95:peak-after-medium-term')}. For your size we plan ${f('migration:backfill:production:likely')} of carrying over. Everything up to the last bar can be taken back.`
      : 'Relief buys time. The data still grows, and the copies still contradict each other. So we propose a cleaner model, brought in step by step while customers keep buying, and an archive for closed orders. The old and the new model are both written, the rows are carried over in small steps that give way to customers, and both are compared before the switch. Each bar has an owner and a gate. Everything up to the last bar can be taken back.',
    seconds: 50,
  };
}

function belief(input: Case): Slide {
  const { figures } = input;
  const f = (id: string) => figures.text(id);
  const after = figures.get('customer-latency-p95:effect:peak-after-short-term:mean')
    ? `- Same load, same data: page time **${f('customer-latency-p95:effect:peak-after-short-term:mean')} shorter** (95 % interval ${f('customer-latency-p95:effect:peak-after-short-term:low')} to ${f('customer-latency-p95:effect:peak-after-short-term:high')}), from windows that do not overlap\n`
    : '';
  const integrity = cured(input)
    ? `- **${f('verified:rows')}** rows of both models compared, **${f('verified:differing')}** differ; **${f('orders:acknowledged')}** checkouts answered, **${f('orders:found')}** orders there\n`
    : '';
  return {
    title: 'Why it can be believed',
    body: `- The load comes at its own pace: when the shop is slow, waiting counts\n${after}${figures.get('actions:predicted')?.value ? `- **${f('actions:predicted')}** indexes had a prediction before they had a measurement; both stand side by side\n` : ''}${integrity}- Every figure has its **query, window and raw data**; a check fails when one is changed by hand\n- What was not measured is called so\n\n**We ask for:** the relief now, archival within a week, a yes to the plan`,
    notes: `The load does not slow down when the shop does, so nothing is hidden. ${figures.get('actions:predicted')?.value ? `${f('actions:predicted')} indexes had a prediction before they had a measurement. ` : ''}${cured(input) ? `When both models were compared, ${f('verified:rows')} rows, ${f('verified:differing')} differed. ` : ''}Every figure on these slides has its query, its window and its raw data in the report, and a check fails when one is changed by hand. What we ask of you today is the relief now, the archive within a week, and a yes to the plan.`,
    seconds: 40,
  };
}

/** Five minutes: actual sources, impact on the future, short-term actions, medium-term roadmap, why to believe it. */
export const slides = (input: Case): Slide[] =>
  [opening, sources, future, atOnce, roadmapSlide, belief].map((slide) => slide(input));

const theme = `section{font-family:system-ui,sans-serif;font-size:25px;color:#1a1a1a;background:#fff;padding:44px 60px 56px;place-content:start;justify-content:flex-start;align-items:stretch;display:flex;flex-direction:column}
h1{font-size:42px;color:#1a1a1a;margin:0 0 14px}table{font-size:19px;flex:none}li+li{margin-top:10px}img{display:block;margin:6px auto;max-width:100%}.pair img{margin:0}.pair{display:flex;gap:12px;justify-content:center;align-items:flex-start}footer,section::after{color:#666;font-size:15px}`;

/** Marp's markdown, with the notes as comments. */
export function deckMarkdown(input: Case): string {
  return `---
marp: true
paginate: true
footer: recorded ${input.recording.startedAt.slice(0, 10)} · every figure: report.html
---
<style>
${theme}
</style>

${slides(input)
  .map(({ title, body, notes, seconds }) => `# ${title}\n\n${body}\n\n<!--\n${seconds} s\n\n${notes}\n-->`)
  .join('\n\n---\n\n')}
`;
}

const clock = (seconds: number) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;

/** What is said with each slide, and from when to when. */
export function speakerNotes(input: Case): string {
  let at = 0;
  const notes = slides(input).map(({ title, notes: said, seconds }, slide) => {
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
<html lang="en"><head><meta charset="utf-8">${contentPolicy}<title>Five minutes</title><style>${css}
@page{size:1280px 720px;margin:0}body{margin:0;background:#888}div.marpit>svg{display:block;margin:0 auto 16px;width:min(100vw,1280px);height:auto}@media print{body{background:none}div.marpit>svg{margin:0;width:1280px;height:720px;break-after:page}}</style></head><body>${html}</body></html>
`;
}
