/** Amounts are euros with two decimals, ids run from 1, pages from 1. */
export interface ProductSummary {
  id: number;
  name: string;
  price: number;
  /** Mean of the ratings, 1 to 5; null without reviews. */
  rating: number | null;
  reviews: number;
}

export interface Page<T> {
  items: T[];
  page: number;
  pages: number;
}

export interface Review {
  author: string;
  rating: number;
  title: string;
  body: string;
  created: string;
}

export interface ProductPage {
  id: number;
  name: string;
  price: number;
  stock: number;
  attributes: Record<string, string>;
  reviews: Review[];
  alsoBought: { id: number; name: string; price: number }[];
}

export interface OrderLine {
  productId: number;
  name: string;
  unitPrice: number;
  quantity: number;
}

export interface Order {
  orderNumber: string;
  placedAt: string;
  status: string;
  total: number;
  currency: string;
  items: OrderLine[];
}

export interface OrderHistory {
  orders: Order[];
  page: number;
  pages: number;
}

export interface Cart {
  session: string;
  items: OrderLine[];
  value: number;
  currency: string;
}

export interface PlacedOrder {
  orderNumber: string;
  total: number;
  currency: string;
  /** No store takes money; the text says so. */
  payment: string;
}

export interface Facets {
  products: number;
  customers: number;
  categories: string[];
}

export interface SalesDay {
  day: string;
  orders: number;
  revenue: number;
}

/** The request is well formed, but the shop's state forbids it (409): an empty cart, too little stock. */
export class Conflict extends Error {
  override readonly name = 'Conflict';
}

/**
 * What the shop's routes need of a data model. Each store is one way to keep it in the database; they can be
 * exchanged at run time. A method that finds nothing returns undefined; a failing database's error is passed on.
 */
export interface ShopStore {
  readonly name: string;
  facets(): Promise<Facets>;
  browse(category: string, page: number): Promise<Page<ProductSummary>>;
  search(text: string, page: number): Promise<Page<ProductSummary>>;
  product(id: number, session: string | undefined): Promise<ProductPage | undefined>;
  history(customerId: number, page: number): Promise<OrderHistory | undefined>;
  order(orderNumber: string): Promise<Order | undefined>;
  cart(session: string): Promise<Cart>;
  /** @returns the cart as it is now; undefined when there is no such product or customer. */
  addToCart(session: string, item: CartAddition): Promise<Cart | undefined>;
  /** Places the order in one transaction. @throws Conflict */
  checkout(session: string, customerId: number): Promise<PlacedOrder | undefined>;
  sales(days: number): Promise<SalesDay[]>;
}

export interface CartAddition {
  productId: number;
  quantity: number;
  customerId: number;
}

export const PRODUCTS_PER_PAGE = 12;
export const ORDERS_PER_PAGE = 10;
export const CURRENCY = 'EUR';
