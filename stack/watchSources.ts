import { watch } from 'node:fs';
import path from 'node:path';
import { checkout } from './runDirectory.ts';

/** An editor writes a file in several steps, and a formatter once more. */
const SETTLED_MS = 300;

const isSource = (file: string) =>
  /\.(ts|tsx|cjs|css|html|svg|sql|ya?ml|json)$/.test(file) &&
  !/\.test\.tsx?$|(^|\/)(node_modules|dist)\//.test(file);

/**
 * Calls back when files below some folders of the checkout have changed, but for tests and what is built.
 *
 * @param onChange takes the last one that changed, as a path from the checkout
 */
export function watchSources(
  folders: readonly string[],
  signal: AbortSignal,
  onChange: (file: string) => void,
): void {
  let settled: NodeJS.Timeout | undefined;
  signal.addEventListener('abort', () => clearTimeout(settled), { once: true });
  for (const folder of folders)
    watch(path.resolve(checkout, folder), { recursive: true, signal }, (_event, name) => {
      const file = path.join(folder, name ?? '');
      if (!isSource(file)) return;
      clearTimeout(settled);
      settled = setTimeout(() => onChange(file), SETTLED_MS);
    });
}
