import pg from 'pg';
import type { Statement } from './corpusDatabase.ts';
import { type Random, randomOf } from './random.ts';

const CONNECTIONS = 4;

/** Each call once, in an order that the seed decides: statements of one kind do not come in a row. */
function shuffled(statements: readonly Statement[], random: Random): Statement[] {
  const calls = statements.flatMap((statement) => Array<Statement>(statement.calls).fill(statement));
  for (let at = calls.length - 1; at > 0; at--) {
    const other = random.any(at + 1) - 1;
    [calls[at], calls[other]] = [calls[other] as Statement, calls[at] as Statement];
  }
  return calls;
}

export interface Ran {
  calls: number;
  seconds: number;
  /** Statements that failed, with the first message of each. */
  failed: Map<string, string>;
  /** Statements none of whose calls returned or changed a row. */
  empty: string[];
}

/** Sends the workload over a few connections, as the URL's role. */
export async function runWorkload(
  url: string,
  statements: readonly Statement[],
  onProgress: (done: number, of: number) => void,
): Promise<Ran> {
  const started = performance.now();
  const random = randomOf(17);
  const calls = shuffled(statements, random);
  const failed = new Map<string, string>();
  const found = new Set<string>();
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
  // A connection that ends while the pool does is no failure of a statement.
  pool.on('error', () => {});
  let done = 0;
  let next = 0;
  async function work(): Promise<void> {
    for (let call = calls[next++]; call; call = calls[next++]) {
      const { text, values, forEach } = call;
      try {
        const { rows, rowCount } = await pool.query(text, values?.(random));
        if (rowCount) found.add(text);
        for (const row of forEach ? rows : []) {
          const child = await pool.query(forEach?.text ?? '', forEach?.values(row, random));
          if (child.rowCount) found.add(forEach?.text ?? '');
        }
      } catch (error) {
        failed.set(text, (error as Error).message);
      }
      if (++done % 500 === 0) onProgress(done, calls.length);
    }
  }
  try {
    await Promise.all(Array.from({ length: CONNECTIONS }, work));
  } finally {
    await pool.end();
  }
  const texts = statements.flatMap(({ text, forEach }) => (forEach ? [text, forEach.text] : [text]));
  return {
    calls: calls.length,
    seconds: (performance.now() - started) / 1000,
    failed,
    empty: texts.filter((text) => !found.has(text) && !failed.has(text)),
  };
}
