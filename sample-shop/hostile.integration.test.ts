import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { waitFor } from '../lib/waitFor.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { startNode, type TestProcess, waitUntilServing } from '../test/support/process.ts';
import { createShopTestDatabase, SHOP_TOKEN, type ShopDatabase, startShop } from '../test/support/shop.ts';

let database: ShopDatabase;
let shop: Awaited<ReturnType<typeof startShop>>;
let load: TestProcess;
let loadUrl: string;
beforeAll(async () => {
  database = await createShopTestDatabase();
  shop = await startShop(database.url('shop_app'));
  const port = await freePort();
  loadUrl = `http://127.0.0.1:${port}`;
  load = startNode(['sample-shop/load/main.ts'], {
    LOAD_PORT: String(port),
    LOAD_TARGET: 'http://127.0.0.1:1',
    SQLTRAIL_TOKEN: SHOP_TOKEN,
  });
  await waitUntilServing(`${loadUrl}/healthz`, load);
});
afterAll(async () => {
  await load?.stop('SIGKILL');
  await shop?.close();
  await database?.drop();
});

const TEXTS = [
  '\u0000',
  "'; DROP TABLE orders; --",
  '\\',
  '%',
  '_%_',
  '$$',
  '$1',
  '\ud83d\ude00',
  '\uffff',
  '\r\n',
  '__proto__',
  '../..',
  'a'.repeat(201),
  '(((((((((((((((((((((',
  '<script>',
];

describe('the shop', () => {
  it.each(TEXTS)('answers %j wherever a text may stand, and never with 500', async (text) => {
    const given = encodeURIComponent(text);
    const headers = { 'content-type': 'application/json' };
    const asked: [string, RequestInit][] = [
      [`/search?q=${given}`, {}],
      [`/search?q=a&page=${given}`, {}],
      [`/products?category=${given}`, {}],
      [`/products/${given}`, {}],
      [`/products/1`, { headers: { 'x-session': text.replace(/[^\x20-\x7e]/g, '') } }],
      [`/orders/${given}`, {}],
      [`/customers/${given}/orders`, {}],
      [`/carts/${given}`, {}],
      [`/reports/sales?days=${given}`, {}],
      [`/carts/${given}/items`, { method: 'POST', headers, body: JSON.stringify({ productId: text }) }],
      [`/carts/s/checkout`, { method: 'POST', headers, body: JSON.stringify({ customerId: text }) }],
      [`/carts/s/items`, { method: 'POST', headers, body: text }],
    ];
    for (const [path, init] of asked) {
      const { status } = await fetch(shop.base + path, init);
      expect([path, status < 500]).toEqual([path, true]);
    }
  });
});

describe.each([
  ['the shop', () => shop.base, '/admin/store', JSON.stringify({ store: 'legacy' })],
  ['the shop', () => shop.base, '/admin/pool', JSON.stringify({ max: 4 })],
  ['the load', () => loadUrl, '/profile', JSON.stringify({ profile: 'ordinary' })],
])('%s: its control', (_, base, path, body) => {
  const send = async (authorization: string | undefined, text = body, method = 'POST') =>
    (
      await fetch(base() + path, {
        method,
        headers: {
          'content-type': 'application/json',
          ...(authorization === undefined ? {} : { authorization }),
        },
        ...(method === 'GET' ? {} : { body: text }),
      })
    ).status;

  it(`${path} is for the token alone`, async () => {
    expect(await send(`Bearer ${SHOP_TOKEN}`)).toBe(200);
    for (const wrong of [
      undefined,
      '',
      'Bearer',
      'Bearer ',
      `Bearer ${SHOP_TOKEN}x`,
      `Bearer ${SHOP_TOKEN.slice(1)}`,
      `Basic ${SHOP_TOKEN}`,
    ])
      expect([wrong, await send(wrong)]).toEqual([wrong, 401]);
    expect(await send(undefined, body, 'PUT')).toBeGreaterThanOrEqual(400);
  });

  it(`${path} refuses a body that is none, or too large`, async () => {
    const authorization = `Bearer ${SHOP_TOKEN}`;
    for (const wrong of [
      '',
      '{',
      'null',
      '[]',
      '{"store":{}}',
      '{"max":-1}',
      '{"max":1e9}',
      '{"profile":"__proto__"}',
      '['.repeat(900),
    ])
      expect([wrong.slice(0, 30), await send(authorization, wrong)]).toEqual([wrong.slice(0, 30), 400]);
    expect(await send(authorization, ' '.repeat(20_000))).toBe(413);
  });

  it(`${path}: many at a time, and some that hang up in the middle`, async () => {
    const { port } = new URL(base());
    for (let i = 0; i < 20; i += 1) {
      const socket = connect(Number(port), '127.0.0.1').on('error', () => {});
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${SHOP_TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"a`,
        () => socket.destroy(),
      );
    }
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(`Bearer ${SHOP_TOKEN}`)));
    expect(new Set(answers)).toEqual(new Set([200]));
    await waitFor('an answer', async () => (await send(`Bearer ${SHOP_TOKEN}`)) === 200, {
      deadlineMs: PATIENCE_MS,
    });
  });
});

it('the load answers what is asked in a wrong way', async () => {
  for (const path of [
    '/summary?seconds=1e308',
    '/summary?seconds=-1',
    '/summary?seconds=%00',
    '/%',
    '/healthz?%%%',
  ])
    expect([path, (await fetch(loadUrl + path)).status < 500]).toEqual([path, true]);
  expect(load.child.exitCode).toBeNull();
});
