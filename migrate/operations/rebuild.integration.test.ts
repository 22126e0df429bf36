import { describe, expect, it } from 'vitest';
import { databaseFor } from '../../test/support/database.ts';
import { dumpBinDir } from '../../test/support/dump.ts';
import { onHostile } from '../../test/support/operated.ts';
import { differing, HOSTILE, hostileTables } from '../../test/support/operationCase.ts';
import { expectDumpAfterRollbacks } from '../../test/support/rollbackDump.ts';

const database = databaseFor('each');
const query = async (sql: string) => (await database.client.query(sql)).rows;

/** What is asked of the catalogue by the table's name, without OIDs, partitions and the keys that may differ. */
const visible = async (table: string, changed: readonly string[]) => ({
  columns: await query(
    `SELECT attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstattarget, attoptions, attstorage, attcollation, attacl,
            pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)
       FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      WHERE attrelid = '${table}'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> ALL ('{${changed}}') ORDER BY attname`,
  ),
  table: await query(
    `SELECT relowner::regrole, relrowsecurity, obj_description(oid), (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(relacl) AS a) FROM pg_class WHERE oid = '${table}'::regclass`,
  ),
  constraints: await query(
    `SELECT conname, pg_get_constraintdef(oid), obj_description(oid) FROM pg_constraint
      WHERE conparentid = 0 AND contype <> 't' AND '${table}'::regclass IN (conrelid, confrelid) ORDER BY conname`,
  ),
  indexes: await query(
    `SELECT replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '), indisvalid, obj_description(indexrelid) FROM pg_index WHERE indrelid = '${table}'::regclass ORDER BY 1`,
  ),
  triggers: await query(
    `SELECT pg_get_triggerdef(oid), tgenabled, obj_description(oid) FROM pg_trigger WHERE tgrelid = '${table}'::regclass AND NOT tgisinternal AND tgname !~ '^sqltrail_' ORDER BY tgname`,
  ),
  policies: await query(
    `SELECT polname, polpermissive, polcmd, polroles::regrole[]::text, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), obj_description(oid)
       FROM pg_policy WHERE polrelid = '${table}'::regclass ORDER BY polname`,
  ),
  statistics: await query(
    `SELECT pg_get_statisticsobjdef(oid), stxstattarget, obj_description(oid) FROM pg_statistic_ext WHERE stxrelid = '${table}'::regclass`,
  ),
  sequences: await query(
    `SELECT objid::regclass::text, deptype, relacl::text, seqstart, seqincrement, seqcache FROM pg_depend JOIN pg_class AS c ON c.oid = objid JOIN pg_sequence ON seqrelid = objid
      WHERE refobjid = '${table}'::regclass AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND relkind = 'S' ORDER BY 1`,
  ),
  views: await query(
    `SELECT c.oid::regclass::text, pg_get_viewdef(c.oid), reloptions, relacl::text, obj_description(c.oid) FROM pg_class AS c WHERE relkind = 'v' AND relnamespace = '"Лавка"'::regnamespace ORDER BY 1`,
  ),
});

describe.each(Object.entries(onHostile))('%s', (operation, { changed, plan }) => {
  it('everything that belongs to the table is the new one’s, with its names', async () => {
    await database.client.query(hostileTables);
    const before = await visible(HOSTILE, changed);
    const it = await plan(database.url);
    for (const phase of ['backfill', 'cutover-writes', 'contract'] as const) {
      await it.run(phase);
      expect(await visible(HOSTILE, changed), phase).toEqual(before);
      await database.client.query(`
      INSERT INTO ${HOSTILE} ("o$$id", person, tags) VALUES ('again', 3, '{b}');
      UPDATE ${HOSTILE} SET "when" = "when" + interval '2 months', name = NULL WHERE id % 26 = 0;
      DELETE FROM ${HOSTILE} WHERE id % 30 = 0;
      DELETE FROM "Лавка".people WHERE id = (SELECT max(id) FROM "Лавка".people)`);
      expect((await query(`SELECT count(*)::int AS n FROM ${HOSTILE} WHERE "o$$id" = 'again'`))[0].n).toBe(0);
      await database.client.query('TRUNCATE "Лавка".audit');
      await database.client.query(`UPDATE ${HOSTILE} SET price = 1 WHERE id = 110`);
      // Once, and not once more for the other table.
      expect(await query('SELECT what FROM "Лавка".audit'), phase).toEqual([{ what: 'UPDATE' }]);
      if (phase !== 'contract') {
        const other = phase === 'backfill' ? it.declared.rows.newName : it.declared.rows.oldName;
        expect(
          await differing(database.client, HOSTILE, `"Лавка"."${other}"`, { asText: changed.length > 0 }),
          phase,
        ).toBe(0);
      }
    }
    if (operation !== 'partition') return;
    expect((await query(`SELECT relkind FROM pg_class WHERE oid = '${HOSTILE}'::regclass`))[0].relkind).toBe(
      'p',
    );
    const parts = await query(
      `SELECT tableoid::regclass::text AS part, count(*)::int AS n FROM ${HOSTILE} GROUP BY 1 ORDER BY 1`,
    );
    // By the ranges that were planned: on another day they end earlier or later than the updates reach.
    const [stray] = await query(
      `SELECT count(*) FILTER (WHERE "when" < first)::int AS before, count(*) FILTER (WHERE "when" >= last)::int AS after
       FROM ${HOSTILE}, (SELECT min((regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''([^'']+)''\\)'))[1]::timestamptz) AS first,
              max((regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)''\\)'))[1]::timestamptz) AS last
         FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = '${HOSTILE}'::regclass) AS ranges`,
    );
    expect(stray.before).toBeGreaterThan(0);
    expect(parts.find(({ part }) => part.endsWith('_default"'))?.n).toBe(stray.before + stray.after);
  });

  it.skipIf(!dumpBinDir)('a rollback from any phase leaves what pg_dump saw before', () =>
    expectDumpAfterRollbacks(hostileTables, plan),
  );
});
