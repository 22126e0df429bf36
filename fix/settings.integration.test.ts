import { describe, expect, it } from 'vitest';
import { waitFor } from '../lib/waitFor.ts';
import { databaseFor } from '../test/support/database.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { applyActions } from './apply.ts';
import { settingsActions } from './settings.ts';
import { undoActions } from './undo.ts';

const database = databaseFor('each');
const signal = new AbortController().signal;

const state = async () => {
  const { rows } = await database.client.query(
    `SELECT (SELECT json_object_agg(relname, reloptions) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r') AS tables,
            (SELECT json_agg(attoptions) FROM pg_attribute WHERE attrelid = '"li""nes"'::regclass AND attnum > 0) AS columns,
            (SELECT json_agg(setconfig) FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = setdatabase WHERE datname = current_database()) AS settings`,
  );
  return rows[0];
};

const reported = (table: string, condition: string) =>
  waitFor(
    `the activity of ${table} is reported`,
    async () => {
      const { rows } = await database.client.query(
        `SELECT 1 FROM pg_stat_user_tables WHERE relname = $1 AND ${condition}`,
        [table],
      );
      return rows.length > 0;
    },
    { deadlineMs: PATIENCE_MS },
  );

describe('settings', () => {
  it('large, hot and misjudged tables get theirs; undone, everything is as it was', async () => {
    // What the planner believes is far from what is there.
    await database.client.query(`CREATE TABLE "li""nes" ("or'der" int, n int) WITH (autovacuum_enabled = off, autovacuum_vacuum_scale_factor = 0.3);
      INSERT INTO "li""nes" SELECT i / 100, i FROM generate_series(1, 40000) AS i;
      ANALYZE "li""nes";
      TRUNCATE "li""nes";
      INSERT INTO "li""nes" SELECT i / 5, i FROM generate_series(1, 40000) AS i;
      CREATE INDEX ON "li""nes" ("or'der");
      CREATE TABLE hot (id int PRIMARY KEY, value int) WITH (autovacuum_enabled = off);
      INSERT INTO hot SELECT i, 0 FROM generate_series(1, 2000) AS i;
      CREATE INDEX ON hot (value);`);
    await database.client.query('UPDATE hot SET value = value + 1');
    await database.client.query(`DELETE FROM "li""nes" WHERE n <= 5`);
    await reported('hot', 'n_tup_upd >= 2000');
    await reported('li"nes', 'n_tup_del > 0');
    const before = await state();
    const actions = await settingsActions({ url: database.url, signal });
    const ids = actions.map(({ id }) => id);
    expect(ids).toEqual(
      expect.arrayContaining([
        'settings:autovacuum:public.li"nes',
        'settings:fillfactor:public.hot',
        `settings:n_distinct:public.li"nes.or'der`,
      ]),
    );
    expect(ids).not.toContain('settings:autovacuum:public.hot');
    const entries = await applyActions({
      url: database.url,
      actions,
      windows: 0,
      windowMs: 500,
      reviewDays: 30,
      signal,
      onEvent: () => {},
    });
    expect(entries.map(({ action, state: is, note }) => ({ id: action.id, is, note }))).toEqual(
      expect.arrayContaining(
        ids.map((id) => ({ id, is: 'kept', note: expect.stringMatching(/^not measured: /) })),
      ),
    );
    const after = await state();
    expect(after.tables['li"nes']).toContain('autovacuum_vacuum_scale_factor=0.02');
    expect(after.tables.hot).toContain('fillfactor=80');
    const { rows } = await database.client.query(
      `SELECT (-1 / n_distinct)::float8 AS per_key FROM pg_stats WHERE tablename = 'li"nes' AND attname = 'or''der'`,
    );
    expect(rows[0].per_key).toBeCloseTo(5, 0);
    expect((await settingsActions({ url: database.url, signal })).map(({ id }) => id)).toEqual([]);
    await undoActions({ url: database.url, signal, onUndone: () => {} });
    expect(await state()).toEqual(before);
  });

  it('rows without a value are in no key, to the planner and to us', async () => {
    // Of whatever value: which ones are in the planner's list of common values is chance.
    const expected = async (table: string) => {
      const { rows } = await database.client.query(
        `EXPLAIN (FORMAT JSON) SELECT FROM ${table} WHERE k = (SELECT 7)`,
      );
      return rows[0]['QUERY PLAN'][0].Plan['Plan Rows'];
    };
    const distinct = async () =>
      (
        await database.client.query<{ n: number }>(
          "SELECT n_distinct::float8 AS n FROM pg_stats WHERE tablename = 'misjudged' AND attname = 'k'",
        )
      ).rows[0]?.n;
    // One that the planner knows, and one of which it was told too few keys.
    await database.client.query(`CREATE TABLE known (k int) WITH (autovacuum_enabled = off);
      INSERT INTO known SELECT CASE WHEN i % 20 = 0 THEN i / 100 END FROM generate_series(1, 40000) AS i;
      CREATE INDEX ON known (k);
      CREATE TABLE misjudged (k int) WITH (autovacuum_enabled = off);
      ALTER TABLE misjudged ALTER COLUMN k SET (n_distinct = 200);
      INSERT INTO misjudged SELECT CASE WHEN i % 2 = 0 THEN i / 20 END FROM generate_series(1, 40000) AS i;
      CREATE INDEX ON misjudged (k);
      ANALYZE;
      ALTER TABLE misjudged ALTER COLUMN k RESET (n_distinct)`);
    const actions = (await settingsActions({ url: database.url, signal })).filter(({ id }) =>
      id.startsWith('settings:n_distinct'),
    );
    expect(actions.map(({ id }) => id)).toEqual(['settings:n_distinct:public.misjudged.k']);
    await applyActions({
      ...{ url: database.url, actions, signal },
      ...{ windows: 0, windowMs: 500, reviewDays: 30, onEvent: () => {} },
    });
    // Ten rows a key, in half of the rows.
    expect(await distinct()).toBeCloseTo(-0.05, 2);
    expect(await expected('misjudged')).toBeGreaterThanOrEqual(9);
    expect(await expected('misjudged')).toBeLessThanOrEqual(11);
    // Undone, it is the planner's own again, a number, which nothing but ANALYZE brings back.
    await undoActions({ url: database.url, signal, onUndone: () => {} });
    expect(await distinct()).toBeGreaterThan(0);
  });

  it('a small quiet database is left alone', async () => {
    await database.client.query('CREATE TABLE "li""nes" (id int PRIMARY KEY); ANALYZE');
    expect(await settingsActions({ url: database.url, signal })).toEqual([]);
  });
});
