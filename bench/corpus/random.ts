import { createHash } from 'node:crypto';
import { uniform } from '../../lib/stats/interval.ts';
import { words } from './words.ts';

/** As Postgres's own md5() of the same text: how the filling makes keys and tokens. */
export const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/** The key of a row whose key is a UUID, as the filling makes it. */
export const uuidOf = (table: string, ordinal: number): string =>
  md5(`${table}${ordinal}`).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

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
  const unit = uniform(seed);
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
