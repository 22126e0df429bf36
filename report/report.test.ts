import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { kpiById } from '../kpis/catalogue.ts';
import { intervalOf, ratioOf } from '../lib/stats/interval.ts';
import { AssumptionsError, assumptionTitles, DEFAULT_ASSUMPTIONS, readAssumptions } from './assumptions.ts';
import type { Capacity } from './capacity.ts';
import { type Case, caseOf } from './case.ts';
import { slides, WORDS_PER_MINUTE, wordsIn } from './deck.ts';
import { evidenceReport } from './evidence.ts';
import { readGrowth } from './growth.ts';
import * as plan from './plan.ts';
import { type Recording, readRecording } from './recording.ts';
import { summary } from './summary.ts';
import { changedFiles, renderReport, writeReport } from './write.ts';
import { Writing } from './writing.ts';

/** A run on the default data, thinned out; nothing in it was written by hand. */
const FIXTURE = path.join(import.meta.dirname, 'fixtures', 'recording.json');
let directory: string;
let files: Map<string, string>;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'sqltrail-report-'));
  files = await renderReport(FIXTURE);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const reportOf = (told: Case) => evidenceReport(told, summary(told, new Writing(told)));

async function variant(name: string, change: (recording: Recording) => void): Promise<string> {
  const recording = JSON.parse(await readFile(FIXTURE, 'utf8')) as Recording;
  change(recording);
  const file = path.join(directory, `${name}.json`);
  await writeFile(file, JSON.stringify(recording));
  return file;
}

