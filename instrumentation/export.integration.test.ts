import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { waitFor } from '../lib/waitFor.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { shopArguments, startNode, type TestProcess, waitUntilServing } from '../test/support/process.ts';
import { createShopTestDatabase, SHOP_TOKEN, type ShopDatabase } from '../test/support/shop.ts';

/** A collector that keeps what it is sent; texts lie in protobuf as they are, so that they can be searched for. */
let collector: Server;
let received = '';
let database: ShopDatabase;
let shop: TestProcess;
let base: string;
let metricsPort: number;

const metric = async (pattern: RegExp) => {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => pattern.test(line))
      ?.split(' ')
      .at(-1) ?? 0,
  );
};
const captures = (outcome: string) =>
  metric(new RegExp(`^sqltrail_plan_captures_total\\{outcome="${outcome}"\\}`));
const until = (what: string, condition: () => Promise<boolean> | boolean) =>
  waitFor(what, condition, { deadlineMs: PATIENCE_MS });

beforeAll(async () => {
  collector = createServer((request, response) => {
    request.setEncoding('latin1');
    request.on('data', (chunk: string) => {
      received += chunk;
    });
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end());
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  database = await createShopTestDatabase();
  const admin = new pg.Client(database.url('postgres'));
  await admin.connect();
  // An error whose text has a value in it, as those of constraints do.
  await admin.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'session % is refused', NEW.session_id USING ERRCODE = '23514'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON carts FOR EACH ROW WHEN (NEW.session_id LIKE 'zqrefused%') EXECUTE FUNCTION refuse()`);
  await admin.end();
  const port = await freePort();
  metricsPort = await freePort();
  shop = startNode(shopArguments, {
    DATABASE_URL: database.url('shop_app'),
    SHOP_PORT: String(port),
    SQLTRAIL_TOKEN: SHOP_TOKEN,
    OTEL_EXPORTER_PROMETHEUS_PORT: String(metricsPort),
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    // Every statement is slow.
    SQLTRAIL_PLAN_SLOW_MS: '1',
  });
  base = `http://127.0.0.1:${port}`;
  await waitUntilServing(`${base}/healthz`, shop);
});
afterAll(async () => {
  await shop?.stop();
  collector?.close();
  await database?.drop();
});

describe('what leaves the process', () => {
  it('has the statements, their route, plan and SQLSTATE, and no value of a customer', async () => {
    expect((await fetch(`${base}/search?q=zqsearched`)).status).toBe(200);
    const item = await fetch(`${base}/carts/zqrefused-session/items`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ productId: 1, customerId: 1, quantity: 1 }),
    });
    expect(item.status).toBe(500);
    await until('spans of both requests, and a plan', () =>
      ['/carts/:session/items', 'SQLSTATE 23514', 'EXPLAIN SELECT products', 'sqltrail.plan'].every((text) =>
        received.includes(text),
      ),
    );
    expect(received).toContain('db.query.text');
    expect(received).toContain('INSERT carts');
    const leaks = /.{0,30}(zqsearched|zqrefused|is refused|client\.address).{0,30}/.exec(received)?.[0];
    expect(leaks).toBeUndefined();
  });

  it('has one plan of a statement however often it runs', async () => {
    const begun = performance.now();
    // Again, if it took less than what is slow here.
    await until('its plan', async () => {
      await fetch(`${base}/orders/none`);
      return received.includes('EXPLAIN SELECT orders');
    });
    const before = await captures('captured');
    const plans = received.split('EXPLAIN SELECT orders').length;
    for (let i = 0; i < 20; i += 1) await fetch(`${base}/orders/none-${i}`);
    await until(
      'the spans of the last request',
      async () => received.split('/orders/:orderNumber').length > 20,
    );
    // A statement is planned again after 15 s.
    const more = Math.floor((performance.now() - begun) / 15_000);
    expect(received.split('EXPLAIN SELECT orders').length).toBeLessThanOrEqual(plans + more);
    expect(await captures('captured')).toBeLessThanOrEqual((before ?? 0) + more);
  });
});
