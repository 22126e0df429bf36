import { readFile } from 'node:fs/promises';
import path from 'node:path';
import MarkdownIt from 'markdown-it';

const folder = path.join(import.meta.dirname, '../docs/runbooks');
const markdown = new MarkdownIt({ html: false, linkify: false });

/**
 * An alert's runbook as a page.
 *
 * @param alert letters and digits only; the caller has checked
 * @returns undefined when there is no such runbook
 */
export async function renderRunbook(alert: string): Promise<string | undefined> {
  const text = await readFile(path.join(folder, `${alert}.md`), 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${alert} · runbook · sqltrail</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header class="bar"><a class="brand" href="/">sqltrail</a><span class="soft">Runbook</span></header>
<main class="prose">
${markdown.render(text)}</main>
</body>
</html>
`;
}
