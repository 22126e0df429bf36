import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { BadRequest, type Problem, toProblem } from './problem.ts';

/** What a topic's last reading gave: data, or why there is none. */
export type Reading = { data: unknown } | { fault: Problem };

export interface Topic {
  read(): unknown | Promise<unknown>;
  /** Read again after so many beats; 0: only when {@link Feed.changed} says so. */
  beats: number;
}

/** Browsers that look on at a time. */
const MAX_READERS = 50;
/** Bytes of one event; the largest is a diagnosis of a thousand tables, with two million. */
const MAX_EVENT_BYTES = 12_000_000;
/** Bytes of all events that readers have not taken yet; one that waits for several readers counts once. */
const MAX_WAITING_BYTES = 32_000_000;
/** A reader that takes nothing for so long is cut off. */
const STALLED_MS = 60_000;

/** One event, shared by all readers that it waits for. */
interface Frame {
  bytes: Buffer;
  readers: number;
}

interface Reader {
  response: ServerResponse;
  /** Handed to the socket, and not taken yet; one at a time, so that a newer value can still replace an older one. */
  leaving: Frame | undefined;
  leavingSince: number;
  /** The newest value of each topic that has changed since. */
  waiting: Map<string, Frame>;
}

/**
 * Server-sent events for all open pages: each source is read once, however many look on, and only while somebody does.
 * A topic is sent when it has changed; a page that connects gets the last of each. `beat` says that all is as it was.
 *
 * A reader that is slow costs one value a topic, shared with the others, and is cut off when all that waits is too much
 * or when it has taken nothing for a minute; its browser connects again and gets the newest only.
 */
export class Feed<Name extends string> {
  readonly #topics: Record<Name, Topic>;
  readonly #everyMs: number;
  readonly #log: (message: string) => void;
  readonly #readers = new Set<Reader>();
  readonly #last = new Map<Name, Frame>();
  readonly #again = new Set<Name>();
  readonly #reading = new Map<Name, Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #beating = false;
  #count = 0;
  #closed = false;
  #waitingBytes = 0;
  #cutOff = 0;

  /** @param everyMs between two beats, from the end of one to the beginning of the next */
  constructor(topics: Record<Name, Topic>, everyMs: number, log: (message: string) => void) {
    this.#topics = topics;
    this.#everyMs = everyMs;
    this.#log = log;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** Readers that were too slow, since the start. */
  get cutOff(): number {
    return this.#cutOff;
  }

  /** Bytes of events that readers have not taken yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** @throws BadRequest when too many look on */
  readonly handler = (request: IncomingMessage, response: ServerResponse): void => {
    if (this.#closed || this.#readers.size >= MAX_READERS)
      throw new BadRequest(`${MAX_READERS} pages are already open; close one of them.`, 503);
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    response.flushHeaders();
    const reader: Reader = { response, leaving: undefined, leavingSince: 0, waiting: new Map() };
    this.#readers.add(reader);
    request.once('close', () => this.#drop(reader));
    for (const [name, frame] of this.#last) this.#queue(reader, name, frame);
    this.#trim();
    if (!this.#beating) void this.#beat();
  };

  /** Something has changed that does not wait for the next beat. */
  changed(...names: Name[]): void {
    if (this.#readers.size > 0) for (const name of names) void this.#refresh(name);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const reader of [...this.#readers]) {
      this.#drop(reader);
      reader.response.end();
    }
  }

  async #beat(): Promise<void> {
    this.#beating = true;
    this.#count += 1;
    clearTimeout(this.#timer);
    const names = Object.keys(this.#topics) as Name[];
    const readings = names
      .filter((name) => {
        const { beats } = this.#topics[name];
        return !this.#last.has(name) || (beats > 0 && this.#count % beats === 0);
      })
      .map((name) => this.#refresh(name));
    // A source that does not answer keeps its own topic waiting, and no other one.
    const late = new AbortController();
    await Promise.race([
      Promise.all(readings),
      sleep(this.#everyMs, undefined, { signal: late.signal, ref: false }).catch(() => {}),
    ]);
    late.abort();
    this.#beating = false;
    const now = performance.now();
    for (const reader of [...this.#readers])
      if (reader.leaving && now - reader.leavingSince > STALLED_MS) this.#cut(reader);
    if (this.#closed || this.#readers.size === 0) return;
    const beat = `event: beat\ndata: ${JSON.stringify({ at: new Date().toISOString() })}\n\n`;
    this.#send('beat', { bytes: Buffer.from(beat), readers: 0 });
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
    const frameOf = (reading: Reading) => Buffer.from(`event: ${name}\ndata: ${JSON.stringify(reading)}\n\n`);
    let bytes: Buffer;
    try {
      bytes = frameOf({ data: await this.#topics[name].read() });
      if (bytes.length > MAX_EVENT_BYTES)
        throw new BadRequest(`It has ${bytes.length} bytes, which is more than can be sent to a page.`, 413);
    } catch (error) {
      const fault = toProblem(error);
      if (fault.status === 500) this.#log(String((error as Error)?.stack ?? error));
      bytes = frameOf({ fault });
    }
    if (this.#readers.size === 0 || this.#last.get(name)?.bytes.equals(bytes)) return;
    const frame: Frame = { bytes, readers: 0 };
    this.#last.set(name, frame);
    this.#send(name, frame);
  }

  #send(name: Name | 'beat', frame: Frame): void {
    for (const reader of this.#readers) this.#queue(reader, name, frame);
    this.#trim();
  }

  /** Those that wait longest go first: they hold what nobody else waits for any more. */
  #trim(): void {
    if (this.#waitingBytes <= MAX_WAITING_BYTES) return;
    const waiting = [...this.#readers]
      .filter(({ leaving }) => leaving)
      .sort((a, b) => a.leavingSince - b.leavingSince);
    for (const reader of waiting) {
      if (this.#waitingBytes <= MAX_WAITING_BYTES) return;
      this.#cut(reader);
    }
  }

  #hold(frame: Frame): void {
    frame.readers += 1;
    if (frame.readers === 1) this.#waitingBytes += frame.bytes.length;
  }

  #release(frame: Frame | undefined): void {
    if (!frame) return;
    frame.readers -= 1;
    if (frame.readers === 0) this.#waitingBytes -= frame.bytes.length;
  }

  #queue(reader: Reader, name: string, frame: Frame): void {
    this.#hold(frame);
    this.#release(reader.waiting.get(name));
    reader.waiting.set(name, frame);
    if (!reader.leaving) this.#pass(reader);
  }

  /** Hands the next event to the socket, and the one after it when this one has been taken. */
  #pass(reader: Reader): void {
    const [next] = reader.waiting;
    if (!next) return;
    const [name, frame] = next;
    reader.waiting.delete(name);
    reader.leaving = frame;
    reader.leavingSince = performance.now();
    reader.response.write(frame.bytes, () => {
      if (!this.#readers.has(reader)) return;
      this.#release(frame);
      reader.leaving = undefined;
      this.#pass(reader);
    });
  }

  #cut(reader: Reader): void {
    this.#cutOff += 1;
    this.#drop(reader);
    reader.response.destroy();
  }

  #drop(reader: Reader): void {
    if (!this.#readers.delete(reader)) return;
    this.#release(reader.leaving);
    for (const frame of reader.waiting.values()) this.#release(frame);
    reader.waiting.clear();
    // What is kept would be old for the next reader.
    if (this.#readers.size === 0) this.#last.clear();
  }
}
