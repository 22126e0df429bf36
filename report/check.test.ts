import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../diagnosis/diagnosis.ts';
import type { RankedFinding } from '../diagnosis/finding.ts';
import { propertyRuns } from '../test/support/property.ts';
import { DEFAULT_ASSUMPTIONS, readAssumptions } from './assumptions.ts';
import { causeShares } from './attribution.ts';
import { type Case, caseOf } from './case.ts';
import { figureFaults, pageFaults, sentenceFaults } from './check.ts';
import { claimFaults } from './checkClaims.ts';
import { holds } from './claims.ts';
import { DOCS_RECORDING } from './docsPage.ts';
import { Figures, formats } from './figures.ts';
import { firstPage } from './measured.ts';
import { type Recording, readRecording } from './recording.ts';
import { rendered } from './write.ts';
import { Writing } from './writing.ts';

let recording: Recording;
beforeAll(async () => {
  recording = await readRecording(DOCS_RECORDING);
});

/** The recording of the docs with a fault put in. */
async function seeded(change: (recording: Recording) => void): Promise<Case> {
  const changed = structuredClone(recording);
  change(changed);
  return caseOf(changed, await readAssumptions(DEFAULT_ASSUMPTIONS));
}
const messagesOf = (input: Case) =>
  [...rendered(input).files]
    .flatMap(([name, text]) => (name.endsWith('.md') && name !== 'deck.md' ? [text] : []))
    .join('\n');

it('of the recording of the docs nothing is said that was not measured', async () => {
  expect(await claimFaults(DOCS_RECORDING)).toEqual([]);
});

describe('the checker finds', () => {
  const figures = (fill: (figures: Figures) => void) => {
    const all = new Figures();
    fill(all);
    return figureFaults(all.all());
  };

  it('two values of one quantity', () => {
    const faults = figures((all) => {
      all.define('checkouts:peak:lost', 0.943, formats.percent, ['/'], 'counted');
      all.define('board:lost', 0.858, formats.percent, ['/'], 'mean of windows', {
        quantity: 'checkouts:peak:lost',
      });
    });
    expect(faults.join()).toContain('two values of checkouts:peak:lost: 85.8 % (board:lost), 94.3 %');
  });

  it('shares that add up to more than all', () => {
    const faults = figures((all) => {
      for (const [rank, share] of [0.7, 0.6, 0.3].entries())
        all.define(`finding:${rank}:share`, share, formats.percent, ['/'], 'share', {
          shareOf: 'database time',
        });
    });
    expect(faults).toEqual(['shares of database time add up to 160.0 %']);
  });

  it('intervals from too few windows, and those whose ends are one bucket', () => {
    const faults = figures((all) => {
      all.define('few:low', 1, formats.count, ['/'], 'bootstrap', { windows: 2 });
      for (const end of ['low', 'high'])
        all.define(`bucket:${end}`, 0.0975, formats.duration, ['/'], 'bootstrap', { windows: 6 });
    });
    expect(faults).toEqual([
      'few:low: 1 is an end of an interval from 2 windows',
      'bucket:low: 97.5 ms to 97.5 ms is no interval',
    ]);
  });

  it.each([
    'The first alert led to the trace.',
    'Nobody has paid for an order that is not there.',
    'It ran on two cores.',
    'Archived under ordinary load.',
    'No KPI became worse.',
  ])('a claim that nothing measured: %s', async (text) => {
    const input = await seeded(() => {});
    const writing = new Writing(input);
    // A figure beside it does not bear it.
    const strings = (words: string[]) => Object.assign([...words], { raw: words });
    writing.say(strings([`${text} `, '']), 'alerts:first-page');
    writing.ask(strings([text]));
    expect(sentenceFaults(writing.sentences)).toHaveLength(2);
  });

  it('a sentence without a figure, a file that is not there, a paragraph without grounds', async () => {
    const writing = new Writing(await seeded(() => {}));
    writing.say`Customers are happy.`;
    writing.known('migrate/none.test.ts')`It resumes after a kill.`;
    writing.ask`We are sorry that the shop was slow.`;
    expect(sentenceFaults(writing.sentences).join()).toMatch(
      /has no figure.*is not there.*as if it were a proposal/,
    );
    const page =
      '<p>Customers are happy.</p><p><span data-figure="a">13 s</span></p><p data-basis="method">How</p>';
    const known = new Figures();
    known.define('a', 14, formats.seconds, ['/'], 'x');
    expect(pageFaults('page', page, new Map(known.all().map((figure) => [figure.id, figure])))).toEqual([
      'page: a is 14 s, and “13 s” is shown',
      'page: <p> has neither a figure nor grounds: Customers are happy.',
    ]);
  });
});

