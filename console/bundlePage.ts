import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { build, stop } from 'esbuild';
import type { Asset } from './page.ts';

interface Bundle {
  page: Record<string, Asset>;
  sources: string[];
}

async function bundle(): Promise<Bundle> {
  const web = path.join(import.meta.dirname, 'web');
  const read = (file: string) => readFile(path.join(web, file), 'utf8');
  const result = await build({
    entryPoints: [path.join(web, 'main.tsx')],
    bundle: true,
    // Charts and the SQL formatter are most of it; the page is there before them.
    splitting: true,
    outdir: '/',
    chunkNames: 'chunk-[hash]',
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    define: { 'process.env.NODE_ENV': '"production"' },
    legalComments: 'none',
    logLevel: 'silent',
  });
  // Its helper process would stay, with 25 MB, for nothing.
  await stop();
  const scripts = result.outputFiles.map(({ path: file, text }) => [
    `/${path.basename(file)}`,
    { type: 'text/javascript', body: text },
  ]);
  return {
    page: {
      ...Object.fromEntries(scripts),
      '/': { type: 'text/html', body: await read('index.html') },
      '/style.css': { type: 'text/css', body: await read('style.css') },
      '/icon.svg': { type: 'image/svg+xml', body: await read('icon.svg') },
    },
    sources: Object.keys(result.metafile.inputs).map((file) => path.resolve(file)),
  };
}

let bundled: Promise<Bundle> | undefined;
function bundledOnce(): Promise<Bundle> {
  bundled ??= bundle();
  return bundled;
}

/**
 * The page's files by path, bundled in memory once a process: all that the page needs comes from here. In the package
 * they are bundled already (cli/pack.ts).
 *
 * @throws Error with esbuild's message when the page does not compile
 */
export const bundlePage = async (): Promise<Record<string, Asset>> => (await bundledOnce()).page;

/** The files that the page's scripts are made of, packages of others among them. */
export const pageSources = async (): Promise<string[]> => (await bundledOnce()).sources;
