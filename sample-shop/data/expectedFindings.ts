/**
 * What was planted in the legacy schema: the ground truth that a diagnosis of the shop is judged against.
 * `determinant -> columns` are copies; `contradicting` says that a share of them disagrees on purpose.
 */
export type PlantedFault =
  | {
      kind: 'copied-columns';
      table: string;
      determinant: string[];
      columns: string[];
      contradicting: boolean;
    }
  | {
      kind: 'list-in-column' | 'number-as-text' | 'money-as-text' | 'date-as-text';
      table: string;
      columns: string[];
    }
  | { kind: 'entity-attribute-value'; table: string; columns: string[] }
  | { kind: 'missing-primary-key' | 'never-purged' | 'hot-row'; table: string }
  | {
      kind: 'missing-foreign-key';
      table: string;
      columns: string[];
      references: { table: string; columns: string[] };
    }
  | { kind: 'missing-index'; table: string; columns: string[] };

const references = (table: string, column: string, parent: string): PlantedFault => ({
  kind: 'missing-foreign-key',
  table,
  columns: [column],
  references: { table: parent, columns: ['id'] },
});
const index = (table: string, ...columns: string[]): PlantedFault => ({
  kind: 'missing-index',
  table,
  columns,
});
const text = (
  kind: 'money-as-text' | 'date-as-text' | 'number-as-text',
  table: string,
  ...columns: string[]
) => ({
  kind,
  table,
  columns,
});

export const plantedFaults: readonly PlantedFault[] = [
  {
    kind: 'copied-columns',
    table: 'orders',
    determinant: ['customer_id'],
    columns: [
      'customer_name',
      'customer_email',
      'customer_phone',
      'ship_street',
      'ship_zip',
      'ship_city',
      'ship_country',
    ],
    contradicting: true,
  },
  {
    kind: 'copied-columns',
    table: 'order_items',
    determinant: ['product_id'],
    columns: ['product_name', 'product_category', 'product_brand'],
    contradicting: true,
  },
  {
    kind: 'copied-columns',
    table: 'products',
    determinant: ['category_code'],
    columns: ['category_name', 'category_path'],
    contradicting: false,
  },
  {
    kind: 'copied-columns',
    table: 'products',
    determinant: ['brand'],
    columns: ['brand_country'],
    contradicting: false,
  },
  {
    kind: 'copied-columns',
    table: 'reviews',
    determinant: ['customer_id'],
    columns: ['customer_name'],
    contradicting: false,
  },
  {
    kind: 'copied-columns',
    table: 'carts',
    determinant: ['customer_id'],
    columns: ['customer_email'],
    contradicting: false,
  },
  {
    kind: 'copied-columns',
    table: 'cart_items',
    determinant: ['product_id'],
    columns: ['product_name'],
    contradicting: false,
  },
  { kind: 'list-in-column', table: 'products', columns: ['tags'] },
  { kind: 'list-in-column', table: 'products', columns: ['image_urls'] },
  {
    kind: 'entity-attribute-value',
    table: 'product_attributes',
    columns: ['product_id', 'attribute', 'value'],
  },
  text('money-as-text', 'products', 'price'),
  text('money-as-text', 'cart_items', 'unit_price'),
  text('money-as-text', 'orders', 'total'),
  text('money-as-text', 'order_items', 'unit_price', 'line_total'),
  text('number-as-text', 'reviews', 'rating'),
  text('date-as-text', 'customers', 'created'),
  text('date-as-text', 'products', 'created'),
  text('date-as-text', 'reviews', 'created'),
  text('date-as-text', 'carts', 'created', 'updated'),
  text('date-as-text', 'orders', 'placed_at', 'shipped_at', 'closed_at'),
  text('date-as-text', 'activity_log', 'at'),
  { kind: 'missing-primary-key', table: 'product_attributes' },
  { kind: 'missing-primary-key', table: 'activity_log' },
  references('product_attributes', 'product_id', 'products'),
  references('reviews', 'product_id', 'products'),
  references('reviews', 'customer_id', 'customers'),
  references('carts', 'customer_id', 'customers'),
  references('cart_items', 'cart_id', 'carts'),
  references('cart_items', 'product_id', 'products'),
  references('orders', 'customer_id', 'customers'),
  references('order_items', 'order_id', 'orders'),
  references('order_items', 'product_id', 'products'),
  index('product_attributes', 'product_id'),
  index('reviews', 'product_id'),
  index('carts', 'session_id'),
  index('cart_items', 'cart_id'),
  index('orders', 'customer_email'),
  index('orders', 'order_number'),
  index('order_items', 'product_id'),
  { kind: 'never-purged', table: 'carts' },
  { kind: 'never-purged', table: 'cart_items' },
  { kind: 'never-purged', table: 'activity_log' },
  { kind: 'never-purged', table: 'orders' },
  { kind: 'hot-row', table: 'counters' },
];
