import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { waitFor } from '../lib/waitFor.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { watchSources } from './watchSources.ts';

it('tells of a change of code or style in any depth, and of no test or dependency', async () => {
  const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-sources-'));
  const end = new AbortController();
  const changed: string[] = [];
  const write = (file: string) => writeFile(path.join(dir, file), 'new');
  const told = (file: string) =>
    waitFor(file, () => changed.some((one) => one.endsWith(file)), { deadlineMs: PATIENCE_MS });
  try {
    for (const folder of ['web', 'node_modules/x']) await mkdir(path.join(dir, folder), { recursive: true });
    watchSources([dir], end.signal, (file) => changed.push(file));
    await write('server.ts');
    await told('server.ts');
    for (const file of ['server.test.ts', 'node_modules/x/index.ts', 'notes.md']) await write(file);
    await write('web/style.css');
    await told('web/style.css');
    expect(changed.map((file) => path.relative(dir, path.resolve('/', file)))).toHaveLength(2);
  } finally {
    end.abort();
    await rm(dir, { recursive: true });
  }
});
