import type { Statement } from '../../corpusDatabase.ts';
import { uuidOf } from '../../random.ts';

const organization = (n: number) => uuidOf('organizations', n);

export const workload: Statement[] = [
  {
    from: 'Customer.find_by external_id',
    text: 'SELECT "customers".* FROM "customers" WHERE "customers"."deleted_at" IS NULL AND "customers"."organization_id" = $1 AND "customers"."external_id" = $2 LIMIT $3',
    calls: 1500,
    values: (r) => [organization(r.zipf(20)), `cus_${r.any(12_000)}`, 1],
  },
  {
    from: 'Events::CreateService',
    text: 'INSERT INTO "events" ("organization_id", "transaction_id", "code", "properties", "timestamp", "created_at", "updated_at", "metadata", "external_subscription_id") VALUES ($1, $2, $3, $4, now(), now(), now(), $5, $6) RETURNING "id"',
    calls: 800,
    values: (r) => [
      organization(r.zipf(20)),
      `new_${r.fresh()}`,
      `metric_${r.any(60)}`,
      '{"value": 3}',
      '{}',
      `sub_${r.any(15_000)}`,
    ],
  },
  {
    from: 'Events::Stores::PostgresStore#sum',
    text: `SELECT SUM((events.properties->>$1)::numeric) FROM "events" WHERE "events"."deleted_at" IS NULL AND "events"."organization_id" = $2 AND "events"."external_subscription_id" = $3 AND "events"."code" = $4 AND "events"."timestamp" >= $5 AND "events"."timestamp" <= $6`,
    calls: 600,
    values: (r) => [
      'value',
      organization(r.zipf(20)),
      `sub_${r.zipf(15_000)}`,
      `metric_${r.any(60)}`,
      r.within(800),
      new Date(),
    ],
  },
  {
    from: 'Api::V1::InvoicesController#show: fees',
    text: 'SELECT "fees".* FROM "fees" WHERE "fees"."deleted_at" IS NULL AND "fees"."invoice_id" = $1',
    calls: 300,
    values: (r) => [uuidOf('invoices', r.any(40_000))],
  },
  {
    from: 'CustomersQuery, the count of Kaminari',
    text: 'SELECT COUNT(*) FROM "customers" WHERE "customers"."deleted_at" IS NULL AND "customers"."organization_id" = $1',
    calls: 250,
    values: (r) => [organization(r.any(2))],
  },
  {
    from: 'InvoicesQuery, a later page',
    text: 'SELECT "invoices".* FROM "invoices" WHERE "invoices"."organization_id" = $1 AND "invoices"."status" IN ($2, $3) ORDER BY "invoices"."issuing_date" DESC, "invoices"."created_at" DESC, "invoices"."id" LIMIT $4 OFFSET $5',
    calls: 100,
    values: (r) => [organization(r.any(2)), 0, 1, 20, 20 * r.any(300)],
  },
  {
    from: 'InvoicesQuery, search by number',
    text: 'SELECT "invoices".* FROM "invoices" WHERE "invoices"."organization_id" = $1 AND "invoices"."number" ILIKE $2 LIMIT $3',
    calls: 150,
    values: (r) => [organization(r.any(3)), `%${10_000 + r.any(30_000)}%`, 20],
  },
  {
    from: 'WalletTransactionsQuery',
    text: 'SELECT "wallet_transactions".* FROM "wallet_transactions" WHERE "wallet_transactions"."wallet_id" = $1 ORDER BY "wallet_transactions"."created_at" DESC LIMIT $2',
    calls: 350,
    values: (r) => [uuidOf('wallets', r.any(5000)), 20],
  },
  {
    from: 'Subscription by external_id',
    text: 'SELECT "subscriptions".* FROM "subscriptions" WHERE "subscriptions"."organization_id" = $1 AND "subscriptions"."external_id" = $2 AND "subscriptions"."status" = $3 ORDER BY "subscriptions"."started_at" DESC LIMIT $4',
    calls: 800,
    values: (r) => [organization(r.zipf(20)), `sub_${r.any(15_000)}`, 1, 1],
  },
  {
    from: 'invoices of a customer',
    text: 'SELECT "invoices".* FROM "invoices" WHERE "invoices"."customer_id" = $1 AND "invoices"."organization_id" = $2 ORDER BY "invoices"."created_at" DESC LIMIT $3',
    calls: 400,
    values: (r) => [uuidOf('customers', r.any(12_000)), organization(r.zipf(20)), 20],
  },
  {
    from: 'Payment of an invoice',
    text: 'SELECT "payments".* FROM "payments" WHERE "payments"."payable_id" = $1 AND "payments"."payable_type" = $2',
    calls: 400,
    values: (r) => [uuidOf('invoices', r.any(30_000)), 'Invoice'],
  },
  {
    from: 'DailyUsages of a subscription',
    text: 'SELECT "daily_usages".* FROM "daily_usages" WHERE "daily_usages"."subscription_id" = $1 ORDER BY "daily_usages"."usage_date" DESC LIMIT $2',
    calls: 300,
    values: (r) => [uuidOf('subscriptions', r.any(15_000)), 30],
  },
  {
    from: 'export of the books of a day (planted column)',
    text: 'SELECT "invoices"."id", "invoices"."number" FROM "invoices" WHERE exported_on::date = $1::date',
    calls: 60,
    values: (r) => [r.within(300)],
  },
  {
    from: 'Webhook retry counter',
    text: 'UPDATE "webhooks" SET "retries" = "retries" + 1, "updated_at" = now() WHERE "webhooks"."id" = $1',
    calls: 200,
    values: (r) => [uuidOf('webhooks', 15_000 + r.any(5_000))],
  },
  {
    from: 'Analytics::GrossRevenue',
    text: `SELECT date_trunc('month', invoices.issuing_date) AS month, invoices.currency, SUM(invoices.total_amount_cents) AS amount, COUNT(*) AS invoices_count FROM invoices WHERE invoices.organization_id = $1 AND invoices.status = 1 GROUP BY 1, 2 ORDER BY 1`,
    calls: 60,
    values: () => [organization(1)],
  },
];
