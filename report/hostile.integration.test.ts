import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { renderReport } from './write.ts';

const FIXTURE = path.join(import.meta.dirname, 'fixtures/recording.json');
/** What names of tables, texts of statements and annotations of alerts may hold. */
const PAYLOADS = [
  '<img src=x onerror=alert(1)>',
  '</style></svg></title><script>alert(1)</script>',
  '"><svg onload=alert(1)>',
  '[x](javascript:alert(1))',
  '-->\n\n---\n\n# taken over\n\n<script>alert(1)</script>',
];
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-hostile-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Texts that come from the database or from alerts, by their keys, wherever they are. `cause` is one of a list. */
const TEXTS = new Set(['title', 'explanation', 'table', 'name', 'summary', 'text', 'note', 'label', 'how']);
const poison = (value: unknown, payload: string, within = false): unknown => {
  if (Array.isArray(value)) return value.map((item) => poison(item, payload, within));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      within && typeof item === 'string' && TEXTS.has(key)
        ? `${item} ${payload}`
        : poison(item, payload, within || ['findings', 'alerts', 'actions'].includes(key)),
    ]),
  );
};

const inHtml = /<script|<img src=x|<svg onload|<h1[^>]*>taken over|href=.javascript:/;
const inMarkdown = /<script|<img src=x|<svg onload|\]\(javascript:|^# taken over/m;

/** The scripts that a page has of its own: they hold no text from the database, and are the same whatever it says. */
const SCRIPTS = /<script[^>]*>[\s\S]*?<\/script>/g;

it.each(PAYLOADS)('%s is text in every file of the report', async (payload) => {
  const file = path.join(dir, 'recording.json');
  await writeFile(file, JSON.stringify(poison(JSON.parse(await readFile(FIXTURE, 'utf8')), payload)));
  const files = await renderReport(file);
  const clean = await renderReport(FIXTURE);
  for (const [name, poisoned] of files) {
    if (name.endsWith('.json')) continue;
    const own = clean.get(name)?.match(SCRIPTS) ?? [];
    const text = own.reduce((rest, script) => rest.replace(script, () => ''), poisoned);
    expect([name, (name.endsWith('.md') ? inMarkdown : inHtml).exec(text)?.[0]]).toEqual([name, undefined]);
    if (name.endsWith('.html')) expect(text).toContain('http-equiv="Content-Security-Policy"');
  }
  // It did get there: otherwise this shows nothing.
  expect(files.get('report.html')).toContain('alert(1)');
});
