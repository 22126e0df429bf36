import { SourceUnavailable } from '../problem.ts';

/** Lets a few requests to a source run at a time, and a bounded number wait. */
export class Gate {
  readonly #source: string;
  readonly #atATime: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(source: string, atATime: number, maxWaiting: number) {
    this.#source = source;
    this.#atATime = atATime;
    this.#maxWaiting = maxWaiting;
  }

  /** @throws SourceUnavailable when too many wait already */
  async run<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#running < this.#atATime) this.#running += 1;
    else if (this.#waiting.length >= this.#maxWaiting)
      throw new SourceUnavailable(
        this.#source,
        `${this.#maxWaiting} requests to it wait already.`,
        'Ask again in a moment.',
      );
    else await new Promise<void>((next) => this.#waiting.push(next));
    try {
      return await ask();
    } finally {
      // The place is handed on, so that a newcomer cannot take it in between.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}
