import type pg from 'pg';
import { LegacyStore } from './legacy.ts';
import { RefactoredStore } from './refactored.ts';
import { RefactoredReadsStore } from './refactoredReads.ts';
import type { ShopStore } from './store.ts';
import { TunedStore } from './tuned.ts';

/** The ways to keep the shop's data; `SHOP_STORE` and `POST /admin/store` choose one by name. */
export const stores = {
  legacy: (pool: pg.Pool): ShopStore => new LegacyStore(pool),
  /** Needs sample-shop/schema/tuned.ts applied. */
  tuned: (pool: pg.Pool): ShopStore => new TunedStore(pool),
  /** While the model is migrated, dual write on: reads come from the new model, writes go to the legacy one. */
  'refactored-reads': (pool: pg.Pool): ShopStore => new RefactoredReadsStore(pool),
  /** Needs the model of sample-shop/schema/refactored.sql, which migrate fills. */
  refactored: (pool: pg.Pool): ShopStore => new RefactoredStore(pool),
} as const;

export type StoreName = keyof typeof stores;
export const storeNames = Object.keys(stores) as [StoreName, ...StoreName[]];
