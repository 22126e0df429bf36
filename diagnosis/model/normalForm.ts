/** `determinant -> dependent`: rows that agree on the determinant agree on the dependent. */
export interface Dependency {
  determinant: readonly string[];
  dependent: string;
}

/** A relation of a decomposition. `key` is one of its candidate keys. */
export interface Relation {
  attributes: string[];
  key: string[];
}

const sorted = (attributes: Iterable<string>) => [...new Set(attributes)].sort();
const identity = (attributes: Iterable<string>) => JSON.stringify(sorted(attributes));
const isSubset = (inner: Iterable<string>, outer: ReadonlySet<string>) => {
  for (const attribute of inner) if (!outer.has(attribute)) return false;
  return true;
};

/** Every attribute that `attributes` determine (Armstrong's axioms, by fixpoint). */
export function closure(attributes: Iterable<string>, dependencies: readonly Dependency[]): Set<string> {
  const known = new Set(attributes);
  for (let grown = true; grown; ) {
    grown = false;
    for (const { determinant, dependent } of dependencies)
      if (!known.has(dependent) && isSubset(determinant, known)) {
        known.add(dependent);
        grown = true;
      }
  }
  return known;
}

/** An equivalent set without trivial or redundant dependencies and without attributes too many on the left. */
export function minimalCover(dependencies: readonly Dependency[]): Dependency[] {
  let cover = dependencies.filter(({ determinant, dependent }) => !determinant.includes(dependent));
  cover = cover.map(({ determinant, dependent }) => {
    const left = new Set(determinant);
    for (const attribute of sorted(determinant)) {
      const rest = [...left].filter((other) => other !== attribute);
      if (closure(rest, cover).has(dependent)) left.delete(attribute);
    }
    return { determinant: sorted(left), dependent };
  });
  const unique = new Map(cover.map((d) => [`${identity(d.determinant)}>${d.dependent}`, d]));
  let result = [...unique.values()];
  for (const dependency of [...result]) {
    const others = result.filter((other) => other !== dependency);
    if (closure(dependency.determinant, others).has(dependency.dependent)) result = others;
  }
  return result;
}

/** One candidate key of the attributes; the first in alphabetical order of what can be left out. */
export function candidateKey(attributes: readonly string[], dependencies: readonly Dependency[]): string[] {
  const key = new Set(attributes);
  for (const attribute of sorted(attributes)) {
    const rest = [...key].filter((other) => other !== attribute);
    if (isSubset(attributes, closure(rest, dependencies))) key.delete(attribute);
  }
  return sorted(key);
}

/**
 * Third normal form by synthesis (Bernstein 1976; the step that adds a key relation after Biskup, Dayal and Bernstein 1979):
 * one relation for each group of determinants that determine one another, and one that holds a key of the
 * whole where none does. The result is lossless and preserves every dependency.
 */
export function synthesise(attributes: readonly string[], dependencies: readonly Dependency[]): Relation[] {
  const all = new Set(attributes);
  const cover = minimalCover(dependencies.filter((d) => isSubset([...d.determinant, d.dependent], all)));
  const groups: { determinants: string[][]; dependencies: Dependency[] }[] = [];
  for (const dependency of cover) {
    const { determinant } = dependency;
    const reached = closure(determinant, cover);
    let group = groups.find(
      ({ determinants: [first = []] }) =>
        isSubset(first, reached) && isSubset(determinant, closure(first, cover)),
    );
    if (!group) {
      group = { determinants: [], dependencies: [] };
      groups.push(group);
    }
    if (!group.determinants.some((other) => identity(other) === identity(determinant)))
      group.determinants.push([...determinant]);
    group.dependencies.push(dependency);
  }
  // Determinants that determine one another share a relation, which by itself implies the one from the other: what
  // then follows by way of them would be a transitive dependency in it (Bernstein's step 4).
  const between = groups.flatMap(({ determinants }) =>
    determinants.flatMap((determinant, at) =>
      (determinants[(at + 1) % determinants.length] ?? []).map((dependent) => ({ determinant, dependent })),
    ),
  );
  let needed = cover;
  for (const dependency of cover) {
    const others = needed.filter((other) => other !== dependency);
    if (closure(dependency.determinant, [...others, ...between]).has(dependency.dependent)) needed = others;
  }
  let relations = groups.map(({ determinants, dependencies: held }): Relation => {
    const shortest = [...determinants].sort(
      (a, b) => a.length - b.length || identity(a).localeCompare(identity(b), 'en'),
    )[0];
    const dependents = held.filter((dependency) => needed.includes(dependency)).map((d) => d.dependent);
    return { attributes: sorted([...determinants.flat(), ...dependents]), key: sorted(shortest ?? []) };
  });
  const holdsKey = ({ attributes: held }: Relation) => isSubset(attributes, closure(held, cover));
  if (!relations.some(holdsKey)) {
    const key = candidateKey(attributes, cover);
    relations.push({ attributes: key, key });
  }
  relations = relations.filter(
    (relation, at) =>
      !relations.some(
        (other, otherAt) =>
          at !== otherAt &&
          isSubset(relation.attributes, new Set(other.attributes)) &&
          (relation.attributes.length < other.attributes.length || otherAt < at),
      ),
  );
  return relations;
}

