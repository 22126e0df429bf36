import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, expect } from 'vitest';
import { waitFor } from '../../lib/waitFor.ts';
import { PATIENCE_MS } from './patience.ts';

/** Sessions that write to a test's database, one transaction after another. */
export interface Writers {
  /** Ends those before them, and begins. @param mayFail messages of statements that may fail */
  start(statement: (writer: number) => string, mayFail?: RegExp): Promise<void>;
  /** Waits until every session has had time to write since now. @throws AssertionError where one failed */
  written(): Promise<void>;
  /** Ends them. @throws AssertionError where one failed */
  stop(): Promise<void>;
}

/** So many statements are time for each session to write. */
const SOME = 20;
/** Between two statements: without it they would take both processors from what they are to meet. */
export const THINK_MS = 5;

/** Sessions for each test of a file, of which none is left after it. */
export function writersOn(database: { url: string }, count: number): Writers {
  let done = 0;
  let failures: string[] = [];
  let end = async () => {};
  afterEach(() => end());
  const succeed = () => expect(failures).toEqual([]);
  return {
    async start(statement, mayFail) {
      await this.stop();
      let writing = true;
      const work = Array.from({ length: count }, async (_, writer) => {
        const client = new pg.Client(database.url);
        client.on('error', () => {});
        await client.connect();
        while (writing) {
          const sql = statement(writer);
          try {
            await client.query(sql);
            done += 1;
          } catch (error) {
            const { message } = error as Error;
            // A few say enough.
            if (!mayFail?.test(message) && failures.length < 5) failures.push(`${message} [${sql}]`);
            await client.query('ROLLBACK');
          }
          await sleep(THINK_MS);
        }
        await client.end();
      });
      end = async () => {
        writing = false;
        await Promise.all(work);
        end = async () => {};
        failures = [];
      };
    },
    async written() {
      const before = done;
      await waitFor('writes', () => failures.length > 0 || done > before + SOME, {
        deadlineMs: PATIENCE_MS,
        everyMs: 20,
      });
      succeed();
    },
    async stop() {
      const told = failures;
      await end();
      expect(told).toEqual([]);
    },
  };
}
