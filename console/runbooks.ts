import { readFile } from 'node:fs/promises';
import path from 'node:path';
import MarkdownIt from 'markdown-it';
import { shellWord } from '../lib/shellWord.ts';
import type { TargetDatabase } from './environment.ts';
import { SQLTRAIL } from './program.ts';

const folder = path.join(import.meta.dirname, '../docs/runbooks');
const markdown = new MarkdownIt({ html: false, linkify: false });

/** What the commands of a runbook are run against. */
export interface RunbookTargets {
  prometheusUrl: string;
  /** Matcher of metrics made from the services' spans. */
  spans: string;
  databases: readonly Pick<TargetDatabase, 'url' | 'ownerUrl'>[];
}

const SECRETS = ['password', 'sslpassword'];

/** An address as it may be shown. @param user in the place of the one that it has */
function shown(address: string, user?: string): string {
  const url = new URL(address);
  url.password = '';
  if (user !== undefined) url.username = user;
  for (const name of SECRETS) if (url.searchParams.has(name)) url.searchParams.delete(name);
  return url.href;
}

/** The runbook with the addresses of this console in its commands; one of a database is there once for each of them. */
function addressed(text: string, { prometheusUrl, spans, databases }: RunbookTargets): string {
  const prometheus = shown(prometheusUrl).replace(/\/$/, '');
  const ofDatabases: Record<string, string[]> = {
    '"$DATABASE_URL"': databases.map(({ url }) => shown(url)),
    '"$OWNER_DATABASE_URL"': databases.map(({ url, ownerUrl }) =>
      ownerUrl === undefined ? shown(url, 'OWNER') : shown(ownerUrl),
    ),
  };
  return text
    .replaceAll('npm run sqltrail --', () => SQLTRAIL)
    .replaceAll('service_name!=""', () => spans)
    .split('\n')
    .flatMap((line) => {
      const [variable, urls] = Object.entries(ofDatabases).find(([name]) => line.includes(name)) ?? [];
      return variable && urls ? urls.map((url) => line.replaceAll(variable, () => shellWord(url))) : [line];
    })
    .map((line) =>
      line.replaceAll(/"\$PROMETHEUS_URL([^"]*)"/g, (_, path: string) => shellWord(prometheus + path)),
    )
    .join('\n');
}

/**
 * An alert's runbook as a page.
 *
 * @param alert letters and digits only; the caller has checked
 * @returns undefined when there is no such runbook
 */
export async function renderRunbook(alert: string, targets: RunbookTargets): Promise<string | undefined> {
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
${markdown.render(addressed(text, targets))}
${alert === 'README' ? '' : '<p class="soft"><a href="/runbooks/README">How to run the commands</a></p>\n'}</main>
</body>
</html>
`;
}
