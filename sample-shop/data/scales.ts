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

/** A scale, or so many times the rows of every table of one: `small-x8`. */
export type Size = ScaleName | `${ScaleName}-x${number}`;

/** @throws RangeError naming the sizes that there are */
export function scaleOf(size: Size): Scale {
  const [, name = '', factor = '1'] = /^([a-z]+)(?:-x([1-9]\d{0,2}))?$/.exec(size) ?? [];
  if (!Object.hasOwn(scales, name))
    throw new RangeError(
      `no size ${size}: it is one of ${Object.keys(scales).join(', ')}, or such a one with -x8`,
    );
  const rows = Object.entries(scales[name as ScaleName]).map(([table, count]) => [
    table,
    count * Number(factor),
  ]);
  return Object.fromEntries(rows) as unknown as Scale;
}
