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
