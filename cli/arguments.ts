import { InvalidArgumentError } from 'commander';

/** Parses an argument that is a whole number of at least `least`. */
export const wholeNumber =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least)
      throw new InvalidArgumentError(`Give a whole number of ${least} or more.`);
    return value;
  };

/** Parses a number of seconds, of at least `least`. @returns milliseconds */
export const seconds = (least: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isFinite(value) || value < least)
    throw new InvalidArgumentError(`Give a number of seconds, ${least} or more.`);
  return value * 1000;
};