/** Whether joining the relations always gives back exactly the original rows (the chase; Aho, Beeri and Ullman 1979). */
export function isLossless(
  attributes: readonly string[],
  relations: readonly Relation[],
  dependencies: readonly Dependency[],
): boolean {
  const rows = relations.map(
    (relation, row) =>
      new Map(attributes.map((a) => [a, relation.attributes.includes(a) ? 'known' : `${a}#${row}`])),
  );
  const equate = (attribute: string, from: string, to: string) => {
    for (const row of rows) if (row.get(attribute) === from) row.set(attribute, to);
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const { determinant, dependent } of dependencies)
      for (const a of rows)
        for (const b of rows) {
          if (a === b || !determinant.every((attribute) => a.get(attribute) === b.get(attribute))) continue;
          const [left, right] = [a.get(dependent) as string, b.get(dependent) as string];
          if (left === right) continue;
          if (left === 'known') equate(dependent, right, left);
          else equate(dependent, left, right);
          changed = true;
        }
  }
  return rows.some((row) => [...row.values()].every((symbol) => symbol === 'known'));
}

/** Whether every dependency can be checked within single relations (Ullman's projection closure). */
export function preservesDependencies(
  relations: readonly Relation[],
  dependencies: readonly Dependency[],
): boolean {
  return dependencies.every(({ determinant, dependent }) => {
    const known = new Set(determinant);
    for (let grown = true; grown; ) {
      grown = false;
      for (const relation of relations) {
        const within = relation.attributes.filter((attribute) => known.has(attribute));
        const reached = closure(within, dependencies);
        for (const attribute of relation.attributes)
          if (reached.has(attribute) && !known.has(attribute)) {
            known.add(attribute);
            grown = true;
          }
      }
    }
    return known.has(dependent);
  });
}

/** A dependency of the relation whose determinant is no key and whose dependent is in no key, if there is one. */
export function violationOf3NF(
  relation: readonly string[],
  dependencies: readonly Dependency[],
): Dependency | undefined {
  const all = new Set(relation);
  const within = impliedWithin(relation, dependencies);
  const primes = new Set(allKeys(relation, dependencies).flat());
  return within.find(
    ({ determinant, dependent }) =>
      !isSubset(all, closure(determinant, dependencies)) && !primes.has(dependent),
  );
}

/** Projection of the dependencies on a relation: exponential in its size, meant for relations of a decomposition. */
function impliedWithin(relation: readonly string[], dependencies: readonly Dependency[]): Dependency[] {
  const found: Dependency[] = [];
  for (let mask = 1; mask < 1 << relation.length; mask += 1) {
    const determinant = relation.filter((_, at) => mask & (1 << at));
    const reached = closure(determinant, dependencies);
    for (const dependent of relation)
      if (reached.has(dependent) && !determinant.includes(dependent)) found.push({ determinant, dependent });
  }
  return found;
}

function allKeys(relation: readonly string[], dependencies: readonly Dependency[]): string[][] {
  const keys: string[][] = [];
  const masks = Array.from({ length: 1 << relation.length }, (_, mask) => mask).sort(
    (a, b) => bits(a) - bits(b),
  );
  for (const mask of masks) {
    const candidate = relation.filter((_, at) => mask & (1 << at));
    if (keys.some((key) => isSubset(key, new Set(candidate)))) continue;
    if (isSubset(relation, closure(candidate, dependencies))) keys.push(candidate);
  }
  return keys;
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest; rest &= rest - 1) count += 1;
  return count;
}
