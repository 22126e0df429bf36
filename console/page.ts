import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

export interface Asset {
  type: string;
  body: string;
}

/** Bundles the page in memory: everything that it needs comes from here, nothing from the network. */
export async function bundlePage(): Promise<Record<string, Asset>> {
  const web = path.join(import.meta.dirname, 'web');
  const result = await build({
    entryPoints: [path.join(web, 'main.tsx')],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    logLevel: 'silent',
  });
  const [script] = result.outputFiles;
  return {
    '/': { type: 'text/html', body: await readFile(path.join(web, 'index.html'), 'utf8') },
    '/main.js': { type: 'text/javascript', body: script?.text ?? '' },
    '/style.css': { type: 'text/css', body: await readFile(path.join(web, 'style.css'), 'utf8') },
  };
}
