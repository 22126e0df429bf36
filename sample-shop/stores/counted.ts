import type { ShopStore } from './store.ts';

/**
 * A store with the calls that are on their way counted, each until it has come to its end: a customer who leaves ends
 * the request, but not the statements of its call.
 */
export function countCalls(store: ShopStore): { store: ShopStore; running: () => number } {
  let running = 0;
  const counted = new Proxy(store, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== 'function') return member;
      return async (...given: unknown[]) => {
        running += 1;
        try {
          return await Reflect.apply(member, target, given);
        } finally {
          running -= 1;
        }
      };
    },
  });
  return { store: counted, running: () => running };
}
