import { InvalidArgumentError } from 'commander';

/** A whole number of 1 to 9999: what a bench repeats or multiplies, where more digits are a slip of the hand. */
export const whole = (text: string): number => {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('Give a whole number of 1 or more.');
  return Number(text);
};

/** Such numbers, with commas between them. */
export const wholes = (text: string): number[] => text.split(',').map(whole);
