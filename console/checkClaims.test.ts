import { beforeAll, describe, expect, it } from 'vitest';
import { DOCS_RECORDING } from '../report/docsPage.ts';
import { readRecording } from '../report/recording.ts';
import { assertionFaults, consoleFaults, pageSourceFaults, shownIn } from './checkClaims.ts';
import { groundsOf, type Shown } from './web/grounds.ts';
import {
  assertedOf,
  counts,
  customersFare,
  customersJudged,
  howFar,
  sayingOf,
  troubles,
} from './web/sentences.ts';

let moments: Shown[];
beforeAll(async () => {
  moments = shownIn(await readRecording(DOCS_RECORDING));
});

const fareOf = (shown: Shown) => customersFare(sayingOf(shown));
/** A moment at which customers fared well, and no alert paged. */
const good = () => moments.find((shown) => fareOf(shown).startsWith('✓')) as Shown;
const bad = () => moments.find((shown) => fareOf(shown).startsWith('✗') && lostOf(shown) > 0) as Shown;
const lostOf = ({ kpis }: Shown) => kpis?.find(({ id }) => id === 'lost-basket-value')?.value ?? 0;
const PAGING = { severity: 'page', muted: null } as NonNullable<Shown['alerts']>[number];

it('during the run of the docs the console says nothing that was not measured', async () => {
  expect(await consoleFaults(DOCS_RECORDING)).toEqual([]);
  // It does say something, good and bad.
  const said = moments.flatMap((shown) => assertedOf(shown));
  expect(
    new Set(said.flatMap(({ claims }) => claims.map((name) => name.split(':')[0]))).size,
  ).toBeGreaterThan(7);
  expect(good()).toBeDefined();
  expect(bad()).toBeDefined();
});

describe('the checker finds', () => {
  it('a sentence that is shown although its claim does not hold', () => {
    // What was said while all was well, at a moment when it was not: the false sentence is seeded.
    const said = assertedOf(good()).filter(({ text }) => text.startsWith('✓ Customers'));
    expect(assertionFaults(bad(), said)).toContain(
      '“✓ Customers are served as they should be.” is said, and “objectives of customers are met” does not hold',
    );
  });

  it('a sentence with no grounds, and one whose words its figure does not bear', () => {
    const saying = sayingOf(bad());
    saying.say`Customers are happy.`;
    saying.say`Nobody has lost an order, and pages take ${'kpi:customer-latency-p95'}.`;
    expect(assertionFaults(bad(), saying.sentences)).toEqual([
      expect.stringContaining('has no figure and no claim'),
      expect.stringContaining('says “Nobody”, which nothing measured'),
    ]);
  });

  it('a figure that is another one now', () => {
    const [first] = assertedOf(bad()).filter(({ figures }) => figures.includes('kpi:lost-basket-value'));
    expect(first).toBeDefined();
    const { kpis = [] } = bad();
    const changed = kpis.map((kpi) => (kpi.id === 'lost-basket-value' ? { ...kpi, value: 1_234_567 } : kpi));
    expect(assertionFaults({ ...bad(), kpis: changed }, first ? [first] : []).join()).toMatch(
      /kpi:lost-basket-value is EUR 1,230,000 an hour/,
    );
  });

  it('a claim in the source of a page, beside the sentences with grounds', () => {
    expect(
      pageSourceFaults(
        'page.tsx',
        "// Nothing is lost here.\n<p>\n  Nobody has lost\n  an order.\n</p>; const text = ok ? 'It never fails.' : 'never';",
      ),
    ).toEqual([
      'page.tsx: “Nobody has lost an order.” says “Nobody” beside the sentences of sentences.ts',
      'page.tsx: “It never fails.” says “never” beside the sentences of sentences.ts',
    ]);
  });
});

