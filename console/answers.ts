import type { RequestHandler } from 'express';
import { BadRequest } from './problem.ts';

/** Bytes of all answers that have not been taken yet. A trace may have sixteen million. */
const MAX_BYTES_LEAVING = 64_000_000;
/** A reader that takes nothing for so long is cut off. */
const STALLED_MS = 60_000;

/** Holds what waits for readers below a bound: one that asks and does not read must not fill the memory. */
export class Answers {
  #leaving = 0;

  /** Makes `response.json` refuse with 503 while too much waits. */
  readonly bound: RequestHandler = (_request, response, next) => {
    response.json = (value) => {
      const body = Buffer.from(JSON.stringify(value));
      if (this.#leaving + body.length > MAX_BYTES_LEAVING) {
        response.set('Retry-After', '5');
        throw new BadRequest('Other clients have not read their responses yet; try again.', 503);
      }
      this.#leaving += body.length;
      response.once('close', () => {
        this.#leaving -= body.length;
      });
      response.setTimeout(STALLED_MS, () => response.destroy());
      return response.type('json').send(body);
    };
    next();
  };
}
