import { Marp } from '@marp-team/marp-core';
import { causeBars, gantt, phaseBars, tornado } from './charts.ts';
import type { ReportInput } from './evidence.ts';

/** Words a minute of a calm speaker. */
export const WORDS_PER_MINUTE = 130;

export interface Slide {
  title: string;
  body: string;
  notes: string;
  /** What the notes are planned to take. */
  seconds: number;
}

/** As an image, so that no style of a chart reaches the slide, and no blank line ends it in the markdown. */
const image = (svg: string, alt: string) =>
  `<img alt="${alt}" src="data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}">`;

export const wordsIn = (text: string) => text.split(/\s+/).filter(Boolean).length;

/** Five minutes: actual sources, impact on the future, short-term actions, medium-term roadmap, why to believe it. */
export function slides({ recording, figures, sensitivity, assumptions }: ReportInput): Slide[] {
  const f = (id: string) => figures.text(id);
  const relieved = recording.phases.some(({ name }) => name === 'peak-after-short-term');
  const findings = recording.diagnosis?.findings ?? [];
  const partial = recording.outcome === 'complete' ? '' : `\n\n**This run is ${recording.outcome}.**`;
  const base = (figures.value('impact:measured:likely') ?? 0) + (figures.value('impact:churn:likely') ?? 0);
  const top = findings.filter(({ shareOfLostTime }) => shareOfLostTime !== null).slice(0, 3);
  return [
    {
      title: 'The shop breaks at its peak',
      body: `Page time **${f('customer-latency-p95:peak')}** (p95), **${f('request-failure-ratio:peak')}** of requests fail, **${f('checkouts:peak:lost')}** of buyers leave without an order.${partial}\n\n${image(phaseBars(figures, recording, 'customer-latency-p95', 900, 420), 'Page time in each phase')}`,
      notes: `At ordinary load a page takes ${f('customer-latency-p95:ordinary')}. When the peak comes it takes ${f('customer-latency-p95:peak')}, and ${f('request-failure-ratio:peak')} of the requests fail. Of those who came to buy, ${f('checkouts:peak:lost')} left without an order. The first alert that pages came ${f('alerts:first-page')} into the peak. From that alert it is one click to the trace, and one more to the statement and its plan. In the next four minutes: where it comes from, what it costs if we wait, what we did at once, what we propose, and why you can believe the numbers.`,
      seconds: 50,
    },
    {
      title: 'Where it comes from',
      body: `${image(causeBars(figures, recording, 6, 1100, 350), 'Causes by their share of database time')}\n\n**${f('missing-indexes')}** missing indexes · **${f('copies:bytes')}** of copied facts · **${f('cold:bytes')}** older than a year · **${f('missing-references')}** references nobody declared`,
      notes: `The diagnosis read the live database for ${f('diagnosis:seconds')} and changed nothing. Time is lost in a few statements. ${top.map(({ title, rank }) => `${title}, ${f(`finding:${rank}:share`)} of all database time.`).join(' ')} Below that lies the data model. The same facts are copied into each order, ${f('copies:bytes')} of them, and some of the copies contradict each other. ${f('cold:bytes')}, ${f('cold:share')} of the database, are older than a year, and every scan carries them along. A single request read ${f('rows-read-per-request:peak')} rows. So this is not a question of hardware. It is a question of what the database is made to read.`,
      seconds: 60,
    },
    {
      title: 'What it costs to wait',
      body: `| twelve months | low | likely | high |\n|---|---|---|---|\n${(
        [
          ['lost baskets (measured)', 'measured'],
          ['slow pages (scenario)', 'scenario'],
          ['customers who stay away', 'churn'],
          ['on-call work', 'on-call'],
        ] as const
      )
        .map(
          ([title, id]) =>
            `| ${title} | ${f(`impact:${id}:low`)} | **${f(`impact:${id}:likely`)}** | ${f(`impact:${id}:high`)} |`,
        )
        .join(
          '\n',
        )}\n\n${sensitivity.length > 0 ? image(tornado(sensitivity, base, assumptions.currency, 900), 'How far each assumption moves the loss') : ''}`,
      notes: `If nothing changes, the lost baskets of the recorded peak come to ${f('impact:measured:likely')} in a year, between ${f('impact:measured:low')} and ${f('impact:measured:high')}. The baskets are counted; the hours of peak and the share of people who come back are assumptions, and they are listed with their source. Slow pages cost sales even where nothing fails. That is a scenario from published studies, and we never add it to the first number. Then there are customers who stay away, ${f('impact:churn:likely')}, and nights on call, ${f('impact:on-call:likely')}. The chart shows which assumption moves the result most. Put in your own.`,
      seconds: 60,
    },
    {
      title: relieved ? 'What we did at once' : 'What to do at once',
      body: relieved
        ? `${f('actions:kept')} actions under the running peak, each measured alone, each with its undo; ${f('actions:taken-back')} taken back\n\n<div class="pair">${image(phaseBars(figures, recording, 'request-failure-ratio', 560, 360), 'Failed requests')}${image(phaseBars(figures, recording, 'rows-read-per-request', 560, 360), 'Rows read')}</div>`
        : 'Indexes built without blocking, statements rewritten, closed orders archived: each measured, each with a way back. This run did not get so far.',
      notes: relieved
        ? `While the peak went on we built the missing indexes, without blocking anybody, and switched to rewritten statements. Each action was measured alone, before and after. An action that makes its statements slower is taken back by itself; ${f('actions:taken-back')} were. Then the same peak came again. Page time went from ${f('customer-latency-p95:peak')} to ${f('customer-latency-p95:peak-after-short-term')}. Failed requests went from ${f('request-failure-ratio:peak')} to ${f('request-failure-ratio:peak-after-short-term')}. The alerts were silent ${f('alerts:silent')} after the last change. This is relief, not a cure. The indexes carry a review date.`
        : 'The relief was not measured in this run, so nothing is claimed for it. The plan is printed by the tool before anything is changed, with the lock, the risk and the undo of each action.',
      seconds: 60,
    },
    recording.migration?.reached === 'contract' && recording.migration.verification?.equal
      ? {
          title: 'The cure, and why to believe it',
          body: `${f('archival:rows')} closed and old rows archived · new model brought in online · live database **${f('size:before')} → ${f('size:after')}**\n\n<div class="pair">${image(gantt(recording, 620), 'Phases of the migration')}${image(phaseBars(figures, recording, 'customer-latency-p95', 500, 300), 'Page time in each phase')}</div>\n\n**${f('verified:rows')}** rows compared both ways, **${f('verified:differing')}** differ · **${f('orders:acknowledged')}** checkouts answered, **${f('orders:found')}** orders there · every figure leads to its raw data`,
          notes: `Relief buys time; the cure is a cleaner model. We tried it on the recorded shop, while customers kept buying. First ${f('archival:rows')} closed rows went to files, each compared before it was deleted. Then the new model was filled in small steps beside the old one. ${f('verified:rows')} rows were compared both ways, and ${f('verified:differing')} differ. The database is ${f('size:saved')} smaller, and under the same peak a page takes ${f('customer-latency-p95:peak-after-medium-term')}. For your size we plan ${f('migration:backfill:production:likely')} of carrying over. Until the last step everything can be taken back. Every figure has its query and its raw data in the report. What we ask for today is the time for the first two steps.`,
          seconds: 60,
        }
      : {
          title: 'What we propose, and why to believe it',
          body: `1. **Expand** – the clean model beside the old one\n2. **Both written, old data copied** in small steps, stopped by the shop's own KPIs\n3. **Verified** – counts, sums, hashes, differences both ways\n4. **Switched**, with a way back · 5. **Contract**, and archival by policy\n\n**Evidence:** open-loop load · windows that do not overlap, 95 % intervals · prediction beside measurement · every figure leads to its raw data`,
          notes: `Relief buys time. The data still grows, and the copies still contradict each other. So we propose a cleaner model, brought in step by step while customers keep buying, with a way back until the very last step, and with an archive for closed orders. Why believe us? The load does not slow down when the shop does, so nothing is hidden. Every index had a prediction before it had a measurement. Every figure on these slides has its query and its raw data in the report, and a check fails when one is changed by hand. What we ask of you today is the time for the first two steps.`,
          seconds: 60,
        },
  ];
}

const theme = `section{font-family:system-ui,sans-serif;font-size:25px;color:#1a1a1a;background:#fff;padding:48px 60px;place-content:start;justify-content:flex-start;align-items:stretch;display:flex;flex-direction:column}
h1{font-size:42px;color:#1a1a1a;margin:0 0 14px}table{font-size:22px}img{display:block;margin:6px auto;max-width:100%;max-height:440px}.pair img{margin:0}.pair{display:flex;gap:12px;justify-content:center}footer,section::after{color:#666;font-size:15px}`;

/** Marp's markdown, with the notes as comments. */
export function deckMarkdown(input: ReportInput): string {
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
<html lang="en"><head><meta charset="utf-8"><title>Five minutes</title><style>${css}
@page{size:1280px 720px;margin:0}body{margin:0;background:#888}div.marpit>svg{display:block;margin:0 auto 16px;width:min(100vw,1280px);height:auto}@media print{body{background:none}div.marpit>svg{margin:0;width:1280px;height:720px;break-after:page}}</style></head><body>${html}</body></html>
`;
}
