import { createHash, timingSafeEqual } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { metrics } from '@opentelemetry/api';
import express, { type ErrorRequestHandler, type Express } from 'express';
import type pg from 'pg';
import { z } from 'zod';
import { RequestError, toProblem } from './problem.ts';
import { countCalls } from './stores/counted.ts';
import { type StoreName, storeNames, stores } from './stores/registry.ts';
import { Conflict, CURRENCY } from './stores/store.ts';

export interface ShopOptions {
  pool: pg.Pool;
  store: StoreName;
  /** Bearer token of `POST /admin/*`. */
  token: string;
  /** How long an exchange of the store waits for calls of the old one before it says 503, milliseconds. */
  drainMs?: number;
  log: (level: 'info' | 'error', fields: Record<string, unknown>, message: string) => void;
}

const id = z.coerce.number().int().min(1).max(2_147_483_647);
const page = z.coerce.number().int().min(1).max(10_000).default(1);
const session = z.string().regex(/^[\w-]{1,64}$/, 'is not 1 to 64 letters, digits, - or _');
const shortText = z.string().trim().min(1).max(200);

/** @throws RequestError 400 that names the field */
function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new RequestError(400, `${issue?.path.join('.') || 'The body'}: ${issue?.message}`);
}

function found<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new RequestError(404, `There is no such ${what}.`);
  return value;
}

/**
 * A call may take longer (it waits for a connection and for some statements, each with its timeout), but whoever waits
 * for the answer gets one, and asks again.
 */
const DRAIN_MS = 10_000;

const digest = (value: string) => createHash('sha256').update(value).digest();

/**
 * The shop's routes (README.md). The store behind them can be exchanged while requests run: each request uses
 * the one that was in force when it began.
 */
export function createShop({ pool, store: first, token, drainMs = DRAIN_MS, log }: ShopOptions): Express {
  const opened = (name: StoreName) => ({ name, ...countCalls(stores[name](pool)) });
  let inForce = opened(first);
  /** Stores that were in force, until their last call has ended. */
  let earlier: (typeof inForce)[] = [];
  const meter = metrics.getMeter('shop');
  const checkouts = meter.createCounter('shop_checkouts', { description: 'Checkouts by outcome' });
  const value = meter.createCounter('shop_checkout_value', { description: 'Value of checkouts by outcome' });

  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.use(express.json({ limit: '16kb' }));

  app.get('/healthz', async (_request, response) => {
    await pool.query('SELECT 1');
    response.json({ status: 'ok' });
  });
  app.get('/facets', async (_request, response) => {
    response.json(await inForce.store.facets());
  });
  app.get('/products', async (request, response) => {
    const query = parse(z.object({ category: shortText, page }), request.query);
    response.json(await inForce.store.browse(query.category, query.page));
  });
  app.get('/search', async (request, response) => {
    const query = parse(z.object({ q: shortText, page }), request.query);
    response.json(await inForce.store.search(query.q, query.page));
  });
  app.get('/products/:id', async (request, response) => {
    const product = await inForce.store.product(parse(id, request.params.id), request.get('x-session'));
    response.json(found(product, 'product'));
  });
  app.get('/customers/:id/orders', async (request, response) => {
    const query = parse(z.object({ page }), request.query);
    response.json(found(await inForce.store.history(parse(id, request.params.id), query.page), 'customer'));
  });
  app.get('/orders/:orderNumber', async (request, response) => {
    response.json(found(await inForce.store.order(parse(shortText, request.params.orderNumber)), 'order'));
  });
  app.get('/carts/:session', async (request, response) => {
    response.json(await inForce.store.cart(parse(session, request.params.session)));
  });
  app.post('/carts/:session/items', async (request, response) => {
    const addition = z.object({ productId: id, customerId: id, quantity: z.number().int().min(1).max(99) });
    const cart = await inForce.store.addToCart(
      parse(session, request.params.session),
      parse(addition, request.body),
    );
    response.json(found(cart, 'product or customer'));
  });
  app.post('/carts/:session/checkout', async (request, response) => {
    const { customerId } = parse(z.object({ customerId: id }), request.body);
    const key = parse(session, request.params.session);
    try {
      const placed = found(await inForce.store.checkout(key, customerId), 'customer');
      checkouts.add(1, { outcome: 'placed' });
      value.add(placed.total, { outcome: 'placed', currency: CURRENCY });
      response.status(201).json(placed);
    } catch (error) {
      const outcome = error instanceof Conflict || error instanceof RequestError ? 'rejected' : 'failed';
      checkouts.add(1, { outcome });
      throw error;
    }
  });
  app.get('/reports/sales', async (request, response) => {
    const query = parse(
      z.object({ days: z.coerce.number().int().min(1).max(3_650).default(30) }),
      request.query,
    );
    response.json({ days: await inForce.store.sales(query.days) });
  });

  app.use('/admin', (request, _response, next) => {
    const given = request.get('authorization')?.replace(/^Bearer /, '') ?? '';
    if (!timingSafeEqual(digest(given), digest(token)))
      throw new RequestError(401, 'This needs the bearer token SQLTRAIL_TOKEN.');
    next();
  });
  app.post('/admin/store', async (request, response) => {
    const { store: name, drain } = parse(
      z.object({ store: z.enum(storeNames), drain: z.boolean().default(false) }),
      request.body,
    );
    if (name !== inForce.name) {
      earlier.push(inForce);
      inForce = opened(name);
      log('info', { store: name }, 'store exchanged');
    }
    // What the old store needs may be taken away once the last call of it has ended.
    const end = performance.now() + drainMs;
    const draining = () => {
      earlier = earlier.filter(({ running }) => running() > 0);
      return earlier.length > 0;
    };
    while (draining() && drain) {
      if (performance.now() > end)
        throw new RequestError(503, 'The store is exchanged, but requests still use the old one. Ask again.');
      await sleep(20);
    }
    response.json({ store: name });
  });
  app.get('/admin/store', (_request, response) => {
    response.json({ store: inForce.name });
  });
  app.get('/admin/pool', (_request, response) => {
    response.json({ max: pool.options.max });
  });
  // Connections beyond a smaller limit are closed as they fall idle; none is taken from a request.
  app.post('/admin/pool', (request, response) => {
    const { max } = parse(z.object({ max: z.number().int().min(1).max(200) }), request.body);
    pool.options.max = max;
    log('info', { max }, 'pool resized');
    response.json({ max });
  });

  app.use((request) => {
    throw new RequestError(404, `There is no ${request.method} ${request.path}.`);
  });
  const onError: ErrorRequestHandler = (error, request, response, next) => {
    const problem = toProblem(error);
    if (problem.status >= 500)
      log(
        'error',
        { method: request.method, route: request.route?.path, code: error?.code, status: problem.status },
        problem.status === 500 ? String(error?.stack) : problem.title,
      );
    if (response.headersSent) return next(error);
    if (problem.status === 503) response.set('Retry-After', '2');
    if (problem.status === 401) response.set('WWW-Authenticate', 'Bearer');
    response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  };
  app.use(onError);
  return app;
}
