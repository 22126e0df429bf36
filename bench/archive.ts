import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { readPolicy } from '../archive/policy.ts';
import { listArchive, restoreArchive } from '../archive/read.ts';
import { runArchive } from '../archive/run.ts';
import { createShopDatabase, resetShopDatabase } from '../sample-shop/data/database.ts';
import { type ScaleName, scales } from '../sample-shop/data/scales.ts';
import { startPostgresIn } from '../stack/postgres.ts';

/**
 * Archive and restore against plain COPY of the same rows: rows a second and bytes a row, some runs on one machine.
 * node bench/archive.ts [scale] [runs]
 */
const [scale = 'small', runs = '3'] = process.argv.slice(2);
if (!(scale in scales) || !(Number(runs) >= 1)) {
  process.stderr.write(`usage: node bench/archive.ts [${Object.keys(scales).join('|')}] [runs]\n`);
  process.exit(2);
}

const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-bench-'));
const server = await startPostgresIn(dir, {
  password: 'bench-only',
  settings: { shared_preload_libraries: 'pg_stat_statements', shared_buffers: '256MB' },
});
const passwords = { owner: 'bench-owner', app: 'bench-app', monitor: 'bench-monitor' };
const measured = new Map<string, number[]>();
const note = (what: string, value: number) => measured.set(what, [...(measured.get(what) ?? []), value]);
const timed = async <T>(work: () => Promise<T>): Promise<[T, number]> => {
  const started = performance.now();
  return [await work(), (performance.now() - started) / 1000];
};

try {
  const adminUrl = server.url();
  const template = await createShopDatabase({ adminUrl, passwords, scale: scale as ScaleName, seed: 1 });
  const policy = await readPolicy(path.join(import.meta.dirname, '..', 'sample-shop', 'archive.yaml'));
  for (let run = 0; run < Number(runs); run += 1) {
    await resetShopDatabase({ adminUrl, template, name: 'bench' });
    const at = new URL(adminUrl);
    at.pathname = '/bench';
    const client = new pg.Client({ connectionString: at.href });
    await client.connect();
    for (const sql of [
      'CREATE INDEX IF NOT EXISTS order_items_order_id_idx ON order_items (order_id)',
      'CREATE INDEX IF NOT EXISTS cart_items_cart_id_idx ON cart_items (cart_id)',
      'VACUUM ANALYZE',
    ])
      await client.query(sql);
    // The same tables whole, as COPY gives them; its bytes a row are comparable, its rows a few more.
    for (const compressed of [false, true]) {
      const file = path.join(dir, 'copy');
      let rows = 0;
      let bytes = 0;
      const [, seconds] = await timed(async () => {
        for (const table of ['orders', 'order_items', 'carts', 'cart_items', 'activity_log']) {
          const source = client.query(copyTo(`COPY ${table} TO STDOUT (FORMAT csv)`));
          await (compressed
            ? pipeline(source, createGzip(), createWriteStream(file))
            : pipeline(source, createWriteStream(file)));
          rows += source.rowCount;
          bytes += (await stat(file)).size;
        }
      });
      const name = compressed ? 'COPY with gzip' : 'COPY';
      note(`${name}: rows a second`, rows / seconds);
      note(`${name}: bytes a row`, bytes / rows);
    }
    const directory = path.join(dir, 'archive');
    await rm(directory, { recursive: true, force: true });
    const [units, took] = await timed(() => runArchive({ url: at.href, policy, directory, dutyCycle: 1 }));
    const rows = units.reduce((sum, unit) => sum + unit.rows, 0);
    note('archive (write, compare, delete): rows a second', rows / took);
    note('archive: bytes a row', units.reduce((sum, unit) => sum + unit.bytes, 0) / rows);
    const segments = await listArchive({ url: at.href });
    const [, back] = await timed(async () => {
      for (const { id } of segments)
        await restoreArchive({ url: at.href, directory, segment: id, holdDays: 0, reason: 'bench' });
    });
    note('restore (check, write, compare): rows a second', rows / back);
    await client.end();
  }
} finally {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
}

const format = (value: number) => value.toLocaleString('en', { maximumSignificantDigits: 3 });
process.stdout.write(`scale ${scale}, ${runs} runs; median (least to most)\n`);
for (const [what, values] of measured) {
  const sorted = [...values].sort((a, b) => a - b);
  process.stdout.write(
    `${what.padEnd(52)} ${format(sorted[Math.floor(sorted.length / 2)] as number).padStart(9)}  (${format(sorted[0] as number)} to ${format(sorted.at(-1) as number)})\n`,
  );
}
