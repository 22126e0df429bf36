import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { LRUCache } from 'lru-cache';
import { bearerOf } from './access.ts';
import { BadRequest } from './problem.ts';

/** A page that stays open over a working day keeps its right to change things; one left over night does not. */
const SESSION_MS = 12 * 3_600_000;
/** A link is printed when the stack starts, and is opened by whoever sits before that terminal. */
const LINK_MS = 3_600_000;
const MAX_SESSIONS = 100;

const digest = (value: string) => createHash('sha256').update(value).digest('hex');
const secret = () => randomBytes(24).toString('base64url');

/**
 * Rights of pages to start a diagnosis, and to apply and undo. A page gets its session token for the console's own
 * token, or for the code of a one-time link, and sends it in a header: no cookie, so nothing is sent by itself, and
 * never in a URL, so no log has it. Tokens are kept as digests, in memory, and end with the process.
 */
export class Sessions {
  readonly #sessions = new LRUCache<string, true>({ max: MAX_SESSIONS, ttl: SESSION_MS });
  readonly #links = new LRUCache<string, true>({ max: MAX_SESSIONS, ttl: LINK_MS });

  /** The code of a link that works once, within an hour. */
  link(): string {
    const code = secret();
    this.#links.set(digest(code), true);
    return code;
  }

  /** @returns whether the code was good; it is not any more */
  redeem(code: string): boolean {
    const key = digest(code);
    // Deleting says yes to one whose hour is over, too.
    const good = this.#links.has(key);
    this.#links.delete(key);
    return good;
  }

  start(): string {
    const token = secret();
    this.#sessions.set(digest(token), true);
    return token;
  }

  has(token: string): boolean {
    return this.#sessions.has(digest(token));
  }
}

/**
 * A page of another site must not act through the browser of somebody who has the console open, nor read, take a seat
 * among the readers, or keep the sources busy. Browsers say where a request comes from; scripts say nothing.
 */
export const sameOrigin: RequestHandler = (request, _response, next) => {
  const origin = request.get('origin');
  const site = request.get('sec-fetch-site');
  const own = origin === undefined || (URL.canParse(origin) && new URL(origin).host === request.get('host'));
  if (own && (site === undefined || site === 'same-origin' || site === 'none')) return next();
  throw new BadRequest('Only the console’s own page may do this.', 403);
};

/** @param token the console's own, which scripts send; pages send their session's */
export function demandSession(sessions: Sessions, token: string): RequestHandler {
  const wanted = Buffer.from(digest(token));
  return (request, response, next) => {
    const given = bearerOf(request);
    if (given !== undefined && (sessions.has(given) || timingSafeEqual(Buffer.from(digest(given)), wanted)))
      return next();
    response.set('WWW-Authenticate', 'Bearer realm="sqltrail"');
    throw new BadRequest('Unlock the console first: its token, or the one-time link of npm start.', 401);
  };
}
