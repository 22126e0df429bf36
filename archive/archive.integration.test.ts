import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createShopTestDatabase, type ShopDatabase } from '../test/support/shop.ts';
import type { ArchiveOptions } from './archival.ts';
import { expireArchive, planExpiry } from './expire.ts';
import { planArchive } from './plan.ts';
import { type ArchivePolicy, readPolicy } from './policy.ts';
import { listArchive, queryArchive, restoreArchive, verifyArchive } from './read.ts';
import { runArchive } from './run.ts';

const shopPolicy = await readPolicy('sample-shop/archive.yaml');
const TABLES = ['orders', 'order_items', 'carts', 'cart_items', 'activity_log'] as const;

let database: ShopDatabase;
let directory: string;
let client: pg.Client;
let url: string;

beforeEach(async () => {
  database = await createShopTestDatabase('tiny');
  url = database.url('shop_owner');
  directory = await mkdtemp(path.join(tmpdir(), 'archive-'));
  client = new pg.Client(url);
  await client.connect();
  await client.query(
    'CREATE INDEX IF NOT EXISTS order_items_order_id_idx ON order_items (order_id); CREATE INDEX IF NOT EXISTS cart_items_cart_id_idx ON cart_items (cart_id)',
  );
});

afterEach(async () => {
  await client.end();
  await database.drop();
  await rm(directory, { recursive: true, force: true });
});

const options = (more: Partial<ArchiveOptions> = {}): ArchiveOptions => ({
  url,
  policy: shopPolicy,
  directory,
  segmentUnits: 400,
  dutyCycle: 1,
  ...more,
});

/** Each row of a table as JSON with its keys in order, wherever it is; a row that is in two places is there twice. */
async function everywhere(table: string): Promise<string[]> {
  const { rows } = await client.query(`SELECT to_jsonb(t)::text AS row FROM ${table} AS t`);
  const archived = await queryArchive({ url, directory, sql: `SELECT * FROM ${table}` }).catch(
    () => undefined,
  );
  const text = (row: Record<string, unknown>) =>
    JSON.stringify(
      Object.entries(row)
        .map(([key, value]) => [key, value === null ? null : String(value)])
        .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
    );
  return [...rows.map(({ row }) => text(JSON.parse(row))), ...(archived?.rows.map(text) ?? [])].sort();
}
const all = async () =>
  Object.fromEntries(await Promise.all(TABLES.map(async (t) => [t, await everywhere(t)])));
