import pg from 'pg';
import type { Handler, Handlers } from '../../fix/handler.ts';
import type { Effect } from '../../fix/measure.ts';

/** Runs the action's SQL; what is measured is given. */
function measuredBy(measure: NonNullable<Handler['measure']>['run']): Handler {
  const run = async (client: pg.Client, sql: readonly string[]) => {
    for (const statement of sql) await client.query(statement);
  };
  return {
    apply: (client, { sql }) => run(client, sql),
    undo: (client, { undo }) => run(client, undo),
    measure: { what: 'a test', seconds: 0, run: measure },
  };
}

const windows = (meanMs: number, more: Partial<Effect> = {}): Effect => ({
  meanMs: [meanMs, meanMs],
  calls: 2,
  windowSeconds: 1,
  ...more,
});

/** Maintenance whose measure gives these, one after the other; then the last one again. */
export function measuredAs(...effects: readonly Partial<Effect>[]): Handlers {
  let at = 0;
  return {
    maintenance: measuredBy(async () => {
      const effect = effects[Math.min(at, effects.length - 1)];
      at += 1;
      return windows(1, effect);
    }),
  };
}

/** Maintenance that is measured to make things slower, so that it is reverted. */
export const alwaysSlower: Handlers = {
  maintenance: measuredBy(async (what) => windows(what === 'before' ? 1 : 9)),
};

/** {@link alwaysSlower}, and queries whose measure shows what is in the database: faster while the table `helps` is. */
export const asItIs = (url: string): Handlers => ({
  ...alwaysSlower,
  query: measuredBy(async () => {
    const client = new pg.Client(url);
    await client.connect();
    const { rows } = await client.query("SELECT to_regclass('helps') AS helps");
    await client.end();
    return windows(rows[0].helps ? 1 : 9);
  }),
});
