import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Check } from '../check.ts';
import { indexes } from './guide/indexes.ts';
import { model } from './guide/model.ts';
import type { Page } from './guide/page.ts';
import { queries } from './guide/queries.ts';
import { setUp } from './guide/setUp.ts';
import { size } from './guide/size.ts';
import { allChecks } from './index.ts';

export const PAGES_FOLDER = path.join(import.meta.dirname, '..', '..', 'docs', 'findings');

const groups: Record<Check['group'], { title: string; pages: Record<string, Page> }> = {
  indexes: { title: 'Indexes', pages: indexes },
  queries: { title: 'Statements', pages: queries },
  'set-up': { title: 'Set-up', pages: setUp },
  size: { title: 'Size', pages: size },
  model: { title: 'Data model', pages: model },
};

/** The guide to a check's findings. @throws Error where nobody wrote one */
function pageOf({ id, group }: Check): Page {
  const page = groups[group].pages[id];
  if (!page) throw new Error(`diagnosis/checks/guide says nothing of ${id}`);
  return page;
}

const MADE = '<!-- Made by `npm run docs` from the check and diagnosis/checks/guide. -->';

function text(check: Check): string {
  const { why, measured, wrong, fix } = pageOf(check);
  return `${MADE}

# ${check.id}: ${check.title.charAt(0).toLowerCase()}${check.title.slice(1)}

${check.description}

## What it means

${why}

## How it is measured

${measured}

## When it is wrong

${wrong}

## How to fix it

${fix}

---

\`sqltrail diagnose --only ${check.id} --verbose\` shows it with its evidence. [All findings](README.md), [how the diagnosis judges](../diagnosis.md).
`;
}

/** Every page by its file's name in docs/findings. */
export function findingPages(): Map<string, string> {
  const pages = new Map(allChecks.map((check) => [`${check.id}.md`, text(check)]));
  const listed = (group: Check['group']) =>
    allChecks
      .filter((check) => check.group === group)
      .map(({ id, title }) => `- [${id}](${id}.md): ${title}`)
      .sort()
      .join('\n');
  pages.set(
    'README.md',
    `${MADE}

# Findings

What each finding of \`sqltrail diagnose\` means, how it is measured, when it is wrong and how to fix it.

${Object.entries(groups)
  .map(([group, { title }]) => `## ${title}\n\n${listed(group as Check['group'])}`)
  .join('\n\n')}
`,
  );
  return pages;
}

if (import.meta.main) {
  await mkdir(PAGES_FOLDER, { recursive: true });
  for (const [file, content] of findingPages()) await writeFile(path.join(PAGES_FOLDER, file), content);
}
