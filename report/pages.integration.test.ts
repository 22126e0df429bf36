import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser } from '../test/support/browser.ts';
import { type AssumptionName, DEFAULT_ASSUMPTIONS, readAssumptions } from './assumptions.ts';
import { caseOf } from './case.ts';
import { DOCS_RECORDING } from './docsPage.ts';
import { printReport } from './pdf.ts';
import { type Recording, readRecording } from './recording.ts';
import { writeReport } from './write.ts';

let directory: string;
let browser: Browser;

/** A whole run, and one that ended after the peak. */
const runs = ['whole', 'partial'] as const;
const file = (run: string, name: string) => path.join(directory, run, name);

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'sqltrail-pages-'));
  const partial = JSON.parse(await readFile(DOCS_RECORDING, 'utf8')) as Recording;
  Object.assign(partial, {
    outcome: 'partial',
    diagnosis: null,
    actions: [],
    archival: null,
    migration: null,
  });
  partial.phases = partial.phases.slice(0, 2);
  await writeFile(path.join(directory, 'partial.json'), JSON.stringify(partial));
  await writeReport(DOCS_RECORDING, path.join(directory, 'whole'));
  await writeReport(path.join(directory, 'partial.json'), path.join(directory, 'partial'));
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  await rm(directory, { recursive: true, force: true });
});

async function opened(name: string, width: number, height = 900): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height } });
  await page.goto(pathToFileURL(name).href);
  return page;
}

/** What of the charts is cut off by their edge, or lies over another text. Runs in the page. */
function chartFaults(): string[] {
  const faults: string[] = [];
  for (const svg of document.querySelectorAll('svg:not([data-marpit-svg])')) {
    const edge = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')]
      .filter((text) => text.textContent?.trim())
      .map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
    for (const [at, { text, box }] of texts.entries()) {
      if (
        box.left < edge.left - 1 ||
        box.right > edge.right + 1 ||
        box.top < edge.top - 1 ||
        box.bottom > edge.bottom + 1
      )
        faults.push(`cut off: ${text}`);
      for (const other of texts.slice(at + 1)) {
        const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        // Boxes hold the room for letters below the line, which may touch.
        if (wide > 2 && high > box.height * 0.3) faults.push(`over each other: ${text} | ${other.text}`);
      }
    }
  }
  return faults;
}

/** What is wider than the page, or than the cell or the box that it is in. Runs in the page. */
function wideFaults(): string[] {
  const faults: string[] = [];
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`the page is ${scrollWidth - clientWidth} px too wide`);
  const style = getComputedStyle(document.body);
  const edge = document.body.getBoundingClientRect().right - Number.parseFloat(style.paddingRight);
  for (const box of document.querySelectorAll('table, svg, pre, article, .tile, p'))
    if (box.getBoundingClientRect().right > edge + 1)
      faults.push(`leaves the column: ${box.tagName} ${box.textContent?.slice(0, 40)}`);
  for (const box of document.querySelectorAll('td, th, pre, article, p, li, .tile'))
    if (box.scrollWidth > box.clientWidth + 1)
      faults.push(`wider than its box: ${box.textContent?.slice(0, 60)}`);
  return faults;
}

/** 18 pt on a slide 1280 px wide: text below it cannot be read from the last row. */
const READABLE_PX = 24;

/** Texts of the slides that are too small, in their charts too, which are drawn small and shown large. Runs in the page. */
function smallFaults(least: number): string[] {
  const faults: string[] = [];
  const size = (element: Element) => Number.parseFloat(getComputedStyle(element).fontSize);
  for (const part of document.querySelectorAll(
    'section h1, section p, section li, section td, section th, footer',
  ))
    if (part.textContent?.trim() && size(part) < least - 0.1)
      faults.push(`${size(part)} px: ${part.textContent.slice(0, 40)}`);
  for (const slide of document.querySelectorAll('section'))
    for (const image of slide.querySelectorAll('img')) {
      const chart = new DOMParser().parseFromString(
        new TextDecoder().decode(
          Uint8Array.from(atob(image.src.split(',')[1] ?? ''), (letter) => letter.charCodeAt(0)),
        ),
        'image/svg+xml',
      );
      const zoom = image.width / Number(chart.documentElement.getAttribute('width'));
      for (const text of chart.querySelectorAll('text')) {
        const shown =
          Number.parseFloat(/font-size:([\d.]+)px/.exec(text.getAttribute('style') ?? '')?.[1] ?? '0') * zoom;
        if (text.textContent?.trim() && shown < least - 0.1)
          faults.push(`${shown} px in a chart: ${text.textContent}`);
      }
    }
  return faults;
}

