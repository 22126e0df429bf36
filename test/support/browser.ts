import { type Browser, chromium } from 'playwright-core';
import { chromiumPath } from '../../report/pdf.ts';

/** A headless browser that opens no connection of its own accord. The caller closes it. */
export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: (await chromiumPath()) as string,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  });
}
