import pg from 'pg';
import type { Effect } from '../../remediation/measure.ts';
import type { Handlers } from '../../remediation/shortTerm.ts';

const run = async (client: pg.Client, sql: readonly string[]) => {
  for (const statement of sql) await client.query(statement);
};

/** Maintenance whose measure gives these, one after the other; then the last one again. */
export function measuredAs(...effects: readonly Partial<Effect>[]): Handlers {
  let at = 0;
  return {
    maintenance: {
      apply: (client, { sql }) => run(client, sql),
      undo: (client, { undo }) => run(client, undo),
      measure: {
        what: 'a test',
        seconds: 0,
        run: async () => {
          const effect = effects[Math.min(at, effects.length - 1)];
          at += 1;
          return { meanMs: [1, 1], calls: 2, windowSeconds: 1, ...effect };
        },
      },
    },
  };
}

/** Maintenance that is measured to make things slower, so that it is taken back. */
export const alwaysSlower: Handlers = {
  maintenance: {
    apply: (client, { sql }) => run(client, sql),
    undo: (client, { undo }) => run(client, undo),
    measure: {
      what: 'a test',
      seconds: 0,
      run: async (what) => ({ meanMs: what === 'before' ? [1, 1] : [9, 9], calls: 2, windowSeconds: 1 }),
    },
  },
};

/** {@link alwaysSlower}, and queries whose measure shows what is in the database: faster while the table `helps` is. */
export const asItIs = (url: string): Handlers => ({
  ...alwaysSlower,
  query: {
    apply: (client, { sql }) => run(client, sql),
    undo: (client, { undo }) => run(client, undo),
    measure: {
      what: 'a test',
      seconds: 0,
      async run() {
        const client = new pg.Client(url);
        await client.connect();
        const { rows } = await client.query("SELECT to_regclass('helps') AS helps");
        await client.end();
        return { meanMs: rows[0].helps ? [1, 1] : [9, 9], calls: 2, windowSeconds: 1 };
      },
    },
  },
});
