import type pg from 'pg';
import { RefactoredStore } from './refactored.ts';
import type { CartAddition, ShopStore } from './store.ts';
import { TunedStore } from './tuned.ts';

/**
 * Reads from the refactored model, writes to the legacy tables: the step of a migration in which the new model
 * serves customers and the legacy one is still what is true. Needs the dual write (migrate), which puts
 * each write into the new model within its own transaction, so that a customer reads what was just written.
 */
export class RefactoredReadsStore implements ShopStore {
  readonly name = 'refactored-reads';
  readonly #reads: RefactoredStore;
  readonly #writes: TunedStore;

  constructor(pool: pg.Pool) {
    this.#reads = new RefactoredStore(pool);
    this.#writes = new TunedStore(pool);
  }

  facets() {
    return this.#reads.facets();
  }
  browse(category: string, page: number) {
    return this.#reads.browse(category, page);
  }
  search(text: string, page: number) {
    return this.#reads.search(text, page);
  }
  async product(id: number, session: string | undefined) {
    const page = await this.#reads.productPage(id);
    if (page) await this.#writes.recordView(id, session);
    return page;
  }
  history(customerId: number, page: number) {
    return this.#reads.history(customerId, page);
  }
  order(orderNumber: string) {
    return this.#reads.order(orderNumber);
  }
  cart(session: string) {
    return this.#reads.cart(session);
  }
  async addToCart(session: string, item: CartAddition) {
    const added = await this.#writes.addToCart(session, item);
    return added && this.#reads.cart(session);
  }
  checkout(session: string, customerId: number) {
    return this.#writes.checkout(session, customerId);
  }
  sales(days: number) {
    return this.#reads.sales(days);
  }
}