/** What of the slides leaves its slide, or runs into the line at its foot. Runs in the page. */
function slideFaults(): string[] {
  const faults: string[] = [];
  for (const [at, slide] of [...document.querySelectorAll('section')].entries()) {
    const edge = slide.getBoundingClientRect();
    const foot = slide.querySelector('footer')?.getBoundingClientRect().top ?? edge.bottom;
    for (const part of slide.querySelectorAll('h1, p, li, table, td, th, img')) {
      const box = part.getBoundingClientRect();
      if (
        box.left < edge.left ||
        box.right > edge.right + 0.5 ||
        box.top < edge.top ||
        box.bottom > foot + 0.5
      )
        faults.push(`slide ${at + 1}: ${part.tagName} leaves it: ${part.textContent?.slice(0, 40)}`);
      if (part.scrollHeight > part.clientHeight + 2 && part.tagName === 'TABLE')
        faults.push(`slide ${at + 1}: a table is cut`);
    }
    for (const image of slide.querySelectorAll('img'))
      if (image.naturalWidth === 0) faults.push(`slide ${at + 1}: ${image.alt} is no picture`);
  }
  return faults;
}

describe.each(runs)('the pages of a %s run', (run) => {
  it.each([
    ['on a screen', 1280, 'screen'],
    ['on a telephone', 412, 'screen'],
    // A4 without its margins of 14 mm.
    ['on paper', 688, 'print'],
  ] as const)(
    'report, summary and sliders have nothing cut off, and no text over another, %s',
    async (_, width, media) => {
      for (const name of ['report.html', 'summary.html', 'appendix.html', 'what-if.html']) {
        const page = await opened(file(run, name), width);
        await page.emulateMedia({ media });
        expect([name, ...(await page.evaluate(wideFaults)), ...(await page.evaluate(chartFaults))]).toEqual([
          name,
        ]);
        await page.close();
      }
    },
  );

  it('no slide runs over, and its charts are whole', async () => {
    const page = await opened(file(run, 'deck.html'), 1280, 720);
    expect(await page.locator('section').count()).toBe(6);
    expect(await page.evaluate(slideFaults)).toEqual([]);
    expect(await page.evaluate(smallFaults, READABLE_PX)).toEqual([]);
    // The charts are images there; as markup their texts can be measured.
    await page.evaluate(() => {
      for (const image of document.querySelectorAll('img'))
        image.outerHTML = new TextDecoder().decode(
          Uint8Array.from(atob(image.src.split(',')[1] ?? ''), (letter) => letter.charCodeAt(0)),
        );
    });
    expect(await page.evaluate(chartFaults)).toEqual([]);
    await page.close();
  });
});

it('a slide that is too full, a chart that is cut and a table that is too wide are noticed', async () => {
  const page = await opened(file('whole', 'deck.html'), 1280, 720);
  await page.evaluate(() => {
    document.querySelector('section h1')?.insertAdjacentHTML('afterend', '<p>too much</p>'.repeat(30));
  });
  expect((await page.evaluate(slideFaults)).join()).toContain('slide 1');
  await page.goto(pathToFileURL(file('whole', 'report.html')).href);
  await page.evaluate(() => {
    document.querySelector('svg text')?.setAttribute('transform', 'translate(-100 0)');
    document.querySelector('td')?.insertAdjacentHTML('afterbegin', '<div style="width:2000px">wide</div>');
  });
  expect((await page.evaluate(chartFaults)).join()).toContain('cut off');
  expect((await page.evaluate(wideFaults)).join()).toContain('too wide');
  await page.close();
});

