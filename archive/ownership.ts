import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type pg from 'pg';
import { OperationError } from '../lib/pg/errors.ts';
import type { ArchiveOptions } from './archival.ts';
import { diskFault, makeDirectory } from './files.ts';
import { stem } from './names.ts';
import { readSegments } from './session.ts';

type Places = Pick<ArchiveOptions, 'directory' | 'copies'>;

const placesOf = ({ directory, copies = [] }: Places) => [directory, ...copies];

/** Of segments, whose numbers begin anew in each database. */
const MANIFEST = /^[a-z][a-z0-9-]{0,40}-(\d{6,})\.json$/;

interface Manifest {
  /** Not in those of earlier versions. */
  journal?: string;
  segment?: number;
  files?: { file: string; sha256?: string }[];
}

/** What tells the archive of this database from that of every other one; a dump takes it along. */
export async function journalOf(client: pg.ClientBase): Promise<string> {
  await client.query(
    `CREATE TABLE IF NOT EXISTS sqltrail.archive_journal (id uuid PRIMARY KEY DEFAULT gen_random_uuid());
     INSERT INTO sqltrail.archive_journal SELECT WHERE NOT EXISTS (SELECT FROM sqltrail.archive_journal)`,
  );
  const { rows } = await client.query<{ id: string }>('SELECT id FROM sqltrail.archive_journal');
  return rows[0]?.id ?? '';
}

const foreign = (directory: string, why: string) =>
  new OperationError(
    `${directory} holds the archive of another database (${why}). Nothing was changed there; give each database a directory of its own.`,
  );

/**
 * Makes sure that the directories are there and hold no files but those of this database: the names of two would be the
 * same, and one archive would replace the other.
 *
 * @throws OperationError naming the directory and what is in it; DiskError where it cannot be made
 */
export async function ownDirectories(client: pg.ClientBase, places: Places): Promise<void> {
  const journal = await journalOf(client);
  const segments = new Map((await readSegments(client)).map((segment) => [segment.id, segment]));
  const isOurs = ({ journal: of, segment, files = [] }: Manifest) => {
    if (of !== undefined) return of === journal;
    const written = segments.get(segment ?? 0)?.files.map(({ sha256 }) => sha256);
    return (
      written !== undefined && files.every(({ sha256 }) => sha256 === undefined || written.includes(sha256))
    );
  };
  for (const directory of placesOf(places)) {
    let names: string[];
    try {
      await makeDirectory(directory);
      names = await readdir(directory);
    } catch (error) {
      throw diskFault(directory, error);
    }
    for (const name of names.filter((each) => MANIFEST.test(each))) {
      const text = await readFile(path.join(directory, name), 'utf8').catch((error) => {
        throw diskFault(directory, error);
      });
      let manifest: Manifest;
      try {
        manifest = JSON.parse(text);
      } catch {
        throw foreign(directory, `${name} is no manifest of this one`);
      }
      if (!isOurs(manifest)) throw foreign(directory, name);
    }
  }
}

/**
 * A number that is new in this database is new in its directories too, unless a copy of the database writes there.
 *
 * @throws OperationError naming the file that is there
 */
export async function unusedNames(places: Places, unit: string, segment: number): Promise<void> {
  for (const directory of placesOf(places)) {
    const name = (await readdir(directory)).find((each) => each.startsWith(`${stem(unit, segment)}.`));
    if (name !== undefined) throw foreign(directory, name);
  }
}
