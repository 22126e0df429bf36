import { z } from 'zod';
import type { Answer, ShopClient, ShopRequest } from './client.ts';
import { JOURNEY_NAMES, type JourneyName, type LoadConfig } from './config.ts';
import type { Ledger } from './ledger.ts';
import type { LoadMetrics } from './metrics.ts';
import { now, type ScheduleLag } from './openLoop.ts';
import { type RandomStream, randomStream, weightedPicker, zipf } from './random.ts';
import type { Summary } from './summary.ts';

export const facetsSchema = z.object({
  products: z.number().int().positive(),
  customers: z.number().int().positive(),
  categories: z.array(z.string()).min(1),
});
export type Facets = z.infer<typeof facetsSchema>;

const listing = z.object({ items: z.array(z.object({ id: z.number() })), pages: z.number() });
const productPage = z.object({ id: z.number(), price: z.number() });
const history = z.object({
  orders: z.array(z.object({ orderNumber: z.string(), items: z.array(z.object({ productId: z.number() })) })),
  pages: z.number(),
});
const cart = z.object({ value: z.number(), currency: z.string() });
const placed = z.object({ orderNumber: z.string(), total: z.number(), currency: z.string() });

/** What people type; each is found in some names, and the last one in none. */
const WORDS = ['lamp', 'box', 'chair', 'steel', 'oak', 'bottle', 'blanket', 'travel', 'solar', 'umbrella'];

/** The customer goes away: the shop failed, or was too slow. */
class Left extends Error {
  override readonly name = 'Left';
  readonly why: 'failed' | 'impatient' | 'stopped';

  constructor(why: Left['why']) {
    super(why);
    this.why = why;
  }
}

export interface JourneyContext {
  config: LoadConfig;
  client: ShopClient;
  facets: Facets;
  metrics: LoadMetrics;
  summary: Summary;
  ledger: Ledger;
  lag: ScheduleLag;
  /** Aborted when the generator ends for good. */
  signal: AbortSignal;
  /** Makes sessions of this run unlike those of another one with the same seed. */
  run: string;
}

/** One customer's visit. Every choice comes from the stream of its index, none from the shop's speed. */
class Visit {
  readonly #context: JourneyContext;
  readonly #random: RandomStream;
  readonly #journey: JourneyName;
  /** Null: this customer waits as long as it takes. */
  readonly #patienceS: number | null;
  readonly #retries: boolean;
  readonly session: string;
  readonly customer: number;
  /** When the customer clicks next. */
  #clickMs: number;
  /** What the customer means to buy; lost when the visit ends without an order. */
  basket: { value: number; currency: string } | null = null;
  checkedOut = false;

  constructor(context: JourneyContext, choose: Choices, index: number, intendedMs: number) {
    this.#context = context;
    this.#random = randomStream(context.config.LOAD_SEED, index);
    this.#journey = choose.journey(this.#random);
    this.customer = choose.customer(this.#random);
    this.session = `${context.run}-${index}`;
    const { LOAD_ABANDON_PROBABILITY, LOAD_PATIENCE_MS, LOAD_RETRY_SHARE } = context.config;
    const impatient = this.#random.uniform() < LOAD_ABANDON_PROBABILITY;
    const patienceS = (LOAD_PATIENCE_MS / 1000) * Math.exp(0.5 * this.#random.normal());
    this.#patienceS = impatient ? patienceS : null;
    this.#retries = this.#random.uniform() < LOAD_RETRY_SHARE;
    this.#clickMs = intendedMs;
  }

  get journey(): JourneyName {
    return this.#journey;
  }

  get random(): RandomStream {
    return this.#random;
  }

  /**
   * One click and its answer, tried once more by those who do.
   * @throws Left when the customer goes away
   */
  async step<T>(name: string, request: ShopRequest, schema: z.ZodType<T>): Promise<T | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#send(name, request);
      const late = this.#patienceS !== null && answer.seconds > this.#patienceS;
      this.#clickMs = answer.endedMs + this.#random.exponential(this.#context.config.LOAD_THINK_MS);
      if (answer.outcome === 'ok') {
        const parsed = schema.safeParse(answer.body);
        // An order that was placed is one, however long it took.
        if (late && name !== 'checkout') throw new Left('impatient');
        if (name === 'checkout' && parsed.success) this.#acknowledge(answer, parsed.data);
        return parsed.success ? parsed.data : undefined;
      }
      if (this.#context.signal.aborted) throw new Left('stopped');
      if (late) throw new Left(name === 'checkout' ? 'failed' : 'impatient');
      if (attempt === 2 || !this.#retries) throw new Left('failed');
    }
  }

  async #send(step: string, request: ShopRequest): Promise<Answer> {
    const { client, metrics, summary, lag, config, signal } = this.#context;
    await sleepUntil(this.#clickMs, signal);
    if (signal.aborted) throw new Left('stopped');
    const intendedMs = this.#clickMs;
    lag.record(intendedMs, now());
    const answer = await client.send(request, { intendedMs, timeoutMs: config.LOAD_TIMEOUT_MS, signal });
    metrics.request(this.#journey, step, answer.outcome, answer.seconds);
    summary.add(step, answer.outcome, answer.seconds);
    return answer;
  }

  #acknowledge(answer: Answer, body: unknown): void {
    const order = placed.parse(body);
    this.checkedOut = true;
    this.#context.ledger.append({
      order: order.orderNumber,
      value: order.total,
      currency: order.currency,
      time: new Date().toISOString(),
      basket: this.session,
      trace: answer.traceId,
    });
  }
}

