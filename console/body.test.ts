import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exceededLimit, type JsonLimits, parseJson, smallJson } from './body.ts';

const bytes = (text: string) => Buffer.from(text);
const without: JsonLimits = { bytes: 1e9, depth: 1e9, containers: 1e9, values: 1e9, shapes: 1e9 };

/** What JSON.parse built. */
function measure(value: unknown): { depth: number; containers: number; values: number } {
  if (typeof value !== 'object' || value === null) return { depth: 0, containers: 0, values: 0 };
  const children = Array.isArray(value) ? value : Object.values(value);
  return children.map(measure).reduce(
    (sum, child) => ({
      depth: Math.max(sum.depth, child.depth + 1),
      containers: sum.containers + child.containers,
      values: sum.values + child.values,
    }),
    { depth: 1, containers: 1, values: Math.max(1, children.length) },
  );
}

describe('exceededLimit', () => {
  it('counts what JSON.parse would build, and nothing within strings', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (text) => {
        const { depth, containers, values } = measure(JSON.parse(text));
        // A repeated key is one member of the object, and two in the text: the count may be above, never below.
        expect(exceededLimit(bytes(text), { ...without, depth: Math.max(depth, 0) })).toBeUndefined();
        if (depth > 0) expect(exceededLimit(bytes(text), { ...without, depth: depth - 1 })).toMatch(/nested/);
        if (containers > 0) {
          expect(exceededLimit(bytes(text), { ...without, containers })).toBeUndefined();
          expect(exceededLimit(bytes(text), { ...without, containers: containers - 1 })).toMatch(/objects/);
          expect(exceededLimit(bytes(text), { ...without, values: values - 1 })).toMatch(/values/);
        }
      }),
    );
  });

  it('counts the shapes of objects: names, and their order', () => {
    const shapes = (value: unknown, count: number) =>
      exceededLimit(bytes(JSON.stringify(value)), { ...without, shapes: count });
    const alike = Array.from({ length: 1_000 }, (_, i) => ({
      key: `k${i}`,
      value: { stringValue: `${i}:{` },
    }));
    expect(shapes(alike, 3)).toBeUndefined();
    expect(shapes(alike, 2)).toMatch(/shapes/);
    const named = Array.from({ length: 1_000 }, (_, i) => ({ [`k${i}`]: 0 }));
    expect(shapes(named, 999)).toMatch(/shapes/);
    expect(shapes(named, 1_000)).toBeUndefined();
    const letters = [...'abcdef'];
    const ordered = Array.from({ length: 720 }, (_, i) =>
      Object.fromEntries(letters.map((_, at) => [letters.at((i * (at + 1) + at) % 6) ?? '', at])),
    );
    expect(shapes(ordered, letters.length)).toMatch(/shapes/);
  });

  it('never lets through more than the limits, whatever the bytes', () => {
    const limits = { ...without, depth: 3, containers: 6, values: 9 };
    const noise = fc
      .array(fc.constantFrom(...'{}[],:"\\a1'), { maxLength: 60 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(fc.oneof(noise, fc.json()), (text) => {
        if (exceededLimit(bytes(text), limits)) return;
        let parsed: unknown;
        try {
          parsed = JSON.parse(text);
        } catch {
          return;
        }
        const { depth, containers, values } = measure(parsed);
        expect([depth <= 3, containers <= 6, values <= 9]).toEqual([true, true, true]);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('parseJson', () => {
  const status = (text: string) => {
    try {
      parseJson(bytes(text), smallJson);
      return 200;
    } catch (error) {
      return (error as { status: number }).status;
    }
  };
  it.each([
    ['nesting', '['.repeat(900_000), 413],
    ['empty objects', `[${'{},'.repeat(300_000)}{}]`, 413],
    ['members of one object', `{${Array.from({ length: 70_000 }, (_, i) => `"${i}":0`).join(',')}}`, 413],
    [
      'an object of each name',
      JSON.stringify(Array.from({ length: 15_000 }, (_, i) => ({ [`k${i}`]: 0 }))),
      413,
    ],
    ['bytes', `"${'x'.repeat(1_000_001)}"`, 413],
    ['brackets in a string', JSON.stringify('[{,'.repeat(200_000)), 200],
    ['what is cut off', '{"a": [1, 2', 400],
    ['nothing but quotes', '"""""', 400],
    ['a number', '1', 200],
  ])('%s', (_, text, expected) => {
    expect(status(text)).toBe(expected);
  });
});
