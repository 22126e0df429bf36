import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/**
 * Prints pages to PDF with a headless Chromium: that of CHROMIUM, the system's, or the one that the development
 * dependencies bring. @returns why there is none, where there is none
 */
export async function printPdf(
  pages: { html: string; pdf: string; slides: boolean }[],
): Promise<string | undefined> {
  let executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
  let args: string[] = [];
  if (!existsSync(executablePath))
    try {
      const { default: bundled } = await import('@sparticuz/chromium');
      executablePath = await bundled.executablePath();
      args = bundled.args;
    } catch {
      return 'no Chromium was found; install one, or name it in CHROMIUM, for the PDF files';
    }
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({ executablePath, args: [...args, '--no-sandbox', '--disable-gpu'] });
  try {
    for (const { html, pdf, slides } of pages) {
      const page = await browser.newPage();
      await page.goto(pathToFileURL(html).href);
      await page.pdf({
        path: pdf,
        printBackground: true,
        ...(slides ? { width: '1280px', height: '720px' } : { format: 'A4', preferCSSPageSize: true }),
      });
      await page.close();
    }
  } finally {
    await browser.close();
  }
  return undefined;
}
