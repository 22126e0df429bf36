import type pg from 'pg';
import type { Handlers } from '../../remediation/shortTerm.ts';

const run = async (client: pg.Client, sql: readonly string[]) => {
  for (const statement of sql) await client.query(statement);
};

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