describe('with other numbers', () => {
  /** What the page shows, by the ids of the report's figures. Runs in the page. */
  const shown = (page: Page) =>
    page.evaluate(() =>
      Object.fromEntries(
        [...document.querySelectorAll<HTMLElement>('[data-figure]')].map(({ dataset, textContent }) => [
          dataset['figure'] ?? '',
          textContent,
        ]),
      ),
    );
  /** The report's figures of the same ids, with some assumptions changed at their likely level. */
  async function figuresWith(changed: Partial<Record<AssumptionName, number>>, ids: readonly string[]) {
    const assumptions = await readAssumptions(DEFAULT_ASSUMPTIONS);
    for (const [name, value] of Object.entries(changed))
      Object.assign(assumptions[name as AssumptionName], { likely: value });
    const { figures } = caseOf(await readRecording(DOCS_RECORDING), assumptions);
    return Object.fromEntries(ids.map((id) => [id, figures.text(id)]));
  }

  it('each slider and field leads to what the report says with that assumption, and the address keeps it', async () => {
    const page = await opened(file('whole', 'what-if.html'), 1280);
    const faults: string[] = [];
    page.on('console', (message) => faults.push(message.text()));
    const first = await shown(page);
    const ids = Object.keys(first);
    expect(ids.length).toBeGreaterThan(8);
    expect(first).toEqual(await figuresWith({}, ids));

    const changed: Partial<Record<AssumptionName, number>> = {};
    for (const name of await page
      .locator('input[type=number]')
      .evaluateAll((all) => all.map(({ id }) => id))) {
      if (name === 'bytesPerDay') continue;
      // An end of the slider: the one that the likely number is not.
      await page.locator(`[data-of=${name}]`).focus();
      await page.keyboard.press('Home');
      if (
        (await page.locator(`#${name}`).inputValue()) ===
        (await page.locator(`#${name}`).getAttribute('value'))
      )
        await page.keyboard.press('End');
      changed[name as AssumptionName] = Number(await page.locator(`#${name}`).inputValue());
      expect([name, await shown(page)]).toEqual([name, await figuresWith(changed, ids)]);
    }
    await page.locator('#customerValue').fill('12345');
    changed.customerValue = 12_345;
    const last = await figuresWith(changed, ids);
    expect(await shown(page)).toEqual(last);
    expect(last).not.toEqual(first);

    const again = await browser.newPage();
    await again.goto(page.url());
    expect(await shown(again)).toEqual(last);
    await again.close();
    await page.locator('#likely').click();
    expect(await shown(page)).toEqual(first);
    expect(faults).toEqual([]);
    await page.close();
  });

  it('a number that cannot be is named, and the answers stay', async () => {
    const page = await opened(file('whole', 'what-if.html'), 1280);
    const first = await shown(page);
    await page.locator('#buyingShare').fill('-1');
    expect(await page.locator('#fault').textContent()).toContain('share of visits that buy');
    expect(await shown(page)).toEqual(first);
    await page.locator('#buyingShare').fill('0.01');
    expect(await page.locator('#fault').textContent()).toBe('');
    await page.close();
  });
});

it('they become PDF files: the summary one page, the deck a page for each slide', async () => {
  expect(await printReport(path.join(directory, 'whole'))).toBeUndefined();
  const pagesOf = async (name: string) =>
    (await readFile(file('whole', name), 'latin1')).match(/\/Type\s*\/Page\b/g)?.length;
  expect(await pagesOf('deck.pdf')).toBe(6);
  expect(await pagesOf('summary.pdf')).toBe(1);
  expect(await pagesOf('report.pdf')).toBeGreaterThan(5);
  expect(await pagesOf('appendix.pdf')).toBeGreaterThan(1);
});
