import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { z } from 'zod';

const entrySchema = z.object({
  order: z.string(),
  value: z.number(),
  currency: z.string(),
  time: z.iso.datetime(),
  basket: z.string(),
  trace: z.string(),
});

/**
 * A checkout that the shop acknowledged: it answered with an order number. Every entry must be found in the shop's
 * database afterwards; the reverse need not hold, because an order may be placed whose answer came too late.
 */
export type LedgerEntry = z.infer<typeof entrySchema>;

export interface LedgerOptions {
  /** File to append to. Without one the ledger lives in memory and ends with the process. */
  file?: string | undefined;
  /** Told about a torn last line that was cut off, and about appends that failed or work again. */
  warn(message: string, error?: unknown): void;
}

/**
 * Acknowledged checkouts as JSON lines. With a file, each line is written by one `write` to a file opened for
 * appending before {@link append} returns, so it survives kill -9 of this process (not a power cut: there is no
 * fsync an order). A line that the disk refuses is kept in memory and written again with the next one.
 */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #fd: number | undefined;
  /** The whole ledger where there is no file. */
  readonly #lines: string[] = [];
  /** What the file has not taken yet. */
  #pending = Buffer.alloc(0);
  #entries = 0;

  /** @throws Error naming the file when it cannot be opened, or holds a line that is not a ledger entry */
  constructor(options: LedgerOptions) {
    this.#options = options;
    if (options.file === undefined) return;
    try {
      this.#fd = openSync(options.file, 'a+', 0o600);
    } catch (cause) {
      throw new Error(
        `LOAD_LEDGER: cannot open ${options.file} for appending (${(cause as NodeJS.ErrnoException).code}); ` +
          'name a file in a directory that exists and may be written',
        { cause },
      );
    }
    this.#entries = this.#recover(options.file, this.#fd);
  }

  /** Entries, those of earlier runs on the same file included. */
  get entries(): number {
    return this.#entries;
  }

  /** Entries that the file has not taken yet; 0 unless the disk refuses writes. */
  get unwritten(): number {
    return this.#pending.length === 0 ? 0 : this.#pending.toString('utf8').split('\n').length - 1;
  }

  append(entry: LedgerEntry): void {
    const line = `${JSON.stringify(entry)}\n`;
    this.#entries++;
    if (this.#fd === undefined) {
      this.#lines.push(line);
      return;
    }
    const failing = this.#pending.length > 0;
    this.#pending = failing ? Buffer.concat([this.#pending, Buffer.from(line)]) : Buffer.from(line);
    this.#flush(this.#fd, failing);
  }

  /** The ledger as JSON lines. */
  read(): string {
    if (this.#fd === undefined) return this.#lines.join('');
    return readFileSync(this.#options.file as string, 'utf8') + this.#pending.toString('utf8');
  }

  close(): void {
    if (this.#fd === undefined) return;
    if (this.#pending.length > 0) this.#flush(this.#fd, true);
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }

  #flush(fd: number, wasFailing: boolean): void {
    try {
      while (this.#pending.length > 0)
        this.#pending = this.#pending.subarray(writeSync(fd, this.#pending, 0, this.#pending.length));
      if (wasFailing) this.#options.warn(`the ledger ${this.#options.file} takes lines again`);
    } catch (error) {
      if (!wasFailing)
        this.#options.warn(
          `the ledger ${this.#options.file} refuses a line; kept in memory and tried again with the next checkout`,
          error,
        );
    }
  }

  /** Counts the lines that are there, and cuts off a last one that was torn. */
  #recover(file: string, fd: number): number {
    const text = readFileSync(fd, 'utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) {
      ftruncateSync(fd, fstatSync(fd).size - Buffer.byteLength(text.slice(whole.length)));
      this.#options.warn(`the ledger ${file} ended in a torn line, which was cut off`);
    }
    const lines = whole.split('\n').slice(0, -1);
    for (const [i, line] of lines.entries()) {
      if (!isEntry(line))
        throw new Error(`LOAD_LEDGER: line ${i + 1} of ${file} is not a ledger entry; name another file`);
    }
    return lines.length;
  }
}

function isEntry(line: string): boolean {
  try {
    return entrySchema.safeParse(JSON.parse(line)).success;
  } catch {
    return false;
  }
}
