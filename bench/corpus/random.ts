import { createHash } from 'node:crypto';
import { words } from './words.ts';

/** The key of a row whose key is a UUID, as the filling makes it. */
export function uuidOf(table: string, ordinal: number): string {
  const hex = createHash('md5').update(`${table}${ordinal}`).digest('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Values of a workload; the same seed gives the same values. */
export interface Random {
  /** 0 (inclusive) to 1. */
  unit(): number;
  /** 1 to n, each as likely. */
  any(n: number): number;
  /** 1 to n, the first the most likely: how often keys are asked for. */
  zipf(n: number): number;
  pick<T>(...from: T[]): T;
  word(): string;
  /** A number that no other run has given: for keys of what is inserted. */
  fresh(): number;
  /** A moment in the last so many days. */
  within(days: number): Date;
}

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const unit = () => {
    // Mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  const any = (n: number) => 1 + Math.floor(unit() * n);
  let inserted = Date.now() * 1000;
  return {
    unit,
    fresh: () => ++inserted,
    any,
    zipf: (n) => Math.min(n, Math.floor((n + 1) ** unit())),
    pick: (...from) => from[any(from.length) - 1] as never,
    word: () => words[any(words.length) - 1] as string,
    within: (days) => new Date(Date.now() - unit() * days * 86_400_000),
  };
}
