import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';

const ROOT = path.join(import.meta.dirname, '..');

/** Relative imports of each file, those of types too; by path from the root. */
async function importsOf(files: readonly string[]): Promise<Map<string, string[]>> {
  const graph = new Map<string, string[]>();
  for (const file of files) {
    const text = await readFile(path.join(ROOT, file), 'utf8');
    const found = [...text.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']*)'/g)].map(([, to = '']) =>
      path.normalize(path.join(path.dirname(file), to)),
    );
    graph.set(file, found);
  }
  return graph;
}

/** A way from a file back to itself. */
function circleIn(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const walk = (file: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const next of graph.get(file) ?? []) {
      const circle = walk(next, [...way, file]);
      if (circle) return circle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const circle = walk(file, []);
    if (circle) return circle;
  }
  return undefined;
}

it('no file imports itself by way of others', async () => {
  const files = globSync('**/*.{ts,tsx}', {
    cwd: ROOT,
    exclude: (name) => ['node_modules', '.git', 'out', '.sqltrail'].includes(path.basename(String(name))),
  });
  expect(files.length).toBeGreaterThan(400);
  expect(circleIn(await importsOf(files))).toBeUndefined();
});

it('a circle is found', () => {
  expect(
    circleIn(
      new Map([
        ['a', ['b', 'c']],
        ['b', []],
        ['c', ['d']],
        ['d', ['a']],
      ]),
    ),
  ).toEqual(['a', 'c', 'd', 'a']);
});
