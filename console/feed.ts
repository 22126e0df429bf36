import type { IncomingMessage, ServerResponse } from 'node:http';
import { BadRequest, type Problem, toProblem } from './problem.ts';

/** What a topic's last reading gave: data, or why there is none. */
export type Reading = { data: unknown } | { fault: Problem };

export interface Topic {
  read(): unknown | Promise<unknown>;
  /** Read again after so many beats; 0: only when {@link Feed.changed} says so. */
  beats: number;
}

/** Browsers that look on at a time. */
const MOST_READERS = 50;
/** A reader that is this far behind is cut off; its browser connects again and gets the newest only. */
const MOST_WAITING_BYTES = 4_000_000;

/**
 * Server-sent events for all open pages: each source is read once, however many look on, and only while somebody does.
 * A topic is sent when it has changed; a page that connects gets the last of each. `beat` says that all is as it was.
 */
export class Feed<Name extends string> {
  readonly #topics: Record<Name, Topic>;
  readonly #everyMs: number;
  readonly #log: (message: string) => void;
  readonly #readers = new Set<ServerResponse>();
  readonly #last = new Map<Name, string>();
  readonly #again = new Set<Name>();
  readonly #reading = new Map<Name, Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #beating = false;
  #count = 0;
  #closed = false;

  /** @param everyMs between two beats, from the end of one to the beginning of the next */
  constructor(topics: Record<Name, Topic>, everyMs: number, log: (message: string) => void) {
    this.#topics = topics;
    this.#everyMs = everyMs;
    this.#log = log;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** @throws BadRequest when too many look on */
  readonly handler = (request: IncomingMessage, response: ServerResponse): void => {
    if (this.#closed || this.#readers.size >= MOST_READERS)
      throw new BadRequest(`${MOST_READERS} pages look on already; close one of them.`, 503);
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.flushHeaders();
    for (const [name, text] of this.#last) response.write(`event: ${name}\ndata: ${text}\n\n`);
    this.#readers.add(response);
    request.once('close', () => {
      this.#readers.delete(response);
      // What is kept would be old for the next reader.
      if (this.#readers.size === 0) this.#last.clear();
    });
    if (!this.#beating) void this.#beat();
  };

  /** Something has changed that does not wait for the next beat. */
  changed(...names: Name[]): void {
    if (this.#readers.size > 0) for (const name of names) void this.#refresh(name);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
  }

  async #beat(): Promise<void> {
    this.#beating = true;
    this.#count += 1;
    clearTimeout(this.#timer);
    const names = Object.keys(this.#topics) as Name[];
    await Promise.all(
      names
        .filter((name) => {
          const { beats } = this.#topics[name];
          return !this.#last.has(name) || (beats > 0 && this.#count % beats === 0);
        })
        .map((name) => this.#refresh(name)),
    );
    this.#beating = false;
    if (this.#closed || this.#readers.size === 0) return;
    this.#send('beat', JSON.stringify({ at: new Date().toISOString() }));
    // One who came while nobody was there to be told, as after a reload, does not wait for the next beat.
    const missed = names.some((name) => !this.#last.has(name));
    this.#timer = setTimeout(() => void this.#beat(), missed ? 0 : this.#everyMs);
  }

  /** One reading at a time of each; a change during it makes another follow. */
  #refresh(name: Name): Promise<void> {
    const under = this.#reading.get(name);
    if (under) {
      this.#again.add(name);
      return under;
    }
    const reading = (async () => {
      do {
        this.#again.delete(name);
        await this.#read(name);
      } while (this.#again.has(name));
    })().finally(() => this.#reading.delete(name));
    this.#reading.set(name, reading);
    return reading;
  }

  async #read(name: Name): Promise<void> {
    let reading: Reading;
    try {
      reading = { data: await this.#topics[name].read() };
    } catch (error) {
      const fault = toProblem(error);
      if (fault.status === 500) this.#log(String((error as Error)?.stack ?? error));
      reading = { fault };
    }
    const text = JSON.stringify(reading);
    if (this.#readers.size === 0 || this.#last.get(name) === text) return;
    this.#last.set(name, text);
    this.#send(name, text);
  }

  #send(name: Name | 'beat', text: string): void {
    for (const reader of this.#readers) {
      if (reader.writableLength > MOST_WAITING_BYTES) reader.destroy();
      else reader.write(`event: ${name}\ndata: ${text}\n\n`);
    }
  }
}
