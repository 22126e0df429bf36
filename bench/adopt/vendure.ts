import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type pg from 'pg';
import { onDatabase } from '../onDatabase.ts';
import type { Application, Surroundings, Work } from './application.ts';

/** Of the shop that thirdParty/vendure/fill.sql makes. */
const BUYERS = 6_000;
const PRODUCTS = 3_000;
const PER_PAGE = 24;
/** Buyers that are logged in; each log-in costs the server a tenth of a second. */
const LOGGED_IN = 12;
/** Orders that the table grows by at a time, until a buyer's own are slow to find without their index. */
const MOST_COPIES = 60;
/** Five times the objective of a statement, and more, whatever the machine. */
const SLOW_MS = 600;

type Api = 'shop-api' | 'admin-api';

/** Operations as a storefront and the administrators' interface send them: by name. */
const operations = {
  ProductList: `query ProductList($skip: Int) { products(options: { take: ${PER_PAGE}, skip: $skip, sort: { name: ASC } }) { totalItems items { name slug variants { price } } } }`,
  SearchProducts: `query SearchProducts($name: String!) { products(options: { take: ${PER_PAGE}, filter: { name: { contains: $name } } }) { totalItems items { name } } }`,
  ProductPage:
    'query ProductPage($slug: String!) { product(slug: $slug) { name description variants { name price stockLevel } } }',
  LogIn:
    'mutation LogIn($name: String!) { login(username: $name, password: "superadmin", rememberMe: true) { __typename } }',
  MyOrders:
    'query MyOrders { activeCustomer { emailAddress orders(options: { take: 10 }) { totalItems items { code total lines { quantity productVariant { name } } } } } }',
  AddItem: 'mutation AddItem($id: ID!) { addItemToOrder(productVariantId: $id, quantity: 1) { __typename } }',
  OrderList:
    'query OrderList($skip: Int) { orders(options: { take: 50, skip: $skip, sort: { orderPlacedAt: DESC } }) { totalItems items { code state total customer { emailAddress } } } }',
} as const;
type Operation = keyof typeof operations;

interface Asked {
  variables?: Record<string, unknown>;
  token?: string | undefined;
  signal: AbortSignal;
}

