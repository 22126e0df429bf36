import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { poolMax, setStore, storeInForce } from '../demo/clients.ts';
import { shopActions, shopHandlers } from '../demo/shopActions.ts';
import type { Action } from '../fix/action.ts';
import { applyActions } from '../fix/apply.ts';
import { readJournal } from '../fix/journal.ts';
import { createShopTestDatabase, SHOP_TOKEN, type ShopDatabase, startShop } from '../test/support/shop.ts';
import { fixCommand } from './fix.ts';
import { describeAction } from './fixText.ts';

let database: ShopDatabase;
let shop: Awaited<ReturnType<typeof startShop>>;
const signal = new AbortController().signal;
const target = () => ({ shop: shop.base, token: SHOP_TOKEN });
/** Without measuring. */
const apply = (actions: Action[]) =>
  applyActions({
    url: database.url('shop_owner'),
    actions,
    windows: 0,
    windowMs: 0,
    reviewDays: 30,
    handlers: shopHandlers(target()),
    signal,
    onEvent: () => {},
  });

beforeAll(async () => {
  database = await createShopTestDatabase('tiny');
  // Shorter than a request may be, as it is at ten seconds under load.
  shop = await startShop(database.url('shop_app'), { max: 5, application_name: 'shop' }, { drainMs: 50 });
});
afterAll(async () => {
  await shop.close();
  await database.drop();
});

/** By its statements: only the rewritten ones read the sums of the days that are over. */
async function storeNow(): Promise<'tuned' | 'legacy'> {
  const query = vi.spyOn(shop.pool, 'query');
  await fetch(`${shop.base}/reports/sales`);
  const texts = query.mock.calls.map(([text]) => String(text));
  query.mockRestore();
  return texts.some((text) => text.includes('sales_daily')) ? 'tuned' : 'legacy';
}

/** What the command says. */
async function fix(name: string, ...more: string[]): Promise<string[]> {
  const said: string[] = [];
  const written = vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  vi.stubEnv('SQLTRAIL_TOKEN', SHOP_TOKEN);
  try {
    const command = fixCommand(signal).exitOverride();
    await command.parseAsync([name, database.url('shop_owner'), ...more], { from: 'user' });
    return said;
  } finally {
    written.mockRestore();
    vi.unstubAllEnvs();
  }
}

/** Customers, until they are told to leave; every answer that is an error of the shop. */
function customers() {
  let leaving = false;
  const failed: string[] = [];
  let answers = 0;
  const visit = async (at: number) => {
    const pages = ['/reports/sales', `/products/${at + 1}`, '/reports/sales', `/customers/${at + 1}/orders`];
    for (let n = at; !leaving; n += 1) {
      const page = pages[n % pages.length] ?? '';
      const status = await fetch(`${shop.base}${page}`).then(
        async (response) => {
          await response.arrayBuffer();
          return response.status;
        },
        (error: Error) => error.message,
      );
      answers += 1;
      if (status !== 200) failed.push(`${page}: ${status}`);
    }
  };
  const visits = Promise.all([0, 1, 2].map(visit));
  return {
    failed,
    answers: () => answers,
    async leave() {
      leaving = true;
      await visits;
    },
  };
}