describe('what a recording does not bear is not said', () => {
  it('an alert that fired before the peak is not the first of it', async () => {
    const input = await seeded(({ alerts, phases }) => {
      const [first] = alerts.filter(({ phase, severity }) => phase === 'peak' && severity === 'page');
      const ordinary = phases.find(({ name }) => name === 'ordinary');
      if (first && ordinary)
        alerts.unshift({ ...first, phase: 'ordinary', firstSeenAt: ordinary.startedAt, afterSeconds: 0 });
    });
    const before = input.recording.alerts[0];
    expect(firstPage(input.recording)?.labels).not.toEqual(before?.labels);
    expect(input.figures.value('alerts:first-page')).toBe(firstPage(input.recording)?.afterSeconds);
  });

  it('the same load, where it was another', async () => {
    const input = await seeded(({ phases }) => {
      for (const phase of phases) if (phase.name === 'medium-term') phase.offeredRate = 0.25;
    });
    expect(holds(input, 'migrated under the load of the peak')).toBe(false);
    expect(messagesOf(input)).not.toContain('The load of the peak went on');
  });

  it('the same peak on the new data model, where it was another', async () => {
    const input = await seeded(({ phases }) => {
      for (const phase of phases) if (phase.name === 'peak-after-medium-term') phase.offeredRate = 1;
    });
    const { files } = rendered(input);
    for (const name of ['summary.html', 'deck-notes.md', 'messages/engineers.md', 'messages/status.md'])
      expect(files.get(name), name).not.toMatch(/the same peak/i);
    expect(files.get('messages/status.md')).toContain('The new model is in use.');
  });

  it('that no KPI became worse, while one that was not read in windows did', async () => {
    const input = await seeded(({ phases }) => {
      for (const { name, samples } of phases)
        samples.at(-1)?.kpis.push({
          id: 'dead-rows',
          value: name === 'peak' ? 0.015 : 0.349,
          met: name === 'peak',
        });
    });
    expect(input.worseSamples.map(({ id }) => id)).toEqual(['dead-rows']);
    const said = messagesOf(input);
    expect(said).toContain('1.5 % became 34.9 %');
    expect(said).not.toMatch(/none became worse/);
    expect(rendered(input).files.get('messages/engineers.md')).toContain(
      `**Worse than at the peak before**: ${input.worse.join(', ')}.`,
    );
    expect(input.worse).toContain(input.worseSamples[0]?.name);
  });

  it('that none was lost for good: none of so many is an upper bound', async () => {
    const input = await seeded(({ phases }) => {
      for (const phase of phases)
        if (phase.name === 'peak-after-short-term')
          Object.assign(phase, {
            checkouts: { completed: 154, failed: 0, abandoned: 0 },
            requests: { total: 1000, failed: 0 },
          });
    });
    expect(input.figures.text('checkouts:peak-after-short-term:at-most')).toBe('1.93 %');
    expect(input.figures.text('requests:peak-after-short-term:at-most')).toBe('0.299 %');
    expect(input.figures.value('impact:measured:peak-after-short-term:at-most')).toBeGreaterThan(0);
  });

  it('each order found, where one is missing; each action with an undo, where there is none', async () => {
    const lost = await seeded(({ migration }) => {
      if (migration) migration.orders = { acknowledged: 10, found: 9 };
    });
    expect(messagesOf(lost)).not.toMatch(/[Ee]ach order that .* is (there|in)/);
    expect(holds(await seeded((changed) => (changed.actions = [])), 'each action in force has an undo')).toBe(
      false,
    );
  });

  it('that the shop was slow and lost orders, where it was not and did not', async () => {
    const input = await seeded(({ phases, actions }) => {
      actions.length = 0;
      for (const phase of phases) {
        for (const { kpis } of phase.windows)
          for (const kpi of kpis) if (kpi.id === 'customer-latency-p95') kpi.value = 0.1;
        if (phase.checkouts) phase.checkouts = { completed: 100, failed: 0, abandoned: 0 };
      }
    });
    const said = messagesOf(input) + rendered(input).files.get('report.html');
    for (const claim of [
      /We are sorry/,
      /could not be placed/,
      /was (too )?slow/,
      /we built missing/,
      /We have found/,
    ])
      expect(claim.test(said), String(claim)).toBe(false);
  });

  it('a time stamp before what it says was known', async () => {
    const { figures, recording: run } = await seeded(() => {});
    const ended = run.phases.find(({ name }) => name === 'peak-after-short-term')?.endedAt;
    expect(figures.value('clock:mitigated')).toBe(Date.parse(ended ?? ''));
  });

  it('a trace of another route, or counting as what resolves a cause', async () => {
    const { files } = rendered(await seeded(() => {}));
    const report = files.get('report.html') ?? '';
    const products = report.slice(report.indexOf('/products runs SELECT reviews'));
    expect(products.slice(0, products.indexOf('</article>'))).not.toContain('a request to /products/:id');
    expect(report).not.toMatch(/What resolves it:<\/p><pre>SELECT count/);
  });
});

