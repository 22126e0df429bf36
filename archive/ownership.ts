import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type pg from 'pg';
import { errorCode } from '../lib/errors.ts';
import { OperationError } from '../lib/pg/errors.ts';
import { type ArchiveOptions, directoriesOf } from './archival.ts';
import { diskFault, isManifest, makeDirectory, namesOfSegment } from './files.ts';
import { readSegments } from './session.ts';

type Places = Pick<ArchiveOptions, 'directory' | 'copies'>;

interface Manifest {
  /** Not in those of earlier versions. */
  journal?: string;
  segment?: number;
  files?: { file: string; sha256?: string }[];
}

/** One that cannot be read is nobody's. */
function manifestIn(text: string): Manifest {
  try {
    return JSON.parse(text);
  } catch {
    return { journal: '' };
  }
}

const foreign = (directory: string, why: string) =>
  new OperationError(
    `${directory} holds the archive of another database (${why}). Nothing was changed there; give each database a directory of its own.`,
  );

/**
 * Makes sure that the directories hold no files but those of this database: the names of two would be the same, and one
 * archive would replace the other.
 *
 * @throws OperationError naming the directory and what is in it; DiskError where it cannot be read
 */
export async function ownDirectories(client: pg.ClientBase, places: Places): Promise<void> {
  const { rows } = await client.query<{ id: string }>('SELECT id FROM sqltrail.archive_journal');
  const segments = new Map((await readSegments(client)).map((segment) => [segment.id, segment]));
  const isOurs = ({ journal, segment, files = [] }: Manifest) => {
    if (journal !== undefined) return journal === rows[0]?.id;
    const written = segments.get(segment ?? 0)?.files.map(({ sha256 }) => sha256);
    return (
      written !== undefined && files.every(({ sha256 }) => sha256 === undefined || written.includes(sha256))
    );
  };
  for (const directory of directoriesOf(places))
    try {
      const names = await readdir(directory).catch((error) => {
        if (errorCode(error) === 'ENOENT') return [];
        throw error;
      });
      for (const name of names.filter(isManifest))
        if (!isOurs(manifestIn(await readFile(path.join(directory, name), 'utf8'))))
          throw foreign(directory, name);
    } catch (error) {
      throw diskFault(directory, error);
    }
}

/** The same of directories that are written to, made where they are not there. */
export async function readyDirectories(client: pg.ClientBase, places: Places): Promise<void> {
  for (const directory of directoriesOf(places))
    await makeDirectory(directory).catch((error) => {
      throw diskFault(directory, error);
    });
  await ownDirectories(client, places);
}

/**
 * A number that is new in this database is new in its directories too, unless a copy of the database writes there.
 *
 * @throws OperationError naming the file that is there
 */
export async function unusedNames(places: Places, unit: string, segment: number): Promise<void> {
  for (const directory of directoriesOf(places)) {
    const [name] = await namesOfSegment(directory, unit, segment);
    if (name !== undefined) throw foreign(directory, name);
  }
}
