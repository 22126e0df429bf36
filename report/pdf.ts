import { existsSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';

/** The Chromium of CHROMIUM, else the system's, else the one of the development dependencies; undefined without any. */
export async function chromiumPath(): Promise<string | undefined> {
  const named = process.env['CHROMIUM'];
  if (named) return named;
  if (existsSync('/usr/bin/chromium')) return '/usr/bin/chromium';
  const bundled = await import('@sparticuz/chromium').catch(() => undefined);
  return bundled?.default.executablePath();
}

/** Of one step of Chromium, which takes a second or two: a peak of its own may go on beside it. Milliseconds. */
const PATIENCE_MS = 120_000;

/** Pages of the report that become PDF files, by name. */
const PRINTED = ['summary', 'report', 'appendix', 'deck'] as const;

/** The number of each page of how many, at its foot. */
const foot =
  '<div style="width:100%;font:9px system-ui,sans-serif;color:#555;padding:0 14mm;display:flex;justify-content:space-between"><span class="title"></span><span><span class="pageNumber"></span> of <span class="totalPages"></span></span></div>';

async function print(browser: Browser, html: string, pdf: string, slides: boolean): Promise<void> {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(pathToFileURL(html).href);
  await page.pdf({
    path: pdf,
    printBackground: true,
    ...(slides
      ? { width: '1280px', height: '720px' }
      : {
          format: 'A4',
          preferCSSPageSize: true,
          displayHeaderFooter: true,
          headerTemplate: '<span></span>',
          footerTemplate: foot,
        }),
  });
  await page.close();
}

/** Prints pages to PDF with a headless Chromium. @returns why there is no PDF, where there is none */
export async function printPdf(
  pages: { html: string; pdf: string; slides: boolean }[],
): Promise<string | undefined> {
  const executablePath = await chromiumPath();
  if (!executablePath) return 'no PDF files: no Chromium was found; install one, or name it in CHROMIUM';
  try {
    const { chromium } = await import('playwright-core');
    // Not the bundled package's own arguments: its single process ends with the first page that is closed.
    const browser = await chromium.launch({
      executablePath,
      timeout: PATIENCE_MS,
      args: ['--no-sandbox', '--disable-gpu'],
    });
    try {
      for (const { html, pdf, slides } of pages) await print(browser, html, pdf, slides);
    } finally {
      await browser.close();
    }
  } catch (error) {
    return `no PDF files: ${(error as Error).message.split('\n')[0]}`;
  }
  return undefined;
}

/** The PDF files of a report beside its pages. @returns why there are none, where there are none */
export const printReport = (directory: string): Promise<string | undefined> =>
  printPdf(
    PRINTED.map((name) => ({
      html: path.join(directory, `${name}.html`),
      pdf: path.join(directory, `${name}.pdf`),
      slides: name === 'deck',
    })),
  );
