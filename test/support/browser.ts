import { type Browser, chromium } from 'playwright-core';
import { chromiumPath } from '../../report/pdf.ts';
import { PATIENCE_MS } from './patience.ts';

/** A headless browser that opens no connection of its own accord, and has as much patience as the tests. The caller closes it. */
export async function openBrowser(): Promise<Browser> {
  const browser = await chromium.launch({
    timeout: PATIENCE_MS,
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
  const newContext = browser.newContext.bind(browser);
  // Each page is made in one of these; by default it gives up after 30 s.
  browser.newContext = async (options) => {
    const context = await newContext(options);
    context.setDefaultTimeout(PATIENCE_MS);
    return context;
  };
  return browser;
}