async function sleepUntil(atMs: number, signal: AbortSignal): Promise<void> {
  const waitMs = atMs - now();
  if (waitMs <= 0 || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.ceil(waitMs));
    signal.addEventListener('abort', done, { once: true });
  });
}

interface Choices {
  journey: (random: RandomStream) => JourneyName;
  customer: (random: RandomStream) => number;
  product: (random: RandomStream) => number;
}

/** Runs the journeys; the shop's products and customers are chosen by Zipf's law, as popularity is. */
export class Journeys {
  readonly #context: JourneyContext;
  readonly #choose: Choices;
  /** Baskets of this run whose value is known. */
  readonly #baskets = {
    count: 0,
    sum: 0,
    add(value: number) {
      this.count += 1;
      this.sum += value;
    },
  };

  constructor(context: JourneyContext) {
    const { config, facets } = context;
    this.#context = context;
    this.#choose = {
      journey: weightedPicker(JOURNEY_NAMES.map((name) => [name, config.LOAD_MIX[name]] as const)),
      customer: zipf(facets.customers, config.LOAD_ZIPF_CUSTOMER),
      product: zipf(facets.products, config.LOAD_ZIPF_PRODUCT),
    };
  }

  /** Runs journey `index`. Never rejects for what the shop does. */
  async run(index: number, intendedMs: number): Promise<void> {
    const visit = new Visit(this.#context, this.#choose, index, intendedMs);
    const { metrics } = this.#context;
    try {
      await this[visit.journey](visit);
      if (visit.checkedOut) metrics.checkout('completed');
    } catch (error) {
      if (!(error instanceof Left)) throw error;
      if (visit.checkedOut || error.why === 'stopped') return;
      const basket = visit.basket ?? this.#meantBasket(visit);
      if (!basket) return;
      // Whoever leaves before the basket gave up, whatever made him: there was no checkout that could fail.
      metrics.checkout(visit.basket && error.why === 'failed' ? 'failed' : 'abandoned');
      metrics.lostBasket(basket.value, basket.currency);
    } finally {
      if (visit.basket) this.#baskets.add(visit.basket.value);
    }
  }

  /**
   * The basket of a customer who came to buy, and left before putting anything into one: worth the mean of the baskets
   * that this run has seen. None before the first.
   */
  #meantBasket({ journey }: Visit): Visit['basket'] {
    const { count, sum } = this.#baskets;
    if ((journey !== 'buy' && journey !== 'rebuy') || count === 0) return null;
    return { value: Math.round((sum / count) * 100) / 100, currency: 'EUR' };
  }

  async browse(visit: Visit): Promise<void> {
    const { categories } = this.#context.facets;
    const category = encodeURIComponent(categories[visit.random.below(categories.length)] as string);
    const first = await visit.step('browse', get(`/products?category=${category}&page=1`), listing);
    // Some leaf on, and the deeper the page the dearer its OFFSET.
    if (first && first.pages > 1 && visit.random.uniform() < 0.4) {
      const page = 2 + visit.random.below(first.pages - 1);
      await visit.step('browse', get(`/products?category=${category}&page=${page}`), listing);
    }
    await this.#viewProduct(visit);
  }

  async search(visit: Visit): Promise<void> {
    const word = WORDS[visit.random.below(WORDS.length)] as string;
    await visit.step('search', get(`/search?q=${word}&page=1`), listing);
    await this.#viewProduct(visit);
  }

  async buy(visit: Visit): Promise<void> {
    if (visit.random.uniform() < 0.5) {
      const word = WORDS[visit.random.below(WORDS.length)] as string;
      await visit.step('search', get(`/search?q=${word}&page=1`), listing);
    }
    const product = await this.#viewProduct(visit);
    if (product) await this.#buy(visit, product.id, product.price);
  }

  async history(visit: Visit): Promise<void> {
    const orders = await visit.step('history', get(`/customers/${visit.customer}/orders?page=1`), history);
    const order = orders?.orders[visit.random.below(Math.max(1, orders.orders.length))];
    if (order) await visit.step('order', get(`/orders/${order.orderNumber}`), z.unknown());
  }

  async rebuy(visit: Visit): Promise<void> {
    const orders = await visit.step('history', get(`/customers/${visit.customer}/orders?page=1`), history);
    const id = orders?.orders[0]?.items[0]?.productId ?? this.#choose.product(visit.random);
    const product = await visit.step('product', get(`/products/${id}`), productPage);
    if (product) await this.#buy(visit, product.id, product.price);
  }

  async report(visit: Visit): Promise<void> {
    await visit.step('report', get('/reports/sales?days=30'), z.unknown());
  }

  #viewProduct(visit: Visit) {
    return visit.step('product', get(`/products/${this.#choose.product(visit.random)}`), productPage);
  }

  async #buy(visit: Visit, productId: number, price: number): Promise<void> {
    const quantity = 1 + visit.random.below(2);
    visit.basket = { value: price * quantity, currency: 'EUR' };
    const path = `/carts/${visit.session}`;
    const item = { productId, quantity, customerId: visit.customer };
    const filled = await visit.step('cart', { method: 'POST', path: `${path}/items`, body: item }, cart);
    if (filled) visit.basket = filled;
    const customerId = visit.customer;
    await visit.step(
      'checkout',
      // 409, out of stock, is a proper answer: nobody failed.
      { method: 'POST', path: `${path}/checkout`, body: { customerId }, accept: [409] },
      placed,
    );
  }
}

const get = (path: string): ShopRequest => ({ method: 'GET', path });
