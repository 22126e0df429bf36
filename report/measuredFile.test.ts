import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import { readMeasured, writeMeasured } from './measuredFile.ts';

const schema = z.object({ cells: z.array(z.number()) });
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'sqltrail-measured-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it('what was written is read again, and nothing half written is left', async () => {
  const file = path.join(directory, 'cells.json');
  expect(await readMeasured(file, schema)).toBeNull();
  await writeMeasured(file, schema, { cells: [1, 2] });
  expect(await readMeasured(file, schema)).toEqual({ cells: [1, 2] });
  expect(await readdir(directory)).toEqual(['cells.json']);
});

it('a file that cannot be read is not taken for a missing one, and a broken one is named', async () => {
  const unreadable = path.join(directory, 'unreadable.json');
  await mkdir(unreadable);
  await expect(readMeasured(unreadable, schema)).rejects.toThrow(/EISDIR/);
  const broken = path.join(directory, 'broken.json');
  await writeFile(broken, JSON.stringify({ cells: [1, 'two'] }));
  await expect(readMeasured(broken, schema)).rejects.toThrow(`${broken}: cells.1:`);
});

it('a value that is not of the schema leaves the file as it was', async () => {
  const file = path.join(directory, 'kept.json');
  await writeMeasured(file, schema, { cells: [1] });
  const before = await readFile(file, 'utf8');
  await expect(writeMeasured(file, schema, { cells: [Number.NaN] })).rejects.toThrow();
  expect(await readFile(file, 'utf8')).toBe(before);
});
