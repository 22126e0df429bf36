import { randomInt } from 'node:crypto';
import express, { type RequestHandler } from 'express';
import { BadRequest } from './problem.ts';

/** What one JSON body may hold. */
export interface JsonLimits {
  /** Uncompressed. */
  bytes: number;
  /** Objects and arrays inside one another. */
  depth: number;
  /** Objects and arrays. */
  containers: number;
  /** Elements of arrays and members of objects, all together. */
  values: number;
  /**
   * Sequences of member names that an object begins with. V8 makes a hidden class for each, which takes a thousand
   * times as long as one more object of a known shape; what is exchanged here has a hundred of them.
   */
  shapes: number;
}

/**
 * A diagnosis of a thousand tables has two megabytes, a batch of traces from the collector less; a plan alone may have
 * half a megabyte. Objects take far more room than their text: an empty one has three bytes there, and 56 on the heap.
 */
export const largeJson: JsonLimits = {
  bytes: 8_000_000,
  depth: 64,
  containers: 200_000,
  values: 400_000,
  shapes: 5_000,
};
export const smallJson: JsonLimits = {
  bytes: 1_000_000,
  depth: 32,
  containers: 20_000,
  values: 60_000,
  shapes: 2_000,
};

/** Bytes of all bodies at a time: each is held until it is complete, and until its turn comes. */
const MAX_BYTES_HELD = 64_000_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

// Not the same in every process, so that nobody can make names whose sums are equal.
const SEED = randomInt(2 ** 31);
const mix = (sum: number, value: number) => Math.imul(sum ^ value, 0x01000193) ^ (sum >>> 15);

/**
 * Looks at the bytes before anything is built from them. It counts structure only; whether it is JSON at all is
 * JSON.parse's to say, which never builds more than what was counted here.
 *
 * @returns what there is too much of; undefined when all is within the limits
 */
export function exceededLimit(body: Uint8Array, limits: JsonLimits): string | undefined {
  let depth = 0;
  let containers = 0;
  let values = 0;
  let textFrom = 0;
  let textTo = 0;
  const shapes = new Set<number>();
  /** Of the names so far of each object that is open. */
  const sums: number[] = [SEED];
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at];
    if (byte === QUOTE) {
      textFrom = at + 1;
      for (at += 1; at < body.length && body[at] !== QUOTE; at += 1) if (body[at] === BACKSLASH) at += 1;
      textTo = at;
    } else if (byte === COLON) {
      let sum = sums[depth] ?? SEED;
      for (let name = textFrom; name < textTo; name += 1) sum = mix(sum, body[name] as number);
      sum = mix(sum, QUOTE);
      sums[depth] = sum;
      shapes.add(sum);
      if (shapes.size > limits.shapes) return `its objects have more than ${limits.shapes} different shapes`;
    } else if (byte === COMMA) {
      values += 1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth += 1;
      containers += 1;
      // The first of a container's values has no comma.
      values += 1;
      if (depth > limits.depth) return `it is nested deeper than ${limits.depth} levels`;
      sums[depth] = SEED;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth = Math.max(0, depth - 1);
    if (containers > limits.containers) return `it has more than ${limits.containers} objects and arrays`;
    if (values > limits.values) return `it has more than ${limits.values} values`;
  }
  return undefined;
}

const tooLargeBody = (why: string) => new BadRequest(`The body is too large: ${why}; send it in parts.`, 413);

/** @throws BadRequest 413 for one beyond the limits, 400 for one that is not JSON */
export function parseJson(body: Uint8Array, limits: JsonLimits): unknown {
  const exceeded =
    body.length > limits.bytes ? `it has more than ${limits.bytes} bytes` : exceededLimit(body, limits);
  if (exceeded) throw tooLargeBody(exceeded);
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    throw new BadRequest('The body is not JSON.');
  }
}

/** Reads JSON bodies of all routes, within limits for each and for all that are held at the same time. */
export class Bodies {
  #held = 0;

  /** Sets `request.body` to the bytes; undefined where there are none, and for another content type. */
  raw(limits: JsonLimits): RequestHandler {
    const read = express.raw({ type: 'application/json', limit: limits.bytes });
    return (request, response, next) => {
      const declared = Number(request.get('content-length') ?? limits.bytes);
      const compressed = (request.get('content-encoding') ?? 'identity') !== 'identity';
      // What it will be uncompressed nobody knows before.
      const size = compressed ? limits.bytes : Math.min(declared || 0, limits.bytes);
      if (this.#held + size > MAX_BYTES_HELD) {
        response.set('Retry-After', '1');
        throw new BadRequest('Too many large requests are arriving at the same time; try again.', 503);
      }
      const charset = /;\s*charset="?([\w-]{1,40})/i.exec(request.get('content-type') ?? '')?.[1];
      if (charset && !/^utf-?8$/i.test(charset))
        throw new BadRequest(`The charset ${charset} is not supported; send UTF-8.`, 415);
      this.#held += size;
      response.once('close', () => {
        this.#held -= size;
      });
      read(request, response, (error?: unknown) => {
        const tooLarge = (error as { status?: unknown } | undefined)?.status === 413;
        next(tooLarge ? tooLargeBody(`it has more than ${limits.bytes} bytes`) : error);
      });
    };
  }

  /** Sets `request.body` to what the JSON says; undefined where there is none, and for another content type. */
  json(limits: JsonLimits): RequestHandler {
    const read = this.raw(limits);
    return (request, response, next) =>
      read(request, response, (error?: unknown) => {
        if (error) return next(error);
        try {
          if (Buffer.isBuffer(request.body))
            request.body = request.body.length === 0 ? {} : parseJson(request.body, limits);
        } catch (fault) {
          return next(fault);
        }
        next();
      });
  }
}