/** Numbers of a text that are neither part of a word (p95, id) nor of code. */
const numbersIn = (text: string) =>
  text
    .replaceAll(/`[^`]*`/g, '')
    .replaceAll(/\b95 %|\bp95\b|\b100 %/g, '')
    .match(/(?<![\w.,])\d+(,\d{3})*(\.\d+)?(?!\w)/g) ?? [];

interface Window {
  value?: unknown;
  p95?: unknown;
}

/** What a pointer leads to: a star stands for all entries, a name in a list for the entry that has it. */
function at(value: unknown, [head, ...rest]: string[]): unknown[] {
  if (head === undefined) return [value];
  if (typeof value !== 'object' || value === null) return [];
  const below = Array.isArray(value)
    ? head === '*'
      ? value
      : /^\d+$/.test(head)
        ? [value[Number(head)]]
        : value.filter((entry: { id?: string; step?: string }) => entry.id === head || entry.step === head)
    : head === '*'
      ? Object.values(value).filter((each) => typeof each === 'object')
      : [(value as Record<string, unknown>)[head]];
  return below.filter((each) => each !== undefined).flatMap((each) => at(each, rest));
}

describe('figures', () => {
  it('every number of the messages is a figure, or stands in a finding’s title', async () => {
    const figures = JSON.parse(files.get('figures.json') ?? '[]') as { text: string }[];
    const recording = await readRecording(FIXTURE);
    const known = new Set(
      [
        ...figures.map(({ text }) => text),
        ...(recording.diagnosis?.findings ?? []).flatMap(({ title, explanation }) => [title, explanation]),
      ].flatMap(numbersIn),
    );
    for (const [name, text] of files) {
      if (!name.startsWith('messages/')) continue;
      expect(
        numbersIn(text).filter((number) => !known.has(number)),
        name,
      ).toEqual([]);
    }
  });

  it('every figure of the report is the one of the registry, and has a source in the recording', () => {
    const figures = JSON.parse(files.get('figures.json') ?? '[]') as {
      id: string;
      text: string;
      source: string[];
    }[];
    const byId = new Map(figures.map((figure) => [figure.id, figure]));
    const shown = [
      ...(files.get('report.html') ?? '').matchAll(/<span data-figure="([^"]+)">([^<]*)<\/span>/g),
    ];
    expect(shown.length).toBeGreaterThan(100);
    for (const [, id = '', text] of shown) expect(byId.get(id)?.text.replaceAll('&', '&amp;'), id).toBe(text);
    for (const { id, source } of figures) expect(source.length, id).toBeGreaterThan(0);
  });

  it('every figure follows from what its sources have', async () => {
    const recording: unknown = await readRecording(FIXTURE);
    const assumptions = parse(await readFile(DEFAULT_ASSUMPTIONS, 'utf8')) as unknown;
    const figures = JSON.parse(files.get('figures.json') ?? '[]') as {
      id: string;
      value: number;
      source: string[];
      how: string;
      files: string[];
    }[];
    let means = 0;
    let raw = 0;
    for (const { id, value, source, how, files: from } of figures) {
      expect(how, id).not.toBe('');
      expect(from.length, id).toBeGreaterThan(0);
      for (const each of source) {
        if (each.startsWith('kpis/')) {
          expect(kpiById(each.replace(/^kpis\/catalogue.ts: /, '')).objective.value, id).toBe(value);
          continue;
        }
        if (each.startsWith('docs/')) {
          await readFile(path.join(import.meta.dirname, '..', each.replace(/:.*/, '')));
          continue;
        }
        const found = each.startsWith('/')
          ? at(recording, each.slice(1).split('/'))
          : at(assumptions, each.split('.').slice(1));
        expect(found.length, `${id}: ${each}`).toBeGreaterThan(0);
        const numbers = found.flatMap((one) => {
          const held = typeof one === 'object' && one ? ((one as Window).value ?? (one as Window).p95) : one;
          return typeof held === 'number' ? [held] : [];
        });
        if (source.length > 1 || numbers.length === 0) continue;
        if (how.startsWith('mean over the windows')) {
          means += 1;
          expect(value, id).toBeCloseTo(numbers.reduce((sum, one) => sum + one, 0) / numbers.length, 9);
        } else if (numbers.length === 1 && !each.includes('*')) {
          raw += 1;
          expect(value, id).toBe(numbers[0]);
        }
      }
    }
    expect(means).toBeGreaterThan(30);
    expect(raw).toBeGreaterThan(100);
  });

  it('every other number of the report and of the slides is one of the recording’s own texts or of the method', async () => {
    const texts: string[] = [];
    const collect = (value: unknown): void => {
      if (typeof value === 'string') texts.push(value);
      else if (typeof value === 'object' && value) Object.values(value).forEach(collect);
    };
    const recording = await readRecording(FIXTURE);
    collect(recording);
    collect(parse(await readFile(DEFAULT_ASSUMPTIONS, 'utf8')));
    collect(plan);
    collect(assumptionTitles);
    const figures = JSON.parse(files.get('figures.json') ?? '[]') as { text: string }[];
    const own = new Set(texts.flatMap(numbersIn));
    const method = new Set([
      ...['15', '95', '2,000', '1979', '1993', '2006', '12'],
      // Ranks of the findings, numbers of the phases, and those in titles of KPIs.
      ...Array.from({ length: 99 }, (_, rank) => String(rank + 1)),
      String(recording.seed),
    ]);
    const report = (files.get('report.html') ?? '')
      .replace(/<style>[\s\S]*?<\/style>/g, '')
      .replaceAll(/<pre>[\s\S]*?<\/pre>|<svg[\s\S]*?<\/svg>|<span data-figure[^>]*>[\s\S]*?<\/span>/g, ' ')
      .replaceAll(/<[^>]*>/g, ' ');
    expect(numbersIn(report).filter((number) => !own.has(number) && !method.has(number))).toEqual([]);
    const shown = new Set([...figures.flatMap(({ text }) => numbersIn(text)), ...own]);
    const seconds = /^\d+ s$/gm;
    const deck = (files.get('deck.md') ?? '')
      .replace(/^---[\s\S]*?<\/style>/, '')
      .replaceAll(/<img[^>]*>/g, '')
      .replaceAll(seconds, '');
    expect(numbersIn(deck).filter((number) => !shown.has(number) && number !== '12')).toEqual([]);
  });

  it('a file changed by hand is noticed, and two runs are byte-equal', async () => {
    await writeReport(FIXTURE, directory);
    expect(await changedFiles(FIXTURE, directory)).toEqual([]);
    for (const [name, text] of files)
      await writeFile(
        path.join(directory, name),
        // The last digit of the file: in the appendix, in a chart, in a note.
        text.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1) % 10)),
      );
    expect(await changedFiles(FIXTURE, directory)).toEqual([...files.keys()]);
  });

  it('text from the database cannot become markup', async () => {
    const file = await variant('hostile', ({ diagnosis }) => {
      const [first] = diagnosis?.findings ?? [];
      if (first) first.title = '<script>alert(1)</script>';
    });
    const rendered = await renderReport(file);
    for (const name of ['report.html', 'deck.html'])
      expect(rendered.get(name)).not.toContain('<script>alert');
  });
});

describe('runs that are not whole', () => {
  it('a partial run says so first, and claims no improvement', async () => {
    const file = await variant('partial', (recording) => {
      recording.outcome = 'partial';
      recording.phases = recording.phases.filter(({ name }) => ['ordinary', 'peak'].includes(name));
      recording.actions = [];
      recording.diagnosis = null;
      recording.silentAfterSeconds = null;
    });
    const rendered = await renderReport(file);
    const report = rendered.get('report.html') ?? '';
    expect(report.indexOf('This run is partial')).toBeGreaterThan(0);
    expect(report.indexOf('This run is partial')).toBeLessThan(report.indexOf('<h2>'));
    expect(report).not.toContain('customer-latency-p95:peak-after-short-term');
    for (const [name, text] of rendered)
      if (name.startsWith('messages/')) {
        expect(text).toContain('run that is partial');
        expect(text).not.toMatch(/after the short-term|\*\*3\. Mitigated|What we changed at once/i);
      }
  });

  it('what became worse is shown as worse', async () => {
    const file = await variant('worse', ({ phases }) => {
      for (const { name, windows } of phases)
        for (const { kpis } of windows)
          for (const kpi of kpis)
            if (kpi.id === 'queries-per-request') kpi.value = name === 'peak' ? 2 : 40 + windows.length;
    });
    expect((await renderReport(file)).get('report.html')).toContain('Became worse: Statements a request');
  });

  it('an older format, a missing file and a broken field are named', async () => {
    await expect(renderReport(await variant('old', (r) => Object.assign(r, { format: 1 })))).rejects.toThrow(
      /format: this version reads format 2/,
    );
    await expect(renderReport(path.join(directory, 'none.json'))).rejects.toThrow(
      /does not exist; npm start makes one/,
    );
    await expect(
      renderReport(
        await variant('hole', (r) => {
          r.phases = r.phases.filter(({ name }) => name !== 'peak');
        }),
      ),
    ).rejects.toThrow(/phases: outcome is complete, but there is no phase peak/);
    await expect(
      renderReport(await variant('broken', (r) => Object.assign(r, { phases: [{}] }))),
    ).rejects.toThrow(/phases\.0\.name/);
  });
});

describe('impact', () => {
  type Assumed = Record<string, Record<string, unknown> | string | undefined>;
  const assume = async (change: (assumptions: Assumed) => unknown) => {
    const file = path.join(directory, `assumptions-${crypto.randomUUID()}.yaml`);
    const assumptions = parse(await readFile(DEFAULT_ASSUMPTIONS, 'utf8')) as Assumed;
    const changed = change(assumptions);
    await writeFile(file, typeof changed === 'string' ? changed : stringify(assumptions));
    return file;
  };

  it('impossible assumptions are refused with the field', async () => {
    const cases: [(assumptions: Assumed) => unknown, RegExp][] = [
      [(assumed) => Object.assign(assumed['retryShare'] as object, { low: 1.4 }), /retryShare\.low/],
      [(assumed) => Object.assign(assumed, { currency: 'money' }), /currency: is a code of three letters/],
      [(assumed) => Object.assign(assumed, { peakHoursPerDay: undefined }), /peakHoursPerDay/],
      [
        (assumed) => Object.assign(assumed['onCallHour'] as object, { likely: 700 }),
        /onCallHour: likely is not between/,
      ],
      [(assumed) => Object.assign(assumed, { wrong: 1 }), /wrong/],
      [() => '- : [', /assumptions-/],
    ];
    for (const [change, message] of cases) {
      const rejected = expect(readAssumptions(await assume(change))).rejects;
      await rejected.toThrow(message);
    }
    await expect(readAssumptions(path.join(directory, 'none.yaml'))).rejects.toBeInstanceOf(AssumptionsError);
  });

  it('the measured loss follows from the counted baskets alone', async () => {
    const recording = await readRecording(FIXTURE);
    const assumptions = await readAssumptions(DEFAULT_ASSUMPTIONS);
    const { figures } = caseOf(recording, assumptions);
    const peak = recording.phases.find(({ name }) => name === 'peak');
    const { completed, failed, abandoned } = peak?.checkouts ?? { completed: 0, failed: 0, abandoned: 0 };
    const lost = failed + abandoned;
    const { peakHoursPerDay, trafficFactor, retryShare, buyingShare } = assumptions;
    const buyers =
      (peak?.offeredRate ?? 0) *
      3600 *
      ((peakHoursPerDay.likely * 365) / 12) *
      trafficFactor.likely *
      buyingShare.likely;
    expect(figures.value('impact:measured:today')).toBeCloseTo(
      buyers * (lost / (lost + completed)) * ((peak?.lostBasketValue ?? 0) / lost) * (1 - retryShare.likely),
      3,
    );
    expect(figures.value('impact:measured:likely')).toBeGreaterThanOrEqual(
      12 * (figures.value('impact:measured:today') ?? 0),
    );
    expect(figures.value('impact:retry:100')).toBe(0);
  });
});

const capacity: Capacity = {
  format: 1,
  settings: { base: 'default', sizes: [1, 4], rounds: 1, stepSeconds: 20, thinkMs: 1, objectiveSeconds: 1 },
  machine: { cores: 2, postgres: '18', node: '24' },
  measuredOn: '2026-11-30',
  cells: (['legacy', 'tuned', 'refactored'] as const).flatMap((model, at) =>
    [1, 4].map((size) => ({
      model,
      size,
      steps: [1, 2].map((rate) => ({
        rate: rate * (at + 1),
        round: 1,
        requests: 100,
        failed: 0,
        p95: 0.5,
        met: rate === 1,
        databaseCpuSeconds: 1,
        shopCpuSeconds: null,
        statementSeconds: 1,
        visits: 20,
        generatorLagSeconds: 0,
      })),
    })),
  ),
};

it.each([
  ['without capacity', null],
  ['with capacity', capacity],
])('the deck takes five minutes, each slide its time, %s', async (_, measured) => {
  const recording = await readRecording(FIXTURE);
  const deck = slides(caseOf(recording, await readAssumptions(DEFAULT_ASSUMPTIONS), { capacity: measured }));
  const total = deck.reduce((sum, { seconds }) => sum + seconds, 0);
  expect(total).toBe(300);
  // Five minutes of a calm speaker: fewer words leave them empty, more do not fit.
  const words = deck.reduce((sum, { notes }) => sum + wordsIn(notes), 0);
  expect(words).toBeGreaterThanOrEqual(560);
  expect(words).toBeLessThanOrEqual(650);
  for (const { title, body, notes, seconds } of deck) {
    const cells = body.split('\n').filter((line) => line.startsWith('|') && !line.startsWith('|---'));
    expect(cells.flatMap((line) => line.split('|').slice(1, -1)).length, title).toBeLessThanOrEqual(9);
    const spoken = (wordsIn(notes) / WORDS_PER_MINUTE) * 60;
    expect(spoken, title).toBeLessThanOrEqual(seconds * 1.1);
    expect(spoken, title).toBeGreaterThan(seconds * 0.5);
  }
});

it('capacity is shown where it was measured, with what it lies between', async () => {
  const told = caseOf(await readRecording(FIXTURE), await readAssumptions(DEFAULT_ASSUMPTIONS), { capacity });
  const report = reportOf(told);
  expect(report).toContain('<span data-figure="capacity:refactored:4">3 /s</span>');
  expect(report).toContain('<span data-figure="capacity:refactored:4:missed">6 /s</span>');
  expect(report).not.toContain('Capacity was not measured');
});

describe('intervals', () => {
  const values = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 12 });

  it('hold the mean, lie within the values, and are the same each time', () => {
    fc.assert(
      fc.property(values, (windows) => {
        const found = intervalOf(windows);
        const tolerance = 1e-9 * Math.max(...windows);
        expect(found?.low).toBeGreaterThanOrEqual(Math.min(...windows) - tolerance);
        expect(found?.high).toBeLessThanOrEqual(Math.max(...windows) + tolerance);
        expect(found?.windows).toBe(windows.length);
        expect(intervalOf(windows)).toEqual(found);
      }),
      { numRuns: 30 },
    );
  });

  it('of equal windows the ratio is 1, and scaling the after scales it', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 1e4, noNaN: true }),
        fc.integer({ min: 2, max: 50 }),
        (value, factor) => {
          const ratio = ratioOf([value * factor, value * factor], [value, value]);
          expect(ratio?.mean).toBeCloseTo(factor, 6);
          expect(ratio?.low).toBeCloseTo(factor, 6);
        },
      ),
      { numRuns: 30 },
    );
    expect(intervalOf([])).toBeUndefined();
    expect(ratioOf([], [1])).toBeUndefined();
  });
});

describe('growth', () => {
  const windows = (p95: number) => [0.9, 1, 1.1].map((noise) => ({ p95: p95 * noise }));
  const cell = (model: string, size: number, p95: number) => ({
    model,
    size,
    windows: windows(p95).map((reading) => ({ checkout: reading, history: reading, search: reading })),
  });
  const measured = {
    format: 1,
    settings: { sizes: [1, 8], visits: 100 },
    measuredOn: '2026-11-25',
    gatewayMs: 0,
    cells: ['legacy', 'tuned', 'refactored'].flatMap((model) => [
      cell(model, 1, 10),
      cell(model, 8, model === 'legacy' ? 80 : 10),
    ]),
  };
  const write = async (growth: object) => {
    const file = path.join(directory, 'growth.json');
    await writeFile(file, JSON.stringify(growth));
    return file;
  };

  it('what grows as the data has the power of one, what does not has none', async () => {
    const growth = await readGrowth(await write(measured));
    const told = caseOf(await readRecording(FIXTURE), await readAssumptions(DEFAULT_ASSUMPTIONS), {
      growth,
    });
    expect(told.figures.text('scaling:search:legacy:exponent')).toBe('1.00');
    expect(told.figures.value('scaling:search:refactored:exponent')).toBeCloseTo(0, 9);
    expect(told.figures.text('scaling:checkout:legacy:8')).toBe('80 ms');
    expect(reportOf(told)).toContain('scaling:history:tuned:8');
  });

  it('where there is none it is said, and a broken one is named', async () => {
    expect(await readGrowth(path.join(directory, 'none.json'))).toBeNull();
    await expect(readGrowth(await write({ ...measured, gatewayMs: 'x' }))).rejects.toThrow(/gatewayMs/);
    const told = caseOf(await readRecording(FIXTURE), await readAssumptions(DEFAULT_ASSUMPTIONS));
    expect(reportOf(told)).toContain('Growth was not measured');
  });
});
