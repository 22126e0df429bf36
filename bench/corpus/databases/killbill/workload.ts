import type { Statement } from '../../corpusDatabase.ts';
import { uuidOf } from '../../random.ts';

/** EntitySqlDao.sql.stg selects every column by name. */
const account =
  't.record_id, t.id, t.external_key, t.email, t.name, t.first_name_length, t.currency, t.billing_cycle_day_local, t.parent_account_id, t.is_payment_delegated_to_parent, t.payment_method_id, t.reference_time, t.time_zone, t.locale, t.address1, t.address2, t.company_name, t.city, t.state_or_province, t.country, t.postal_code, t.phone, t.notes, t.migrated, t.created_by, t.created_date, t.updated_by, t.updated_date, t.tenant_record_id';
const payment =
  't.record_id, t.id, t.account_id, t.payment_method_id, t.external_key, t.state_name, t.last_success_state_name, t.created_by, t.created_date, t.updated_by, t.updated_date, t.account_record_id, t.tenant_record_id';

export const workload: Statement[] = [
  {
    from: 'EntitySqlDao getById of an account',
    text: `select ${account} from accounts t where t.id = $1 and t.tenant_record_id = $2`,
    calls: 2500,
    values: (r) => [uuidOf('accounts', r.zipf(15_000)), 1],
  },
  {
    from: 'AccountSqlDao getAccountByKey',
    text: `select ${account} from accounts t where t.external_key = $1 and t.tenant_record_id = $2`,
    calls: 800,
    values: (r) => [`key-${r.zipf(15_000)}`, 1],
  },
  {
    from: 'AccountSqlDao search: like on the keys of the search',
    text: `select ${account} from accounts t join (select t.record_id from accounts t where (t.name like $1 or t.email like $1 or t.external_key like $1 or t.company_name like $1) and t.tenant_record_id = $2 order by t.record_id asc limit $3 offset $4) optimization on optimization.record_id = t.record_id order by t.record_id asc`,
    calls: 120,
    values: (r) => [`%${r.word()}${r.word()}%`, 1, 100, 0],
  },
  {
    from: 'EntitySqlDao getCount, for each page',
    text: 'select count(t.record_id) as count from accounts t where t.tenant_record_id = $1',
    calls: 150,
    values: () => [1],
  },
  {
    from: 'EntitySqlDao get: pages of payments',
    text: `select ${payment} from payments t join (select record_id from payments where tenant_record_id = $1 order by record_id asc limit $2 offset $3) optimization on optimization.record_id = t.record_id order by t.record_id asc`,
    calls: 100,
    values: (r) => [1, 100, 100 * r.any(330)],
  },
  {
    from: 'InvoiceItemSqlDao getInvoiceItemsByInvoice',
    text: 'select t.* from invoice_items t where t.invoice_id = $1 and t.tenant_record_id = $2 order by t.created_date, t.id',
    calls: 300,
    values: (r) => [uuidOf('invoices', r.any(40_000)), 1],
  },
  {
    from: 'InvoiceSqlDao getByAccountRecordId',
    text: 'select t.* from invoices t where t.account_record_id = $1 and t.tenant_record_id = $2 order by t.record_id',
    calls: 500,
    values: (r) => [r.any(15_000), 1],
  },
  {
    from: 'PaymentMethodSqlDao getForAccount',
    text: 'select t.* from payment_methods t where t.account_id = $1 and t.is_active = $2 and t.tenant_record_id = $3',
    calls: 400,
    values: (r) => [uuidOf('accounts', r.any(15_000)), true, 1],
  },
  {
    from: 'PaymentSqlDao getPaymentsForAccount',
    text: `select ${payment} from payments t where t.account_id = $1 and t.tenant_record_id = $2 order by t.record_id`,
    calls: 400,
    values: (r) => [uuidOf('accounts', r.any(15_000)), 1],
    forEach: {
      text: 'select t.* from payment_transactions t where t.payment_id = $1 and t.tenant_record_id = $2',
      values: (row) => [row['id'], 1],
    },
  },
  {
    from: 'InvoicePaymentSqlDao getPaymentsForInvoice',
    text: 'select t.* from invoice_payments t where t.invoice_id = $1 and t.tenant_record_id = $2',
    calls: 400,
    values: (r) => [uuidOf('invoices', r.any(40_000)), 1],
  },
  {
    from: 'SubscriptionEventSqlDao getActiveEventsForSubscription',
    text: 'select t.* from subscription_events t where t.subscription_id = $1 and t.is_active = $2 and t.tenant_record_id = $3 order by t.effective_date, t.created_date, t.id',
    calls: 500,
    values: (r) => [uuidOf('subscriptions', r.any(25_000)), true, 1],
  },
  {
    from: 'CustomFieldSqlDao getCustomFieldsForObject',
    text: 'select t.* from custom_fields t where t.object_id = $1 and t.object_type = $2 and t.is_active = $3 and t.tenant_record_id = $4',
    calls: 400,
    values: (r) => [uuidOf('accounts', r.any(15_000)), 'ACCOUNT', true, 1],
  },
  {
    from: 'queue: NotificationSqlDao getReadyEntries',
    text: `select t.* from notifications t where t.effective_date <= $1 and t.processing_state in ('AVAILABLE') and t.creating_owner = $2 order by t.effective_date asc, t.created_date asc, t.record_id limit $3`,
    calls: 200,
    values: () => [new Date(), 'Basil', 10],
  },
  {
    from: 'queue: PersistentBusSqlDao insertEntry',
    text: `insert into bus_events (class_name, event_json, user_token, created_date, creating_owner, search_key1, search_key2) values ($1, $2, $3, $4, $5, $6, $7)`,
    calls: 300,
    values: (r) => ['InvoiceCreation', '{}', uuidOf('t', r.any(1e6)), new Date(), 'node1', r.any(15_000), 1],
  },
  {
    from: 'queue: moved to its history, which nothing reads',
    text: `insert into bus_events_history (class_name, event_json, user_token, created_date, creating_owner, processing_state, search_key1, search_key2) values ($1, $2, $3, $4, $5, 'PROCESSED', $6, $7)`,
    calls: 300,
    values: (r) => ['InvoiceCreation', '{}', uuidOf('t', r.any(1e6)), new Date(), 'node1', r.any(15_000), 1],
  },
];
