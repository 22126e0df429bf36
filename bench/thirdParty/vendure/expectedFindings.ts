import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { ForeignDatabase, Judged } from '../database.ts';

const cold = (table: string, why: string): Judged => ({ check: 'cold-data', table, why });
const ofOrder = (table: string) => cold(table, 'belongs to orders, 44 % of which are older than a year');
const paged = (table: string, list: string): Judged => ({
  check: 'offset-paging',
  table,
  why: `${list}: skip becomes OFFSET`,
});
const prefix = (table: string, column: string): Judged => ({
  check: 'duplicate-index',
  table,
  columns: [column],
  why: 'the index on the first column of a key of two',
});

export const database: ForeignDatabase = {
  name: 'vendure',
  source: '@vendure/core 3.7.3 (npm)',
  packages: { npm: ['@vendure/core@3.7.3', 'pg@8.23.1'] },
  steps: [
    { command: 'node', args: ['shop.mjs', 'create'] },
    { sql: readFileSync(path.join(import.meta.dirname, 'fill.sql'), 'utf8') },
    { sql: 'ANALYZE; SELECT pg_stat_reset(); SELECT pg_stat_statements_reset()' },
    { command: 'node', args: ['shop.mjs', 'work'] },
  ],
  truth: [
    {
      check: 'missing-index',
      table: 'user',
      columns: ['identifier'],
      why: 'each login looks a user up by lower(identifier)',
    },
    {
      check: 'leading-wildcard',
      table: 'customer',
      columns: ['emailAddress'],
      why: 'the administrators’ search: contains',
    },
    {
      check: 'leading-wildcard',
      table: 'product_translation',
      columns: ['name'],
      why: 'the shop’s search: contains',
    },
    paged('product', 'the shop’s list'),
    paged('product_variant', 'the variants of a page of products'),
    paged('order', 'the administrators’ list of orders'),
    paged('user', 'the administrators’ list of customers, joined with their users'),
    {
      check: 'functional-dependency',
      table: 'order',
      columns: ['customerId', 'shippingAddress', 'billingAddress'],
      why: 'two JSON texts for each order, equal while the customer does not move; kept on purpose as of the sale',
    },
    {
      check: 'list-in-column',
      table: 'order',
      columns: ['couponCodes'],
      why: 'TypeORM’s simple-array: codes joined with commas; most orders have none or one',
    },
    cold('session', 'two thirds are older than a year and expired; a scheduled task has to clean up'),
    cold('order', '44 % are older than a year and closed'),
    ...['order_line', 'payment', 'history_entry', 'stock_movement', 'order_channels_channel'].map(ofOrder),
    prefix('stock_level', 'productVariantId'),
    prefix('order_channels_channel', 'orderId'),
    prefix('customer_channels_channel', 'customerId'),
    prefix('product_variant_channels_channel', 'productVariantId'),
  ],
};
