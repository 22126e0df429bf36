import { z } from 'zod';

/** Kinds of values that come in environment variables; each error says what is wrong, with an example. */
export const whole = (least: number, most: number, example: number) =>
  z.coerce
    .number({ error: `is not a number; for example ${example}` })
    .int(`is not a whole number; for example ${example}`)
    .min(least, `is below ${least}; for example ${example}`)
    .max(most, `is above ${most}; for example ${example}`);

export const databaseUrl = (example: string) =>
  z.url({ protocol: /^postgres(ql)?$/, error: `is not a Postgres URL; for example ${example}` });

/** A secret of at least 16 characters. */
export const token = z
  .string({ error: 'is missing; make one with: openssl rand -hex 24' })
  .min(16, 'has fewer than 16 characters; make one with: openssl rand -hex 24');
