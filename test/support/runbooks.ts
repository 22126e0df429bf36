import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const directory = path.resolve(import.meta.dirname, '../../docs/runbooks');

export interface Runbook {
  /** The alert, or `README`. */
  name: string;
  text: string;
  sections: string[];
  /** Statements; those under "What to do" may change something. */
  sql: { section: string; text: string }[];
  /** Shell commands, one each. */
  commands: string[];
  /** The queries that its curl commands ask Prometheus. */
  promql: string[];
}

function parse(file: string): Runbook {
  const text = readFileSync(path.join(directory, file), 'utf8');
  const blocks: { section: string; language: string; text: string }[] = [];
  let section = '';
  for (const [, heading, language, body] of text.matchAll(/^## (.+)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
    if (heading) section = heading;
    if (language && body) blocks.push({ section, language, text: body.trim() });
  }
  const commands = blocks.filter(({ language }) => language === 'sh').map((block) => block.text);
  return {
    name: path.basename(file, '.md'),
    text,
    sections: [...text.matchAll(/^## (.+)$/gm)].map((match) => match[1] as string),
    sql: blocks.filter(({ language }) => language === 'sql').map(({ section, text }) => ({ section, text })),
    commands,
    promql: commands.flatMap((command) => / 'query=(.*)'$/.exec(command)?.[1] ?? []),
  };
}

/** All pages of docs/runbooks. */
export const runbooks = readdirSync(directory)
  .filter((file) => file.endsWith('.md'))
  .map(parse);
