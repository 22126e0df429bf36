import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { ForeignDatabase, Judged } from '../database.ts';

const cold = (table: string, why: string): Judged => ({ check: 'cold-data', table, why });
const copied = (table: string, columns: string[], why: string): Judged => ({
  check: 'functional-dependency',
  table,
  columns,
  why,
});
const prefix = (table: string, column: string): Judged => ({
  check: 'duplicate-index',
  table,
  columns: [column],
  why: 'the foreign key’s own index beside a unique one that begins with the column',
});

export const database: ForeignDatabase = {
  name: 'django-oscar',
  source: 'django-oscar 4.2.1, Django 5.2.19 (PyPI)',
  packages: {
    pip: [
      'django==5.2.19',
      'django-oscar==4.2.1',
      'psycopg[binary]==3.3.9',
      'sorl-thumbnail==13.4.0',
      'pillow==13.0.0',
    ],
  },
  steps: [
    { command: 'venv/bin/django-admin', args: ['migrate', '--settings', 'settings', '--pythonpath', '.'] },
    { sql: readFileSync(path.join(import.meta.dirname, 'fill.sql'), 'utf8') },
    { sql: 'ANALYZE; SELECT pg_stat_reset(); SELECT pg_stat_statements_reset()' },
    { command: 'venv/bin/python', args: ['work.py'] },
  ],
  truth: [
    {
      check: 'missing-index',
      table: 'auth_user',
      columns: ['email'],
      why: 'Oscar’s login compares upper(email), and Django indexes neither that nor email',
    },
    {
      check: 'leading-wildcard',
      table: 'catalogue_product',
      columns: ['title', 'description'],
      why: 'Haystack’s simple backend, which its manual calls unfit for large shops',
    },
    {
      check: 'leading-wildcard',
      table: 'auth_user',
      columns: ['first_name', 'last_name'],
      why: 'the dashboard’s search for orders by name: icontains',
    },
    { check: 'offset-paging', table: 'order_order', why: 'the dashboard’s list, Django’s Paginator' },
    { check: 'offset-paging', table: 'auth_user', why: 'the dashboard’s list of customers, the same' },
    { check: 'counts-everything', table: 'order_order', why: 'Django’s Paginator counts for each page' },
    {
      check: 'counts-everything',
      table: 'catalogue_product',
      why: 'Django’s Paginator counts for each page',
    },
    copied(
      'order_line',
      ['product_id', 'title', 'upc', 'partner_sku', 'partner_name'],
      'copied on purpose, in case the product goes; redundant all the same',
    ),
    copied(
      'order_shippingaddress',
      ['last_name', 'line1'],
      'one row for each order, however often it is the same place',
    ),
    copied('order_billingaddress', ['last_name', 'line1'], 'the same'),
    copied(
      'basket_line',
      ['product_id', 'stockrecord_id', 'line_reference'],
      'the reference is made of product and stock record, and a product has one record here',
    ),
    {
      check: 'entity-attribute-value',
      table: 'catalogue_productattributevalue',
      why: 'its manual calls it EAV; one column for each type of value',
    },
    cold('basket_basket', 'over half are older than a year, open for ever or long since ordered'),
    cold('basket_line', 'belongs to baskets'),
    cold('analytics_userproductview', 'written at each view, read by nobody'),
    cold('communication_email', 'written at each order'),
    cold('django_session', 'expired sessions stay until somebody runs clearsessions'),
    cold('order_order', '44 % are older than a year and closed'),
    cold('order_line', 'belongs to orders'),
    cold('order_orderstatuschange', 'belongs to orders'),
    prefix('basket_line', 'basket_id'),
    prefix('partner_stockrecord', 'partner_id'),
    prefix('reviews_productreview', 'product_id'),
    prefix('catalogue_productcategory', 'product_id'),
    prefix('catalogue_productattributevalue', 'attribute_id'),
    prefix('address_useraddress', 'user_id'),
  ],
};