const countOf = async (table: string) =>
  (await client.query(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n;

describe('sqltrail archive', () => {
  it('moves what the plan says, and every row is in exactly one place', async () => {
    const before = await all();
    const plans = await planArchive({ url, policy: shopPolicy });
    const orders = plans.find(({ unit }) => unit.name === 'closed-orders');
    expect(orders?.eligible).toBeGreaterThan(500);
    const left = await countOf('orders');
    const results = await runArchive(options());
    for (const { unit, eligible } of plans)
      expect(results.find((result) => result.unit === unit.name)?.units).toBe(eligible);
    expect(await countOf('orders')).toBe(left - (orders?.eligible ?? 0));
    expect(await all()).toEqual(before);
    // What has to stay is there.
    const { rows } = await client.query(
      "SELECT count(*)::int AS n FROM orders WHERE status NOT IN ('closed', 'returned')",
    );
    const archived = await queryArchive({
      url,
      directory,
      sql: "SELECT count(*)::INTEGER AS n FROM orders WHERE status NOT IN ('closed', 'returned') OR closed_at IS NULL",
    });
    expect(rows[0].n).toBeGreaterThan(0);
    expect(archived.rows[0]?.['n']).toBe(0);
    // A second run finds nothing to do.
    expect((await runArchive(options())).every(({ units }) => units === 0)).toBe(true);
    expect((await verifyArchive({ url, directory })).filter(({ problem }) => problem)).toEqual([]);
  });

  it('brings single orders and whole segments back, the same, and holds them', async () => {
    const before = await all();
    await runArchive(options({ only: ['closed-orders'] }));
    const [segment] = await listArchive({ url });
    const { rows } = await queryArchive({ url, directory, sql: 'SELECT id FROM orders ORDER BY id LIMIT 3' });
    const keys = rows.map(({ id }) => String(id));
    const restore = { url, directory, segment: segment?.id as number, holdDays: 30, reason: 'claim 17' };
    expect(await restoreArchive({ ...restore, keys })).toBe(3);
    expect(await all()).toEqual(before);
    await expect(restoreArchive({ ...restore, keys })).rejects.toThrow(/already restored/);
    // Held: they do not go again.
    expect((await runArchive(options({ only: ['closed-orders'] })))[0]?.units).toBe(0);
    expect(await restoreArchive(restore)).toBe((segment?.units as number) - 3);
    expect(await all()).toEqual(before);
  });

  it('loses no write of a shop that goes on', async () => {
    const before = (await everywhere('orders')).length;
    const { rows } = await client.query(
      "SELECT id FROM orders WHERE status = 'closed' AND closed_at IS NOT NULL AND placed_at < to_char(now() - interval '30 months', 'YYYY-MM') ORDER BY id",
    );
    const writer = new pg.Client(url);
    await writer.connect();
    const said = new Map<number, string>();
    let ended = false;
    const writing = (async () => {
      for (let n = 0; !ended; n += 1) {
        const { id } = rows[(n * 7919) % rows.length];
        const { rowCount } = await writer.query('UPDATE orders SET comment = $2 WHERE id = $1', [
          id,
          `claim ${n}`,
        ]);
        if (rowCount === 1) said.set(id, `claim ${n}`);
      }
    })();
    const results = await runArchive(options({ only: ['closed-orders'], segmentUnits: 200 }));
    ended = true;
    await writing;
    await writer.end();
    expect((await everywhere('orders')).length).toBe(before);
    expect(results[0]?.units).toBeGreaterThan(0);
    expect(said.size).toBeGreaterThan(0);
    const live = await client.query('SELECT id, comment FROM orders WHERE id = ANY ($1)', [[...said.keys()]]);
    const archived = await queryArchive({
      url,
      directory,
      sql: `SELECT id::INTEGER AS id, comment FROM orders WHERE id IN (${[...said.keys()].join(', ')})`,
    });
    const found = [...live.rows, ...archived.rows].map(
      (row) => [row['id'], row['comment']] as [number, string],
    );
    expect(new Map(found)).toEqual(said);
    expect(found.length).toBe(said.size);
  });

  it('leaves a row that is not as in the file, and one that is gone is not brought back to life', async () => {
    await runArchive(options({ only: ['closed-orders'], segmentUnits: 200_000, ...stopAtExport() })).catch(
      () => {},
    );
    const [segment] = await listArchive({ url });
    expect(segment).toMatchObject({ state: 'exported', removed: 0 });
    const { rows } = await client.query(
      "SELECT id::text FROM orders WHERE status = 'closed' AND closed_at IS NOT NULL AND placed_at < to_char(now() - interval '2 years', 'YYYY-MM-DD') ORDER BY id LIMIT 3",
    );
    const [altered, grown, gone] = rows.map(({ id }) => id) as [string, string, string];
    await client.query("UPDATE orders SET comment = 'a claim' WHERE id = $1", [altered]);
    await client.query(
      "INSERT INTO order_items (order_id, product_id, product_name, unit_price, quantity) VALUES ($1, 1, 'late', '1.00', 1)",
      [grown],
    );
    await client.query('DELETE FROM orders WHERE id = $1', [gone]);
    await client.query('DELETE FROM order_items WHERE order_id = $1', [gone]);
    const before = await all();
    const [result] = await runArchive(options({ only: ['closed-orders'] }));
    expect(result?.kept).toBe(3);
    const { rows: live } = await client.query('SELECT id::text FROM orders WHERE id = ANY ($1) ORDER BY id', [
      [altered, grown, gone],
    ]);
    const found = await queryArchive({
      url,
      directory,
      sql: `SELECT id FROM orders WHERE id IN (${altered}, ${grown}, ${gone})`,
    });
    // Two are due still, and went in their new form with the next segment; the third is not brought back.
    expect(found.rows.map(({ id }) => String(id)).sort()).toEqual([altered, grown].sort());
    expect(live).toEqual([]);
    expect(await all()).toEqual(before);
  });

  it('finds a damaged file before and after the deletion, and takes the intact copy', async () => {
    const copy = path.join(directory, 'copy');
    await runArchive(options({ only: ['carts'], copies: [copy], ...stopAtExport() })).catch(() => {});
    const [segment] = await listArchive({ url });
    const file = segment?.files[0]?.file as string;
    await appendFile(path.join(directory, file), 'x');
    const before = await all();
    await runArchive(options({ only: ['carts'], copies: [copy] }));
    expect(await all()).toEqual(before);
    const [again] = await listArchive({ url });
    expect(again?.id).not.toBe(segment?.id);
    const damaged = again?.files[1]?.file as string;
    await writeFile(path.join(directory, damaged), 'damaged');
    const verdicts = await verifyArchive({ url, directory });
    expect(verdicts.filter(({ problem }) => problem).map((each) => each.file)).toEqual([damaged]);
    const restore = { url, segment: again?.id as number, holdDays: 1, reason: 'test' };
    await expect(restoreArchive({ ...restore, directory })).rejects.toThrow(
      /differs from what was written; nothing was restored/,
    );
    expect(await restoreArchive({ ...restore, directory: copy })).toBe(again?.units);
  });

  it('tells what is in the way: a missing index, a directory that is none, a lock, a second run', async () => {
    await client.query('DROP INDEX order_items_order_id_idx');
    expect(await runArchive(options({ only: ['closed-orders'] }))).toMatchObject([
      {
        units: 0,
        problems: [expect.stringMatching(/order_items.order_id has no index.*CREATE INDEX CONCURRENTLY/)],
      },
    ]);
    await client.query('CREATE INDEX ON order_items (order_id)');
    await writeFile(path.join(directory, 'file'), '');
    await expect(runArchive(options({ directory: path.join(directory, 'file', 'below') }))).rejects.toThrow(
      /cannot be written to.*Nothing was removed/,
    );
    const before = await countOf('carts');
    const locker = new pg.Client(url);
    await locker.connect();
    await locker.query('BEGIN; SELECT FROM carts FOR UPDATE');
    const running = runArchive(options({ only: ['carts'] }));
    await expect
      .poll(
        async () =>
          (
            await client.query(
              "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
          ).rowCount,
      )
      .toBe(1);
    await expect(runArchive(options())).rejects.toThrow(/Another archival is running/);
    expect(await countOf('carts')).toBe(before);
    await locker.query('ROLLBACK');
    await locker.end();
    expect((await running)[0]?.units).toBeGreaterThan(0);
    await expect(
      queryArchive({ url, directory, sql: "COPY (SELECT 1) TO '/tmp/sqltrail-not-there'" }),
    ).rejects.toThrow(/one SELECT/);
    await expect(queryArchive({ url, directory, sql: "SELECT * FROM '/etc/passwd'" })).rejects.toThrow(
      /one SELECT/,
    );
  });

  // Only root may mount; elsewhere the fault cannot be made.
  it.skipIf(process.getuid?.() !== 0)(
    'a full disk loses nothing, and the next run with room goes on',
    async () => {
      const small = path.join(directory, 'small');
      await mkdir(small);
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]).status === 0;
      if (!mounted) return;
      try {
        const before = await all();
        await expect(runArchive(options({ directory: small, segmentUnits: 200_000 }))).rejects.toThrow(
          /disk of .* is full\. Nothing was removed/,
        );
        expect(await all()).toEqual(before);
        expect(await readdir(small)).toEqual([]);
        await runArchive(options());
        expect(await all()).toEqual(before);
      } finally {
        spawnSync('umount', [small]);
      }
    },
  );

  it.skipIf(process.getuid?.() !== 0)('a directory that is mounted read-only loses nothing', async () => {
    const only = path.join(directory, 'read-only');
    await mkdir(only);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', only]).status !== 0) return;
    try {
      const before = await all();
      await expect(runArchive(options({ directory: only }))).rejects.toThrow(
        /cannot be written to .*Nothing was removed/,
      );
      expect(await all()).toEqual(before);
      expect(await listArchive({ url })).toEqual([]);
    } finally {
      spawnSync('umount', [only]);
    }
  });

  it('a connection that is cut, and a table that is altered between file and deletion, lose nothing', async () => {
    const before = await countOf('carts');
    let cutting: Promise<unknown> | undefined;
    const cut = runArchive(
      options({
        only: ['carts'],
        onProgress: ({ event }) => {
          if (event === 'removing')
            cutting ??= client.query(
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sqltrail-archive' AND datname = current_database()",
            );
        },
        // Small batches, so that there is one to cut.
        batchMs: 1,
      }),
    );
    await expect(cut).rejects.toThrow(/connection was lost.*run it again/);
    await cutting;
    await expect.poll(() => sessions()).toBe(0);
    expect((await everywhere('carts')).length).toBe(before);
    await client.query("ALTER TABLE carts ADD COLUMN origin text DEFAULT 'web'");
    const [result] = await runArchive(options({ only: ['carts'] }));
    expect((await everywhere('carts')).length).toBe(before);
    // What the first file holds is without the new column, so its rows stay and go with their new form.
    expect(result?.kept).toBeGreaterThan(0);
    expect((await verifyArchive({ url, directory })).filter(({ problem }) => problem)).toEqual([]);
  });

  it('deletes files when their retention is over and nothing holds them; the manifest and the journal stay', async () => {
    await runArchive(options({ only: ['carts'], segmentUnits: 200_000 }));
    const [segment] = await listArchive({ url });
    const place = { url, directory, policy: shopPolicy };
    const at = (months: number) =>
      client.query(
        'UPDATE sqltrail.archive_segment SET created_at = now() - make_interval(months => $1, days => 2)',
        [months],
      );
    await at(11);
    expect(await expireArchive(place)).toEqual([]);
    await at(12);
    const held = structuredClone(shopPolicy);
    for (const unit of held.units) unit.retention.hold = { reason: 'case 4711' };
    expect(await planExpiry({ url, policy: held })).toMatchObject([{ over: true, hold: 'case 4711' }]);
    expect(await expireArchive({ ...place, policy: held })).toEqual([]);
    // A policy that does not speak of them deletes none: another one may hold them.
    const other = { ...shopPolicy, units: shopPolicy.units.filter(({ name }) => name !== 'carts') };
    expect(await planExpiry({ url, policy: other })).toMatchObject([
      { over: true, hold: 'the policy given has no unit carts' },
    ]);
    expect(await expireArchive({ ...place, policy: other })).toEqual([]);
    const longer = structuredClone(shopPolicy);
    for (const unit of longer.units) unit.retention.months = 24;
    expect(await expireArchive({ ...place, policy: longer })).toEqual([]);
    expect((await verifyArchive(place)).filter(({ problem }) => problem)).toEqual([]);
    expect(await expireArchive(place)).toEqual([segment?.id]);
    expect(await readdir(directory)).toEqual([expect.stringMatching(/^carts-.*\.json$/)]);
    const [manifest] = await readdir(directory);
    expect(JSON.parse(await readFile(path.join(directory, manifest as string), 'utf8'))).toMatchObject({
      units: segment?.units,
      expired: { by: 'shop_owner', rule: expect.stringContaining('no duty to keep') },
    });
    expect(await listArchive({ url })).toMatchObject([{ state: 'expired' }]);
    expect(await verifyArchive(place)).toEqual([]);
    await expect(queryArchive({ ...place, sql: 'SELECT 1' })).rejects.toThrow(/Nothing is archived/);
    await expect(
      restoreArchive({ ...place, segment: segment?.id as number, holdDays: 0, reason: 'test' }),
    ).rejects.toThrow(/expired/);
    expect(await expireArchive(place)).toEqual([]);
  });

  it('keeps any text as it is', async () => {
    await client.query(
      'CREATE TABLE odd (id bigint PRIMARY KEY, day date NOT NULL, a text, b numeric(12, 2), c boolean, d timestamptz, e bytea, f double precision, g text[])',
    );
    const value = fc.oneof(
      fc.constantFrom(null, '', '\\N', '\n', '"', "'", ',', '\r\n', 'NULL', '🙂', ' '),
      fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\0\ud800-\udfff]/g, '')),
    );
    const policy: ArchivePolicy = {
      version: 1,
      units: [
        {
          name: 'odd',
          reason: 'test',
          table: { schema: 'public', table: 'odd' },
          key: 'id',
          age: 'day',
          olderThanDays: 1,
          holds: [],
          children: [],
          retention: { months: 1, rule: 'test' },
        },
      ],
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(value, value, fc.double({ noNaN: true })), { minLength: 1, maxLength: 30 }),
        async (rows) => {
          await client.query('TRUNCATE odd');
          for (const [i, [a, b, f]] of rows.entries())
            await client.query(
              "INSERT INTO odd VALUES ($1::bigint, '2020-02-29', $2, $1::bigint / 7.0, $1::bigint % 2 = 0, now(), convert_to($2, 'UTF8'), $4, ARRAY[$2, $3])",
              [i, a, b, f],
            );
          const told = async () =>
            (await client.query('SELECT md5(string_agg(odd::text, chr(10) ORDER BY id)) AS h FROM odd'))
              .rows[0].h;
          const before = await told();
          const [result] = await runArchive(options({ policy }));
          expect(result?.units).toBe(rows.length);
          expect(await countOf('odd')).toBe(0);
          const segment = (await listArchive({ url })).at(-1)?.id as number;
          await restoreArchive({ url, directory, segment, holdDays: 0, reason: 'test' });
          expect(await told()).toBe(before);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('names the field of a policy that cannot be', async () => {
    const file = path.join(directory, 'policy.yaml');
    await mkdir(directory, { recursive: true });
    await writeFile(
      file,
      (await readFile('sample-shop/archive.yaml', 'utf8')).replace('olderThanDays: 365', 'olderThanDays: -1'),
    );
    await expect(readPolicy(file)).rejects.toThrow(/units\.0\.olderThanDays/);
    await expect(readPolicy(path.join(directory, 'none.yaml'))).rejects.toThrow(/cannot be read.*--policy/);
    const [unit] = shopPolicy.units;
    expect(
      await planArchive({
        url,
        policy: { version: 1, units: [{ ...(unit as ArchivePolicy['units'][number]), age: 'nonesuch' }] },
      }),
    ).toMatchObject([{ problems: [expect.stringMatching(/names the column nonesuch/)] }]);
  });
});

async function sessions(): Promise<number> {
  const { rows } = await client.query(
    "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'sqltrail-archive' AND datname = current_database()",
  );
  return rows[0].n;
}

/** Ends the run when its first files are complete and nothing is deleted. */
function stopAtExport(): Pick<ArchiveOptions, 'signal' | 'onProgress'> {
  const stop = new AbortController();
  return {
    signal: stop.signal,
    onProgress: ({ event }) => {
      if (event === 'exported') stop.abort(new Error('stopped'));
    },
  };
}
