import path from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { makePrivateDirectory, writePrivate } from '../../lib/privateFiles.ts';
import { chromiumPath } from '../../report/pdf.ts';
import { WIDTH } from './draw.ts';

const HEIGHT = 800;
/** A page that is longer is seen to here; what is below says that it loads. */
const TALLEST = 8_000;

/** There is no Chromium, or it does not start; the message says what would do. */
export class NoBrowser extends Error {}

/** @throws NoBrowser */
async function launch(): Promise<Browser> {
  const executablePath = await chromiumPath();
  if (!executablePath) throw new NoBrowser('no Chromium was found; install one, or name it in CHROMIUM');
  const { chromium } = await import('playwright-core');
  return chromium
    .launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
    .catch((cause: Error) => {
      throw new NoBrowser(`${executablePath} does not start: ${cause.message.split('\n')[0]}`, { cause });
    });
}

/** Takes pictures of pages, whole pages of 1280 px width, into a directory. */
export class Camera {
  readonly #browser: Browser;
  readonly #page: Page;
  readonly #directory: string;
  readonly taken: string[] = [];

  private constructor(browser: Browser, page: Page, directory: string) {
    this.#browser = browser;
    this.#page = page;
    this.#directory = directory;
  }

  /** @throws NoBrowser */
  static async open(directory: string): Promise<Camera> {
    await makePrivateDirectory(directory);
    const browser = await launch();
    const page = await browser.newPage({
      viewport: { width: WIDTH, height: HEIGHT },
      colorScheme: 'light',
      reducedMotion: 'reduce',
      timezoneId: 'UTC',
    });
    return new Camera(browser, page, directory);
  }

  async #take(name: string): Promise<void> {
    const file = path.join(this.#directory, `${name}.png`);
    await writePrivate(file, await this.#page.screenshot({ fullPage: true }));
    this.taken.push(file);
  }

  /** A page that needs nothing from outside. */
  async takeHtml(name: string, html: string): Promise<void> {
    await this.#page.setContent(html, { waitUntil: 'load' });
    await this.#take(name);
  }

  /** A page of the console, once it has stopped changing. @returns where its links within the console lead */
  async takePage(name: string, url: string): Promise<string[]> {
    // Another hash alone would not load the page anew.
    await this.#page.goto('about:blank');
    await this.#page.goto(url, { waitUntil: 'load', timeout: 10_000 });
    await this.#settle();
    // Panels ask for their data once they can be seen.
    const height = await this.#page.evaluate(() => document.documentElement.scrollHeight);
    await this.#page.setViewportSize({ width: WIDTH, height: Math.min(height, TALLEST) });
    await this.#settle();
    await this.#take(name);
    await this.#page.setViewportSize({ width: WIDTH, height: HEIGHT });
    return this.#page
      .locator('a[href^="#/"]')
      .evaluateAll((links) => links.map((link) => link.getAttribute('href') ?? ''));
  }

  async #settle(): Promise<void> {
    await this.#page.waitForSelector('main h2, main section', { timeout: 10_000 });
    let before = '';
    // Live pages never stop altogether: three looks alike, or three seconds.
    for (let alike = 0, looks = 0; alike < 2 && looks < 12; looks += 1) {
      await this.#page.waitForTimeout(250);
      const now = await this.#page.evaluate(
        () => `${document.body.scrollHeight} ${document.querySelectorAll('main *').length}`,
      );
      alike = now === before ? alike + 1 : 0;
      before = now;
    }
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }
}