/** @returns what it is counted under, and the token of whoever logged in */
async function ask(
  { port }: Surroundings,
  api: Api,
  operation: Operation,
  { variables = {}, token, signal }: Asked,
): Promise<{ outcome: string; token: string | undefined }> {
  const response = await fetch(`http://127.0.0.1:${port}/${api}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ query: operations[operation], variables }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
  });
  const { errors } = (await response.json()) as { errors?: [{ message: string }] };
  return {
    outcome: `${operation} ${errors ? errors[0].message : response.status}`,
    token: response.headers.get('vendure-auth-token') ?? undefined,
  };
}

const below = (most: number) => Math.floor(Math.random() * most);

function work(surroundings: Surroundings): Work[] {
  const tokens = new Map<string, Promise<string | undefined>>();
  const tokenOf = (api: Api, name: string, signal: AbortSignal) => {
    const known =
      tokens.get(name) ??
      ask(surroundings, api, 'LogIn', { variables: { name }, signal }).then(({ token }) => token);
    tokens.set(name, known);
    known.catch(() => tokens.delete(name));
    return known;
  };
  const buyer = (signal: AbortSignal) =>
    tokenOf('shop-api', `buyer${1 + below(LOGGED_IN) * Math.floor(BUYERS / LOGGED_IN)}@example.com`, signal);
  const doing =
    (
      api: Api,
      operation: Operation,
      variables: () => Record<string, unknown> = () => ({}),
      token?: (signal: AbortSignal) => Promise<string | undefined>,
    ): Work =>
    async (signal) =>
      (
        await ask(surroundings, api, operation, {
          variables: variables(),
          token: await token?.(signal),
          signal,
        })
      ).outcome;
  const mine = doing('shop-api', 'MyOrders', undefined, buyer);
  return [
    doing('shop-api', 'ProductList', () => ({ skip: below(20) * PER_PAGE })),
    mine,
    doing('shop-api', 'ProductPage', () => ({ slug: `product-${1 + below(PRODUCTS)}` })),
    doing('shop-api', 'SearchProducts', () => ({ name: ['lamp', 'oak', 'vase'][below(3)] })),
    mine,
    doing('shop-api', 'AddItem', () => ({ id: String(2 + below(2 * PRODUCTS)) }), buyer),
    doing(
      'admin-api',
      'OrderList',
      () => ({ skip: below(20) * 50 }),
      (signal) => tokenOf('admin-api', 'superadmin', signal),
    ),
  ];
}

/** Orders without a buyer, as guests place them: all columns of those that are there, under other codes. */
async function copyOrders(client: pg.Client, copy: number): Promise<number> {
  const { rows } = await client.query<{ columns: string }>(
    `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) AS columns FROM pg_attribute
      WHERE attrelid = '"order"'::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('id', 'code', 'customerId')`,
  );
  const columns = rows[0]?.columns ?? '';
  const { rowCount } = await client.query(
    `INSERT INTO "order" (code, ${columns})
     SELECT upper(substr(md5(id || '-' || $1), 1, 16)), ${columns} FROM "order" WHERE "customerId" IS NOT NULL AND NOT active`,
    [copy],
  );
  return rowCount ?? 0;
}

/** An online shop: NestJS, TypeORM, and GraphQL on two routes. */
export const vendure: Application = {
  name: 'vendure',
  packages: ['@vendure/core@3.7.3', 'pg@8.23.1'],
  service: 'vendure',
  requests: true,
  files: ['vendure/server.mjs'],
  program: ['server.mjs'],
  env: ({ databaseUrl, port }) => ({ DATABASE_URL: databaseUrl, PORT: String(port) }),
  ready: async (surroundings) =>
    (await ask(surroundings, 'shop-api', 'ProductList', { signal: AbortSignal.timeout(30_000) })).outcome ===
    'ProductList 200',
  fill: async ({ databaseUrl }) => {
    const sql = await readFile(path.join(import.meta.dirname, '../thirdParty/vendure/fill.sql'), 'utf8');
    await onDatabase(databaseUrl, (client) => client.query(`${sql}; ANALYZE`));
  },
  work,
  pauseMs: 300,
  roots: [
    { root: 'POST /shop-api query ProductList', statement: /^SELECT .*product/ },
    { root: 'POST /shop-api query MyOrders', statement: /^SELECT .*order/ },
    { root: 'POST /shop-api mutation AddItem', statement: /^(INSERT|UPDATE) order/ },
    { root: 'POST /admin-api query OrderList', statement: /^SELECT .*order/ },
  ],
  fault: {
    what: 'the orders grown, and their index on the customer dropped',
    async plant(client: pg.Client) {
      const { rows } = await client.query<{ index: string }>(
        `SELECT indexrelid::regclass::text AS index FROM pg_index
           JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
          WHERE indrelid = '"order"'::regclass AND attname = 'customerId'`,
      );
      for (const { index } of rows) await client.query(`DROP INDEX ${index}`);
      let grown = 0;
      for (let copy = 1; copy <= MOST_COPIES; copy += 1) {
        grown += await copyOrders(client, copy);
        await client.query('ANALYZE "order"');
        const since = performance.now();
        await client.query('SELECT max("subTotal") FROM "order" WHERE "customerId" = 1001');
        if (performance.now() - since > SLOW_MS) break;
      }
      return `${grown} rows more`;
    },
    alert: 'SlowStatements',
    labels: { http_route: '/shop-api query MyOrders' },
    check: 'missing-index',
    table: 'order',
  },
  blockade: { sql: 'LOCK TABLE "order"', table: 'order', statement: /^SELECT .*order/ },
};
