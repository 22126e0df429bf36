import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'fees',
      columns: ['invoice_id'],
      why: 'dropped: each invoice reads all fees',
    },
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'wallet_transactions',
      columns: ['wallet_id'],
      why: 'dropped: the transactions of a wallet; what is left is partial',
    },
    {
      check: 'typed-as-text',
      table: 'invoices',
      columns: ['exported_on'],
      why: 'days as text, compared through a cast',
    },
    {
      check: 'missing-foreign-key',
      table: 'daily_usages',
      columns: ['subscription_id'],
      why: 'the key was dropped, and 3 % are of no subscription',
    },
  ],
  natural: [
    { check: 'offset-paging', table: 'invoices', why: 'Kaminari' },
    prefix('invoice_subscriptions', 'subscription_id', '(subscription_id) beside its boundaries'),
    prefix('daily_usages', 'subscription_id', '(subscription_id) beside (subscription_id, usage_date)'),
  ],
  accepted: [
    {
      checks: ['counts-everything'],
      table: 'customers',
      why: 'Kaminari counts for each page; an index-only scan makes it cheap',
    },
    { checks: ['duplicate-index'], table: 'wallets', why: 'true, and small' },
    { checks: ['duplicate-index'], table: 'events', why: 'long indexes that begin alike' },
    {
      checks: ['duplicate-index'],
      table: 'subscriptions',
      columns: ['started_at'],
      why: '(started_at) beside (started_at, ending_at): true',
    },
    {
      checks: ['duplicate-index'],
      why: 'the schema has more such pairs on tables that are empty or small here',
    },
    {
      checks: ['aggregate-at-request-time'],
      table: 'invoices',
      why: 'sums of closed months at each look; whether it is slow enough depends on the machine',
    },
    {
      checks: ['missing-foreign-key'],
      why: 'events and others have undeclared references; rows without a parent only in daily_usages',
    },
    { checks: ['foreign-key-without-index'], why: 'no parent is deleted in this workload' },
    {
      checks: ['functional-dependency'],
      columns: ['organization_id'],
      why: 'the organization is copied into every table, for the sake of the indexes',
    },
    { checks: ['functional-dependency'], columns: ['billing_entity_id'], why: 'the same' },
    { checks: ['cold-data'], table: 'webhooks', why: 'Lago removes them after 90 days; here they are old' },
    { checks: ['cold-data'], table: 'daily_usages', why: 'only the newest are read' },
    { checks: ['weak-type'], why: 'timestamps without a zone, as Rails makes them: for information' },
    { checks: ['not-validated-constraint'], why: 'as the schema has them' },
    {
      checks: ['cast-defeats-index'],
      table: 'invoices',
      columns: ['exported_on'],
      why: 'what days as text lead to',
    },
    { checks: ['entity-attribute-value'], why: 'metadata that users define' },
  ],
  traps: [
    { checks: ['leading-wildcard'], table: 'invoices', columns: ['number'], why: 'there is a trigram index' },
    {
      checks: ['missing-index', 'missing-gin-index'],
      table: 'events',
      why: 'subscription and transaction begin an index, and few events are left',
    },
    { checks: ['cold-data'], table: 'invoices', why: 'the law wants them' },
    { checks: ['cold-data'], table: 'fees', why: 'they belong to invoices' },
    {
      checks: ['typed-as-text'],
      table: 'customers',
      columns: ['zipcode'],
      why: 'a code, with zeros in front',
    },
    { checks: ['typed-as-text'], table: 'invoices', columns: ['number'], why: 'a number that is a name' },
    { checks: ['missing-index'], table: 'customers', columns: ['deleted_at'], why: 'NULL in every row' },
    {
      checks: ['missing-primary-key'],
      table: 'schema_migrations',
      why: 'a table of the migrations, with a key',
    },
  ],
};
