import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      table: 'invoice_items',
      columns: ['invoice_id'],
      why: 'dropped: each invoice reads all items',
    },
    { check: 'typed-as-text', table: 'payment_attempts', columns: ['plugin_fee'], why: 'amounts as text' },
    {
      check: 'missing-foreign-key',
      table: 'invoice_payments',
      columns: ['invoice_id'],
      why: '3 % refer to no invoice',
    },
    prefix('payments', 'account_id', 'made twice'),
  ],
  natural: [
    {
      check: 'missing-index',
      table: 'payment_methods',
      columns: ['account_id'],
      why: 'the methods of an account are asked for by account_id, which no index begins with',
    },
    {
      check: 'leading-wildcard',
      table: 'accounts',
      columns: ['name'],
      why: 'the search compares four columns with %text%',
    },
    { check: 'offset-paging', table: 'payments', why: 'pages by OFFSET, below a join' },
    { check: 'counts-everything', table: 'accounts', why: 'counted for each page of a search' },
    {
      check: 'cold-data',
      table: 'notifications_history',
      why: 'done notifications are kept for ever, and nothing reads them',
    },
    { check: 'cold-data', table: 'bus_events_history', why: 'the same for events of the bus' },
  ],
  accepted: [
    {
      checks: ['duplicate-index'],
      columns: ['record_id'],
      why: '`serial unique` beside the primary key: true in each table, kept by constraints',
    },
    {
      checks: ['duplicate-index'],
      columns: ['tenant_record_id'],
      why: '(tenant_record_id) beside (tenant_record_id, record_id): true, and small',
    },
    { checks: ['cold-data'], table: 'audit_log', why: 'a log that the law may want' },
    {
      checks: ['missing-foreign-key'],
      why: 'Kill Bill declares none; rows without a parent only in invoice_payments',
    },
    { checks: ['entity-attribute-value'], table: 'custom_fields', why: 'fields that users define' },
    { checks: ['n-plus-one'], table: 'payment_transactions', why: 'is one, but only traces show it' },
    { checks: ['weak-type'], why: 'timestamps without a zone in a domain: true, for information' },
    {
      checks: ['functional-dependency'],
      columns: ['account_record_id'],
      why: 'account_id and account_record_id are both kept in each row, for the sake of the indexes',
    },
    { checks: ['functional-dependency'], columns: ['account_id'], why: 'the same' },
  ],
  traps: [
    { checks: ['typed-as-text'], columns: ['id'], why: 'UUIDs in varchar are keys, not numbers' },
    { checks: ['cold-data'], table: 'invoices', why: 'invoices are read by account, whatever their age' },
    { checks: ['cold-data'], table: 'invoice_items', why: 'the same' },
    { checks: ['cold-data'], table: 'payments', why: 'the same' },
    { checks: ['missing-index'], table: 'notifications', why: 'a queue of a few rows' },
    { checks: ['typed-as-text'], table: 'accounts', why: 'postal codes and keys are text' },
    {
      checks: ['list-in-column'],
      table: 'notifications_history',
      columns: ['class_name'],
      why: 'names of classes have dots',
    },
  ],
};