describe('what was not measured is not said', () => {
  it('that customers are served, while an alert pages, before the alerts are known, or where a KPI is missed', () => {
    const shown = good();
    expect(fareOf({ ...shown, alerts: [PAGING] })).toMatch(/^○ .* an alert still pages/);
    expect(fareOf({ ...shown, alerts: undefined })).toMatch(/^○ .* is not known/);
    const kpis = shown.kpis?.map((kpi) =>
      kpi.id === 'request-failure-ratio' ? { ...kpi, value: 0.5 } : kpi,
    );
    expect(fareOf({ ...shown, kpis })).toBe('✗ Customers are having trouble.');
    expect(troubles(sayingOf({ ...shown, kpis }))).toContain('Some pages show an error.');
    const none = shown.kpis?.map((kpi) => ({ ...kpi, value: null, met: null }));
    expect(fareOf({ ...shown, kpis: none })).toBe('There are no customers to measure right now.');
    const judgedOf = (shown: Shown) => customersJudged(sayingOf(shown));
    expect(judgedOf(shown)).toBe('✓ Customers are served within the objectives.');
    expect(judgedOf({ ...shown, alerts: [PAGING] })).toMatch(/^○ .* an alert still pages/);
    expect(judgedOf({ ...shown, alerts: undefined })).toMatch(/^○ .* is not known/);
    expect(judgedOf({ ...shown, kpis })).toBe('✗ Customers are affected.');
    expect(judgedOf({ ...shown, kpis: none })).toBe('○ No traffic to judge by.');
  });

  it('that customers are served within the objectives, while the p95 of their pages misses its own', () => {
    const shown = good();
    const kpis = shown.kpis?.map((kpi) => (kpi.id === 'customer-latency-p95' ? { ...kpi, value: 30 } : kpi));
    expect(customersJudged(sayingOf({ ...shown, kpis }))).toBe('✗ Customers are affected.');
    expect(troubles(sayingOf({ ...shown, kpis }))).toEqual(['Pages are slow.']);
  });

  it('how many objectives are missed, of those that have no data', () => {
    const [kpi] = bad().kpis?.filter(({ id }) => id === 'request-failure-ratio') ?? [];
    if (!kpi) throw new Error('the recording has no such KPI');
    const kpis = [
      { ...kpi, value: 0.5 },
      { ...kpi, id: 'other', value: 0 },
      { ...kpi, id: 'none', value: null },
    ];
    const of = (shown: Shown) => counts(sayingOf(shown));
    expect(of({ kpis })).toBe('Objectives missed: 1 of 2 with data.');
    expect(of({ kpis, alerts: [PAGING, { ...PAGING, muted: 'silenced' }] })).toBe(
      'Objectives missed: 1 of 2 with data. Alerts firing: 1.',
    );
    expect(of({ kpis: kpis.slice(2) })).toBe('');
  });

  it('that a step did not help, where it was reverted for another reason', () => {
    const [entry] = bad().actions ?? [];
    if (!entry) throw new Error('the recording has no action');
    const far = (more: Partial<typeof entry>) => {
      const changed = { ...entry, ...more };
      return howFar(sayingOf({ actions: [changed] }), changed);
    };
    expect(far({ state: 'reverted', outcome: 'not needed' })).toBe('↩ tried, and reverted');
    expect(far({ state: 'reverted', outcome: 'no gain' })).toContain('it did not help');
    expect(far({ state: 'reverted', outcome: 'by hand' })).toBe('↩ reverted by hand');
    const effect = { speedup: 3, low: 0.9, high: 5 } as NonNullable<typeof entry.effect>;
    expect(far({ state: 'kept', effect })).toBe('✓ in place');
    expect(far({ state: 'kept', effect: { ...effect, low: 2 } })).toBe('✓ in place: 3 times as fast');
  });

  it('that nothing explains a KPI, before anything was diagnosed', () => {
    const { holds } = groundsOf({ ...bad(), diagnosis: undefined });
    expect(holds('diagnosed, and no finding explains it: dead-rows')).toBe(false);
    expect(holds('not diagnosed')).toBe(false);
  });
});
