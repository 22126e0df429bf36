import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { errorCode } from '../../lib/errors.ts';
import type { Source } from './corpusDatabase.ts';
import { sqlOfRailsSchema } from './railsSchema.ts';

const run = promisify(execFile);

/** Diesel's migrations begin with their moment, with hyphens in it or without. */
const momentOf = (name: string) => name.replaceAll('-', '');
const byMoment = (a: string, b: string) => (momentOf(a) < momentOf(b) ? -1 : 1);

/** The names that the patterns stand for, in the order of the patterns and then of the names. */
function matching(names: readonly string[], patterns: readonly string[]): string[] {
  const escaped = (text: string) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
  return patterns.flatMap((pattern) => {
    const expression = new RegExp(`^${pattern.split('*').map(escaped).join('[^/]*')}$`);
    return names.filter((name) => expression.test(name)).sort(byMoment);
  });
}

/** None where nothing was downloaded yet. */
async function readFiles(directory: string, { files }: Source): Promise<string[]> {
  const names = await readdir(directory, { recursive: true }).catch((error) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  return Promise.all(matching(names, files).map((file) => readFile(path.join(directory, file), 'utf8')));
}

/** The files at the pinned commit, and no history: into a checkout that only holds their directories. */
async function fetchInto(directory: string, { repository, commit, files }: Source): Promise<void> {
  await mkdir(directory, { recursive: true });
  const git = (...args: string[]) => run('git', ['-C', directory, ...args], { maxBuffer: 64e6 });
  await git('init', '-q');
  await git('remote', 'add', 'origin', `https://github.com/${repository}.git`);
  await git('fetch', '-q', '--depth=1', '--filter=blob:none', 'origin', commit);
  const { stdout } = await git('ls-tree', '-r', '--name-only', 'FETCH_HEAD');
  const wanted = matching(stdout.split('\n'), files);
  if (wanted.length === 0) throw new Error(`${repository} has none of ${files.join(', ')} at ${commit}.`);
  await git('checkout', '-q', 'FETCH_HEAD', '--', ...wanted);
}

/**
 * The DDL as statements to run, a string for each file. Taken from `downloads/<name>` where it is there, otherwise
 * fetched into it.
 * @throws Error where the text is not what was expected.
 */
export async function readSource(name: string, source: Source, downloads: string): Promise<string[]> {
  const directory = path.join(downloads, name);
  let texts = await readFiles(directory, source);
  if (texts.length === 0) {
    await fetchInto(directory, source);
    texts = await readFiles(directory, source);
  }
  const sha256 = createHash('sha256').update(texts.join('')).digest('hex');
  if (sha256 !== source.sha256)
    throw new Error(
      `The DDL of ${name} in ${directory} has the SHA-256 ${sha256}, and ${source.sha256} is expected.`,
    );
  const sql = texts.map((text) => {
    let ddl = source.format === 'rails-schema' ? sqlOfRailsSchema(text) : text;
    for (const [pattern, by] of source.replace ?? []) ddl = ddl.replace(pattern, by);
    // Commands of psql itself.
    return ddl.replace(/^\\.*$/gm, '');
  });
  return source.prelude ? [source.prelude, ...sql] : sql;
}
