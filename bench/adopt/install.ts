import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Application } from './application.ts';
import { run } from './processes.ts';

export const ROOT = path.join(import.meta.dirname, '..', '..');

/** The application as npm has it, and @sqltrail/instrumentation from its tarball, in a directory that stays. */
export async function install(
  { packages, files = [] }: Application,
  dir: string,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const file of files)
    await cp(path.join(import.meta.dirname, file), path.join(dir, path.basename(file)));
  for (const file of await readdir(dir)) if (file.endsWith('.tgz')) await rm(path.join(dir, file));
  await run('npm', ['pack', '--workspace', 'instrumentation', '--pack-destination', dir], {
    cwd: ROOT,
    signal,
  });
  const tarball = (await readdir(dir)).find((file) => file.endsWith('.tgz')) as string;
  await writeFile(path.join(dir, 'package.json'), '{ "private": true }');
  await run(
    'npm',
    [
      ...['install', '--no-audit', '--no-fund', '--ignore-scripts', '--save-exact', '--prefer-offline'],
      ...[...packages, `./${tarball}`],
    ],
    { cwd: dir, signal },
  );
}
