import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  candidateKey,
  closure,
  type Dependency,
  isLossless,
  minimalCover,
  preservesDependencies,
  synthesise,
  violationOf3NF,
} from './normalForm.ts';

const attributes = ['a', 'b', 'c', 'd', 'e', 'f'];
const dependency = fc
  .tuple(
    fc.uniqueArray(fc.constantFrom(...attributes), { minLength: 1, maxLength: 3 }),
    fc.constantFrom(...attributes),
  )
  .map(([determinant, dependent]): Dependency => ({ determinant, dependent }));
const dependencies = fc.array(dependency, { maxLength: 8 });
const subset = fc.uniqueArray(fc.constantFrom(...attributes));

describe('closure and cover', () => {
  it('a minimal cover implies exactly what the dependencies imply', () => {
    fc.assert(
      fc.property(dependencies, subset, (given, from) => {
        expect([...closure(from, minimalCover(given))].sort()).toEqual([...closure(from, given)].sort());
      }),
    );
  });

  it('nothing can be left out of a minimal cover', () => {
    fc.assert(
      fc.property(dependencies, (given) => {
        const cover = minimalCover(given);
        for (const one of cover) {
          const others = cover.filter((other) => other !== one);
          expect(closure(one.determinant, others).has(one.dependent)).toBe(false);
        }
      }),
    );
  });

  it('a candidate key determines everything, and no part of it does', () => {
    fc.assert(
      fc.property(dependencies, (given) => {
        const key = candidateKey(attributes, given);
        expect(closure(key, given).size).toBe(attributes.length);
        for (const left of key)
          expect(
            closure(
              key.filter((other) => other !== left),
              given,
            ).size,
          ).toBeLessThan(attributes.length);
      }),
    );
  });
});

describe('synthesise', () => {
  it('is lossless, preserves dependencies and is in third normal form, for any dependencies', () => {
    fc.assert(
      fc.property(dependencies, (given) => {
        const relations = synthesise(attributes, given);
        expect(isLossless(attributes, relations, given)).toBe(true);
        expect(preservesDependencies(relations, given)).toBe(true);
        for (const relation of relations) {
          expect(violationOf3NF(relation.attributes, given)).toBeUndefined();
          for (const attribute of relation.attributes)
            expect(closure(relation.key, given).has(attribute)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('keeps what follows from one of two equivalent determinants out of their relation', () => {
    const of = (determinant: string, dependent: string): Dependency => ({
      determinant: [...determinant],
      dependent,
    });
    const given = [of('c', 'e'), of('ab', 'f'), of('ef', 'b'), of('b', 'c'), of('af', 'c')];
    for (const relation of synthesise(attributes, given))
      expect(violationOf3NF(relation.attributes, given)).toBeUndefined();
  });

  it('takes the wide order of a shop apart', () => {
    const relations = synthesise(
      ['order_id', 'placed_at', 'customer_id', 'customer_name', 'email'],
      [
        { determinant: ['order_id'], dependent: 'placed_at' },
        { determinant: ['order_id'], dependent: 'customer_id' },
        { determinant: ['order_id'], dependent: 'customer_name' },
        { determinant: ['customer_id'], dependent: 'customer_name' },
        { determinant: ['customer_id'], dependent: 'email' },
      ],
    );
    expect(relations).toEqual([
      { attributes: ['customer_id', 'order_id', 'placed_at'], key: ['order_id'] },
      { attributes: ['customer_id', 'customer_name', 'email'], key: ['customer_id'] },
    ]);
  });

  it('finds a decomposition that loses information to be lossy', () => {
    const lossy = [
      { attributes: ['a', 'b'], key: ['a', 'b'] },
      { attributes: ['b', 'c'], key: ['b', 'c'] },
    ];
    expect(isLossless(['a', 'b', 'c'], lossy, [])).toBe(false);
    expect(isLossless(['a', 'b', 'c'], lossy, [{ determinant: ['b'], dependent: 'c' }])).toBe(true);
  });
});
