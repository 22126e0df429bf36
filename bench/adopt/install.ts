import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { packInstrumentation } from '../packInstrumentation.ts';
import type { Application } from './application.ts';
import { run } from './processes.ts';

/** The application as npm has it, and @sqltrail/instrumentation from its tarball, in a directory that stays. */
export async function install(
  { packages, files = [] }: Application,
  dir: string,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const file of files)
    await cp(path.join(import.meta.dirname, file), path.join(dir, path.basename(file)));
  const npm = (args: readonly string[], cwd: string) => run('npm', args, { cwd, signal });
  const tarball = await packInstrumentation(dir, npm);
  await writeFile(path.join(dir, 'package.json'), '{ "private": true }');
  await npm(
    [
      ...['install', '--no-audit', '--no-fund', '--ignore-scripts', '--save-exact', '--prefer-offline'],
      ...[...packages, tarball],
    ],
    dir,
  );
}
