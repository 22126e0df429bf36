import pg from 'pg';
import { randomStream, zipf } from '../sample-shop/load/random.ts';
import { stores } from '../sample-shop/stores/registry.ts';
import type { ShopStore } from '../sample-shop/stores/store.ts';
import { type Model, type Operation, operations, type Window } from './growthRecording.ts';

const WORDS = ['lamp', 'box', 'chair', 'steel', 'oak', 'bottle', 'blanket', 'travel', 'solar', 'umbrella'];
/** As in the load generator's ordinary settings. */
const ZIPF_PRODUCT = 0.9;
const REPORT_EVERY = 4;
/** A prime, so that customers come round only after all of them were there: nobody's second order is taken for a twin. */
const STRIDE = 7919;

export interface VisitOptions {
  url: string;
  model: Model;
  /** Visits at the same time. */
  customers: number;
  visits: number;
  windows: number;
}

type Times = Record<Operation, number[]>;
const noTimes = () => Object.fromEntries(operations.map((name) => [name, []])) as unknown as Times;

/** One customer searches, looks at a product, buys it and reads the own orders. @throws when the shop refuses anything */
async function visit(
  store: ShopStore,
  index: number,
  { customerId, productId }: { customerId: number; productId: number },
  times: Times,
): Promise<void> {
  const timed = async <T>(operation: Operation, work: Promise<T | undefined>): Promise<T> => {
    const started = performance.now();
    const answer = await work;
    times[operation].push(performance.now() - started);
    if (answer === undefined) throw new Error(`${operation} found nothing (visit ${index})`);
    return answer;
  };
  const session = `growth-${index}`;
  await timed('search', store.search(WORDS[index % WORDS.length] as string, 1));
  await timed('product', store.product(productId, session));
  await timed('cart', store.addToCart(session, { productId, quantity: 1, customerId }));
  const { orderNumber } = await timed('checkout', store.checkout(session, customerId));
  await timed('history', store.history(customerId, 1));
  await timed('order', store.order(orderNumber));
  if (index % REPORT_EVERY === 0) await timed('report', store.sales(30));
}

/** Nearest rank, which always is a value that was measured. */
function readings(times: Times): Window {
  const rank = (sorted: number[], share: number) => sorted[Math.ceil(share * sorted.length) - 1] as number;
  const entries = operations.map((name) => {
    const sorted = times[name].toSorted((a, b) => a - b);
    const round = (value: number) => Math.round(value * 1000) / 1000;
    return [name, { requests: sorted.length, p50: round(rank(sorted, 0.5)), p95: round(rank(sorted, 0.95)) }];
  });
  return Object.fromEntries(entries);
}

/** Windows of visits through the real store, after one window that is not counted. */
export async function measureVisits(options: VisitOptions): Promise<Window[]> {
  const pool = new pg.Pool({ connectionString: options.url, max: 10 });
  pool.on('error', () => {});
  try {
    const store = stores[options.model](pool);
    const { products, customers } = await store.facets();
    const product = zipf(products, ZIPF_PRODUCT);
    const windows: Window[] = [];
    for (let at = 0; at <= options.windows; at += 1) {
      const times = noTimes();
      let next = at * options.visits;
      const last = next + options.visits;
      const customer = async () => {
        while (next < last) {
          const index = next;
          next += 1;
          const who = {
            customerId: 1 + ((index * STRIDE) % customers),
            productId: product(randomStream(1, index)),
          };
          await visit(store, index, who, times);
        }
      };
      await Promise.all(Array.from({ length: options.customers }, customer));
      if (at > 0) windows.push(readings(times));
    }
    return windows;
  } finally {
    await pool.end();
  }
}