it('the plan has a time for each action, in words and as JSON, and changes nothing', async () => {
  const visitors = customers();
  try {
    const planned = async (...more: string[]): Promise<Action[]> =>
      JSON.parse((await fix('plan', '--shop', shop.base, ...more, '--json')).join('')).actions;
    const plan = await planned();
    for (const { id, time } of plan) expect(time?.applySeconds, id).toBeGreaterThan(0);
    const text = plan.map(describeAction).join('\n');
    expect(text).toMatch(
      /index orders_placed_at_idx[\s\S]*?Time: (about \d+|under 1) s \(reading .* twice and sorting the keys, timed on \d+ of \d+ pages/,
    );
    expect(text).toMatch(
      /store “tuned”[\s\S]*?Time: .* \(1 round trip, reading .* of orders, timed on a sample, reading .* of order_items/,
    );
    const ids = (await planned('--skip', 'query')).map(({ id }) => id);
    expect(plan.map(({ id }) => id)).toContain('index:public.orders_placed_at_idx');
    expect(ids).not.toContain('index:public.orders_placed_at_idx');
    expect(JSON.parse((await fix('list', '--json')).join(''))).toEqual([]);
  } finally {
    await visitors.leave();
  }
});

it('undo with --shop takes store, pool and index back under load, the last first, and no request fails', async () => {
  const pool = { from: 5, to: 9 };
  const [index, query] = shopActions([]);
  if (!index || !query) throw new Error('the shop offers nothing');
  const visitors = customers();
  const said: string[] = [];
  try {
    await apply([
      index,
      query,
      { ...query, id: 'pool:shop', kind: 'pool', title: 'pool', sql: [], undo: [], pool },
    ]);
    expect([await storeNow(), await poolMax(target())]).toEqual(['tuned', 9]);
    const seen = visitors.answers();
    await expect.poll(visitors.answers).toBeGreaterThan(seen + 12);

    const list = (await fix('list')).join('');
    expect(list).toMatch(
      /\[query:tuned\]\n.*; applied in \d+\.\d s; review on \d{4}-.*; not measured: no windows/,
    );
    expect(list).toMatch(/orders_placed_at_idx\]\n.*; temporary, review on /);
    // Whoever reads the sums when the store is exchanged is between two statements.
    const ask = shop.pool.query.bind(shop.pool) as (...given: unknown[]) => Promise<unknown>;
    vi.spyOn(shop.pool, 'query').mockImplementation(async (...given: unknown[]) => {
      if (String(given[0]).includes('FROM sales_daily\n')) await sleep(500);
      return ask(...given);
    });
    await expect(fix('revert', '--yes')).rejects.toThrow(/query:tuned belongs to the application.*--shop/);
    said.push(...(await fix('revert', '--shop', shop.base, '--yes')));
    const before = visitors.answers();
    await expect.poll(visitors.answers).toBeGreaterThan(before + 12);
  } finally {
    await visitors.leave();
    vi.restoreAllMocks();
  }
  expect(visitors.failed).toEqual([]);
  expect([await storeNow(), await poolMax(target())]).toEqual(['legacy', 5]);
  expect(said.filter((text) => text.includes('↩'))).toEqual(
    ['pool', query.title, index.title].map((title) => `  ↩ ${title}\n`),
  );
  const { rows } = await shop.pool.query(
    "SELECT to_regclass('orders_placed_at_idx') AS index, to_regclass('sales_daily') AS days, to_regproc('sales_daily_refresh') AS refresh",
  );
  expect(rows).toEqual([{ index: null, days: null, refresh: null }]);
  expect((await readJournal(database.url('shop_owner'))).map(({ state, note }) => [state, note])).toEqual(
    Array.from({ length: 3 }, () => ['reverted', 'undone by hand']),
  );
});

it('a shop that is on the new data model keeps its store when the statements rewritten are undone', async () => {
  const query = shopActions([]).find(({ kind }) => kind === 'query') as Action;
  const days = async () => (await shop.pool.query("SELECT to_regclass('sales_daily') AS days")).rows[0].days;
  await apply([query]);
  expect([await storeInForce(target()), await days()]).toEqual(['tuned', 'sales_daily']);
  await setStore(target(), 'refactored');
  await fix('revert', '--shop', shop.base, '--yes');
  expect([await storeInForce(target()), await days()]).toEqual(['refactored', null]);
  expect((await apply([query])).find(({ action }) => action.id === query.id)).toMatchObject({
    state: 'failed',
    note: expect.stringMatching(/the shop uses the store refactored, of the new data model/),
  });
  expect([await storeInForce(target()), await days()]).toEqual(['refactored', null]);
  await setStore(target(), 'legacy');
});

it('with nothing to apply, what an earlier run left half done is brought to its end; with the shop its pool is sized', async () => {
  const [index] = shopActions([]) as [Action];
  await apply([index]);
  const admin = new pg.Client(database.url('postgres'));
  await admin.connect();
  await admin.query("UPDATE sqltrail.action SET state = 'undoing' WHERE id = $1", [index.id]);
  expect((await fix('list')).join('')).toContain('1 half done');
  // No action of this kind can be planned without the shop.
  const ended = (await fix('apply', '--only', 'query', '--windows', '0', '--yes')).join('');
  expect(ended).toMatch(
    /what it left half done comes first: index orders_placed_at_idx[\s\S]*↩ index orders_placed/,
  );
  const states = (await readJournal(database.url('shop_owner'))).map(({ action, state }) => [
    action.id,
    state,
  ]);
  expect(states).toContainEqual([index.id, 'reverted']);
  const busy = Array.from({ length: 2 }, () => shop.pool.query('SELECT pg_sleep(600)').catch(() => {}));
  const flags = [
    '--shop',
    shop.base,
    '--read-url',
    database.url('sqltrail_monitor'),
    '--windows',
    '0',
    '--yes',
  ];
  const said = (await fix('apply', '--only', 'pool', ...flags)).join('');
  await admin.query(
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND datname = current_database()",
  );
  await Promise.all(busy);
  expect(said).toMatch(/✔ the shop’s pool from 5 to \d+ connections/);
  expect(await poolMax(target())).toBeGreaterThan(5);
  await admin.end();
});

it.each([
  [['--prometheus', 'http://127.0.0.1:9090'], /--prometheus is only used together with --shop/],
  [['--shop', 'http://127.0.0.1:3000', '--prometheus', 'nonsense'], /--prometheus is not a URL/],
])('%j is refused before anything is done', async (flags, message) => {
  await expect(fix('apply', ...flags)).rejects.toThrow(message);
});
