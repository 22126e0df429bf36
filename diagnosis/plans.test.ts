import { expect, it } from 'vitest';
import { castParameters } from './plans.ts';

it('typed literals without their text become casts, and nothing else is touched', () => {
  expect(castParameters('SELECT a FROM t WHERE at > now() - $1 * interval $2 AND day = date $3')).toBe(
    'SELECT a FROM t WHERE at > now() - $1 * $2::interval AND day = $3::date',
  );
  expect(castParameters('WHERE at = timestamp with time zone $1 LIMIT $2')).toBe(
    'WHERE at = $1::timestamp with time zone LIMIT $2',
  );
  const plain =
    'SELECT date FROM t WHERE update = $1 AND at AT TIME ZONE $2 > date + $3 OR a BETWEEN $4 AND $5';
  expect(castParameters(plain)).toBe(plain);
});
