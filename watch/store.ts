import { readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { errorCode } from '../lib/errors.ts';
import { makePrivateDirectory, replacePrivate } from '../lib/privateFiles.ts';
import { emptyHistory, type History, historySchema } from './history.ts';

const fileOf = (directory: string, database: string) => path.join(directory, `findings-${database}.json`);

/**
 * The history of one database as it was saved; an empty one where there is none.
 *
 * @throws Error when the file is there and is no history
 */
export async function readHistory(directory: string, database: string): Promise<History> {
  let text: string;
  try {
    text = await readFile(fileOf(directory, database), 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return emptyHistory();
    throw error;
  }
  try {
    return historySchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Error(`${fileOf(directory, database)} is no history of findings`, { cause });
  }
}

/** The history of one database, on disk: every change is there as a whole, or not at all. */
export class HistoryStore {
  readonly #directory: string;
  readonly #database: string;
  #history: History = emptyHistory();
  #saving: Promise<void> = Promise.resolve();

  private constructor(directory: string, database: string) {
    this.#directory = directory;
    this.#database = database;
  }

  /**
   * A file that cannot be read as a history is kept beside it as `.broken`, and a new one begun.
   *
   * @throws Error when the directory cannot be written
   */
  static async open(
    directory: string,
    database: string,
    log: (message: string) => void,
  ): Promise<HistoryStore> {
    await makePrivateDirectory(directory);
    const store = new HistoryStore(directory, database);
    try {
      store.#history = await readHistory(directory, database);
    } catch (error) {
      const file = fileOf(directory, database);
      log(`${(error as Error).message}; it is kept as ${file}.broken, and a new one begins`);
      await rename(file, `${file}.broken`);
    }
    return store;
  }

  get history(): History {
    return this.#history;
  }

  /** One change at a time, in the order in which they were asked for. @throws Error when it cannot be written */
  change(change: (history: History) => History): Promise<void> {
    const saving = this.#saving.then(async () => {
      this.#history = change(this.#history);
      await replacePrivate(fileOf(this.#directory, this.#database), `${JSON.stringify(this.#history)}\n`);
    });
    this.#saving = saving.catch(() => {});
    return saving;
  }
}
