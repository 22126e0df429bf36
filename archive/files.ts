import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { OperationError } from '../lib/pg/errors.ts';
import { stem } from './names.ts';

/** Archived rows are customers' data: for the user who archives only, and never to be written again. */
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o400;
const WIDER = 0o077;

/** The directory or its disk: no unit can be written there. */
export class DiskError extends OperationError {}

/** A fault of the disk in words, with the next step. `nothing`: what has not happened because of it. */
export function diskFault(
  directory: string,
  error: unknown,
  nothing = 'Nothing was removed from the database',
): unknown {
  // "Permission denied" of the database is no fault of the directory.
  if (error instanceof pg.DatabaseError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const said = `${code ?? ''} ${message}`;
  if (/ENOSPC|EDQUOT|No space left|Disk quota/i.test(said))
    return new DiskError(
      `The disk of ${directory} is full. ${nothing}; make room or give another directory, and run it again.`,
      { cause: error },
    );
  if (/EACCES|EROFS|EPERM|ENOTDIR|EEXIST|ENAMETOOLONG|Permission denied|Read-only/i.test(said))
    return new DiskError(
      `${directory} cannot be written to (${message}). ${nothing}; give a directory that can.`,
      { cause: error },
    );
  return error;
}

/** Makes the directory where it is not there, for this user alone, whatever the umask. */
export async function makeDirectory(directory: string): Promise<void> {
  const made = await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
  if (made !== undefined) await chmod(directory, DIRECTORY_MODE);
}

/** The file can be read by its owner from now on, and written by nobody. It is on the disk afterwards. */
export async function seal(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    await handle.chmod(FILE_MODE);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** The first of the files that is missing in the directory, or not what was written. */
export async function changedFile(
  directory: string,
  files: readonly { file: string; sha256: string }[],
): Promise<string | undefined> {
  for (const { file, sha256 } of files)
    if ((await sha256Of(path.join(directory, file)).catch(() => '')) !== sha256) return file;
  return undefined;
}

/** Names in a directory of the files of a segment, complete or not. */
export const namesOfSegment = async (directory: string, unit: string, segment: number): Promise<string[]> =>
  (await readdir(directory)).filter((name) => name.startsWith(`${stem(unit, segment)}.`));

const ours = /^[a-z][a-z0-9-]{0,40}-\d{6,}(\..+\.parquet|\.json)$/;

export const isManifest = (name: string) => ours.test(name) && name.endsWith('.json');

/**
 * Takes from others what rights they have in an archive: sqltrail made files that all could read before. Of a
 * directory that holds other things too, the archive's files alone are changed.
 *
 * @returns what was changed, and what could not be, as sentences
 */
export async function tighten(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  const files = names.filter((name) => ours.test(name));
  if (files.length === 0) return [];
  const said: string[] = [];
  let open = 0;
  const refused: string[] = [];
  for (const name of files) {
    const file = path.join(directory, name);
    const found = await lstat(file).catch(() => undefined);
    if (!found?.isFile() || (found.mode & 0o777) === FILE_MODE) continue;
    if (found.mode & WIDER) open += 1;
    await chmod(file, FILE_MODE).catch(() => {
      if (found.mode & WIDER) refused.push(name);
    });
  }
  if (open > refused.length)
    said.push(
      `${open - refused.length} files of the archive ${directory} could be read by other users of this machine; now they cannot.`,
    );
  if (refused.length > 0)
    said.push(
      `${refused.length} files of the archive ${directory} can be read by other users of this machine, and this user may not change that (${refused[0]}). Let their owner run: chmod 0400`,
    );
  const { mode } = await stat(directory);
  if ((mode & WIDER) === 0) return said;
  const others = names.length > files.length;
  const changed =
    !others &&
    (await chmod(directory, DIRECTORY_MODE).then(
      () => true,
      () => false,
    ));
  said.push(
    changed
      ? `Other users of this machine could look into the archive ${directory}; now they cannot.`
      : `Other users of this machine can look into the archive ${directory}${mode & 0o022 ? ' and replace its files' : ''}${others ? ', which holds other things too' : ''}. Give the archive a directory of its own with mode 0700.`,
  );
  return said;
}
