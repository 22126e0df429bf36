import { expect, it } from 'vitest';
import { nameOf } from './names.ts';

it('a name is cut between characters, and its suffix stays whole', () => {
  expect(nameOf('orders', '_new')).toBe('orders_new');
  expect(nameOf('a'.repeat(80), '_new')).toBe(`${'a'.repeat(59)}_new`);
  expect(nameOf('Ж'.repeat(40), '_new')).toBe(`${'Ж'.repeat(29)}_new`);
  // Nothing is left of the name then; it ends.
  expect(nameOf('a', 'b'.repeat(70))).toBe('b'.repeat(70));
});
