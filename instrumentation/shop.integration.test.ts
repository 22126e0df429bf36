import { once } from 'node:events';
import { createServer } from 'node:http';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { waitFor } from '../lib/waitFor.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { shopArguments, startNode, telemetryArguments, waitUntilServing } from '../test/support/process.ts';
import { createShopTestDatabase, SHOP_TOKEN, type ShopDatabase } from '../test/support/shop.ts';

let database: ShopDatabase;
beforeAll(async () => {
  database = await createShopTestDatabase();
});
afterAll(() => database?.drop());

async function startShop(env: Record<string, string> = {}) {
  const [port, metricsPort] = [await freePort(), await freePort()];
  const shop = startNode(shopArguments, {
    DATABASE_URL: database.url('shop_app'),
    SHOP_PORT: String(port),
    SQLTRAIL_TOKEN: SHOP_TOKEN,
    OTEL_EXPORTER_PROMETHEUS_PORT: String(metricsPort),
    // Nothing listens there: the collector is dead.
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    ...env,
  });
  const base = `http://127.0.0.1:${port}`;
  await waitUntilServing(`${base}/healthz`, shop);
  const metric = async (pattern: RegExp) => {
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    const line = text.split('\n').find((candidate) => pattern.test(candidate));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  };
  return { shop, base, metric };
}

describe('the shop with telemetry', () => {
  it('serves while the collector is dead, counts what it could not send, and ends', async () => {
    const { shop, base, metric } = await startShop();
    expect((await fetch(`${base}/products/1`)).status).toBe(200);
    const failures = await waitFor(
      'an export to fail',
      async () => (await metric(/^sqltrail_span_export_failures_total /)) || undefined,
      { deadlineMs: PATIENCE_MS },
    );
    expect(failures).toBeGreaterThan(0);
    expect(await metric(/^sqltrail_spans_dropped_total\{reason="export_failed"\}/)).toBeGreaterThan(0);
    expect((await fetch(`${base}/products/2`)).status).toBe(200);
    // By itself: it is never killed here, and without its own deadline the last export would end it with an error.
    expect(await shop.stop()).toBe(0);
  });

  it('measures the pool: waits, timeouts, and connections that never go below zero', async () => {
    const { shop, base, metric } = await startShop({
      SHOP_POOL_MAX: '1',
      SHOP_POOL_ACQUIRE_TIMEOUT_MS: '150',
      // The held request is to wait for the lock, however long the others take.
      SHOP_STATEMENT_TIMEOUT_MS: '600000',
    });
    const locker = new pg.Client(database.url('postgres'));
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE products');
    const held = fetch(`${base}/products/1`);
    const refused = await waitFor(
      'a request to be refused',
      async () => {
        const { status } = await fetch(`${base}/products/2`);
        return status === 503;
      },
      { deadlineMs: PATIENCE_MS },
    );
    expect(refused).toBe(true);
    expect(await metric(/^db_client_connection_timeouts_total\{/)).toBeGreaterThan(0);
    expect(await metric(/^db_client_connection_count\{.*used/)).toBe(1);
    await locker.query('ROLLBACK');
    await locker.end();
    expect((await held).status).toBe(200);
    expect(await metric(/^db_client_connection_wait_time_count\{/)).toBeGreaterThan(1);
    expect(await metric(/^db_client_connection_count\{.*used/)).toBe(0);
    await shop.stop();
  });

  it('tells the pools of one database apart', async () => {
    const url = new URL(database.url('shop_app'));
    const application = startNode([...telemetryArguments, 'test/support/twoPools.ts'], {
      DATABASE_URL: url.href,
      OTEL_EXPORTER_PROMETHEUS_PORT: String(await freePort()),
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    });
    expect(await application.exited, application.output()).toBe(0);
    const name = `${url.host}${url.pathname}`;
    const value = (metric: string, pool: string, state?: string) =>
      application
        .output()
        .split('\n')
        .find(
          (line) =>
            line.startsWith(`${metric}{`) &&
            line.includes(`pool_name="${pool}"`) &&
            (!state || line.includes(`"${state}"`)),
        )
        ?.split(' ')
        .at(-1);
    const read = (pool: string) => [
      value('db_client_connection_count', pool, 'used'),
      value('db_client_connection_count', pool, 'idle'),
      value('db_client_connection_max', pool),
    ];
    expect(read(name)).toEqual(['1', '1', '2']);
    expect(read(`${name}#2`)).toEqual(['2', '0', '3']);
  });

  it('leaves no gauge of a pool that is over, and keeps no pool that nobody else keeps', async () => {
    const application = startNode(['--expose-gc', ...telemetryArguments, 'test/support/poolsEnd.ts'], {
      DATABASE_URL: database.url('shop_app'),
      OTEL_EXPORTER_PROMETHEUS_PORT: String(await freePort()),
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    });
    expect(await application.exited, application.output()).toBe(0);
    const [before = '', after = ''] = application.output().split('-----\n');
    const gauges = (text: string) =>
      text
        .split('\n')
        .filter((line) => /^db_client_connection_(count|pending_requests)\{/.test(line))
        .map((line) => Number(line.split(' ').at(-1)));
    expect(gauges(before).toSorted()).toEqual([0, 1, 3]);
    expect(
      gauges(after).every((value) => value === 0),
      after,
    ).toBe(true);
    // The last one may still be on the stack.
    expect(Number(/pools in memory: (\d+)/.exec(after)?.[1])).toBeLessThan(3);
  });

  it('counts statement timeouts by statement', async () => {
    const { shop, base, metric } = await startShop({ SHOP_STATEMENT_TIMEOUT_MS: '100' });
    const locker = new pg.Client(database.url('postgres'));
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE products');
    expect((await fetch(`${base}/products/1`)).status).toBe(504);
    await locker.query('ROLLBACK');
    await locker.end();
    expect(await metric(/^sqltrail_statement_timeouts_total\{db_query_summary="SELECT products"\}/)).toBe(1);
    await shop.stop();
  });

  it('serves with a setting that cannot be taken, and names it', async () => {
    const { shop, base } = await startShop({ OTEL_EXPORTER_OTLP_ENDPOINT: 'secret-password@collector' });
    expect((await fetch(`${base}/products/1`)).status).toBe(200);
    expect(shop.output()).toContain('OTEL_EXPORTER_OTLP_ENDPOINT is not an http(s) URL');
    expect(shop.output()).not.toContain('secret-password');
    await shop.stop();
  });

  it('serves without metrics when their port is taken, and says so', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const port = (taken.address() as { port: number }).port;
    const { shop, base } = await startShop({ OTEL_EXPORTER_PROMETHEUS_PORT: String(port) });
    expect((await fetch(`${base}/products/1`)).status).toBe(200);
    expect(shop.output()).toContain('OTEL_EXPORTER_PROMETHEUS_PORT');
    await shop.stop();
    taken.close();
  });

  it.each([
    ['SHOP_PORT', 'eighty', 2],
    ['SHOP_STORE', 'none', 2],
    ['DATABASE_URL', 'mysql://secret-password@x/y', 2],
  ])('ends with one line that names %s when it is wrong', async (name, value, code) => {
    const shop = startNode(shopArguments, {
      DATABASE_URL: database.url('shop_app'),
      SQLTRAIL_TOKEN: SHOP_TOKEN,
      OTEL_EXPORTER_PROMETHEUS_PORT: String(await freePort()),
      [name]: value,
    });
    expect(await shop.exited).toBe(code);
    expect(shop.output()).toContain(name);
    expect(shop.output().trim().split('\n')).toHaveLength(1);
    expect(shop.output()).not.toContain('secret-password');
  });
});
