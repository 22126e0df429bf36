import { mkdir, open, rename } from 'node:fs/promises';

/**
 * What a run leaves behind (recordings, reports, pictures, logs, findings) has texts and figures of somebody's
 * database in it, so it is for whoever started the run, and for nobody else on the machine.
 */
export const PRIVATE_FILE = 0o600;
export const PRIVATE_DIRECTORY = 0o700;

/** Makes a directory and those above it that are missing, for this user alone. One that is there stays as it is. */
export async function makePrivateDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: PRIVATE_DIRECTORY });
}

/** Writes a file for this user alone, also where one is there already that others may read. */
export async function writePrivate(file: string, content: string | Uint8Array): Promise<void> {
  const handle = await open(file, 'w', PRIVATE_FILE);
  try {
    // A mode is looked at for a new file only. A pipe or a terminal is somebody else's.
    if ((await handle.stat()).isFile()) await handle.chmod(PRIVATE_FILE);
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
}

/** The same in one step, so that a reader never sees half of it. */
export async function replacePrivate(file: string, content: string): Promise<void> {
  const partial = `${file}.partial`;
  await writePrivate(partial, content);
  await rename(partial, file);
}

/** Opens a log that is appended to, for this user alone. */
export async function openPrivateLog(file: string) {
  const handle = await open(file, 'a', PRIVATE_FILE);
  await handle.chmod(PRIVATE_FILE);
  return handle;
}
