/** Rows of each table. `default` comes to about 1 GB on disk. */
export interface Scale {
  customers: number;
  products: number;
  reviews: number;
  carts: number;
  orders: number;
  activity: number;
}

const times = (factor: number): Scale => ({
  customers: Math.round(60_000 * factor),
  products: Math.max(200, Math.round(8_000 * Math.min(1, factor * 2))),
  reviews: Math.round(160_000 * factor),
  carts: Math.round(120_000 * factor),
  orders: Math.round(680_000 * factor),
  activity: Math.round(2_000_000 * factor),
});

export const scales = {
  tiny: times(0.004),
  small: times(0.06),
  default: times(1),
  large: times(4),
} satisfies Record<string, Scale>;

export type ScaleName = keyof typeof scales;

export const isScaleName = (name: string): name is ScaleName => Object.hasOwn(scales, name);