it('shares of causes are disjoint, whatever statements the findings share', () => {
  const finding = fc.record({
    statements: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 3 }),
    predictedSpeedup: fc.option(fc.double({ min: 1, max: 1000, noNaN: true }), { nil: undefined }),
    severity: fc.constantFrom('info', 'warning', 'critical'),
  });
  fc.assert(
    fc.property(
      fc.array(finding, { maxLength: 8 }),
      fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 6, maxLength: 6 }),
      (drawn, times) => {
        const findings = drawn.map(({ statements, predictedSpeedup, severity }, at) => ({
          id: `cause-${at}`,
          rank: at + 1,
          severity,
          statements: statements.map((id) => ({ queryid: String(id), fingerprint: null, summary: null })),
          cost: { msPerSecond: statements.reduce((sum, id) => sum + (times[id] ?? 0), 0) },
          fix: { predictedSpeedup },
        })) as unknown as RankedFinding[];
        const msPerSecond = times.reduce((sum, time) => sum + time, 1);
        const shares = causeShares({
          ...(recording.diagnosis as Diagnosis),
          attribution: null,
          findings,
          msPerSecond,
        });
        const sum = (shares?.causes ?? []).reduce((all, { share }) => all + share, shares?.unexplained ?? 0);
        expect(sum).toBeCloseTo(1, 9);
      },
    ),
    { numRuns: propertyRuns(100) },
  );
});

it('the recording’s shares add up to at most all, and the largest stays the largest', async () => {
  const { causes, figures } = await seeded(() => {});
  const shares = causes.map(({ rank }) => figures.value(`finding:${rank}:share`) ?? 0);
  expect(shares.reduce((sum, share) => sum + share, 0)).toBeLessThanOrEqual(1);
  expect(shares[0]).toBe(Math.max(...shares));
  // Seeded by the recording itself: counted for each finding they are more than all.
  const overlapping = (recording.diagnosis?.findings ?? []).reduce(
    (sum, { shareOfLostTime }) => sum + (shareOfLostTime ?? 0),
    0,
  );
  expect(overlapping).toBeGreaterThan(1.2);
});
