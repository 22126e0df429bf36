import type { CheckContext } from '../check.ts';
import type { NewIndex } from '../fix.ts';
import { indexBody } from '../fixSql.ts';
import type { Table } from '../relations.ts';
import { accepts, type ExpressionFacts, expressionFacts } from './expression.ts';
import { freeName } from './names.ts';

/** An entry of a B-tree has at most a third of a page, 2,704 bytes with its header. */
const MAX_ENTRY = 2_600;
/** Values this long show that longer ones may come. */
const LONG_ENTRY = 900;

type Key = NewIndex['keys'][number];

/** Why no index can be built, in words, with what would do instead. */
export class Refused extends Error {}

/**
 * A proposed index as Postgres will build it: its keys and method, and its parts, on a table, or on each partition and
 * then on the partitioned table.
 *
 * @throws Refused when Postgres would not build it
 */
export async function buildable(
  context: CheckContext,
  table: Table,
  wanted: NewIndex,
): Promise<{ create: NewIndex; lock: string; caveats: string[] }> {
  const caveats: string[] = [];
  const index =
    wanted.method === 'gin' ? await gin(context, table, wanted) : await tree(context, table, wanted, caveats);
  const { parts, lock } = await partsOf(context, table, index);
  return { create: { ...index, parts }, lock, caveats };
}

const factsOf = (
  context: CheckContext,
  table: Table,
  keys: readonly Key[],
): Promise<{ key: Key; facts: ExpressionFacts }[]> =>
  Promise.all(keys.map(async (key) => ({ key, facts: await expressionFacts(context, table, key) })));

/** Keys that a GIN index can have; the others are left out as long as one is left. */
async function gin(context: CheckContext, table: Table, wanted: NewIndex): Promise<NewIndex> {
  const kept: Key[] = [];
  const why: string[] = [];
  for (const { key, facts } of await factsOf(context, table, wanted.keys)) {
    const takes = key.operatorClass
      ? facts.refused === undefined && (await isText(context, table, key))
      : facts.methods.has('gin');
    if (facts.refused === undefined && takes) kept.push(key);
    else
      why.push(
        facts.refused ??
          `${key.operatorClass ?? 'GIN'} does not take the type of ${key.column} (${table.columns.find(({ name }) => name === key.column)?.type})`,
      );
  }
  if (kept.length === 0) throw new Refused(why.join('; '));
  // A condition joined by OR is served only when all of its columns are; the rest of the search still reads all.
  if (why.length > 0) throw new Refused(why.join('; '));
  return { ...wanted, keys: kept };
}

/** Trigram operator classes are those of text and of what is binary the same. */
async function isText(context: CheckContext, table: Table, { expression }: Key): Promise<boolean> {
  const { session } = context;
  const [row] = await session.query<{ text: boolean }>(
    `WITH RECURSIVE base AS (SELECT t.* FROM (SELECT pg_typeof(${expression})::oid AS oid FROM (SELECT (NULL::${session.quote(table.schema, table.name)}).*) AS nothing) AS typed JOIN pg_type t ON t.oid = typed.oid
            UNION ALL SELECT t.* FROM base JOIN pg_type t ON t.oid = base.typbasetype WHERE base.typtype = 'd')
     SELECT ${accepts('o')} AS text FROM base b, (SELECT 'text'::regtype::oid AS opcintype) AS o WHERE b.typtype <> 'd'`,
  );
  return row?.text ?? false;
}

/** A B-tree, or a hash index where its values are too long, or have no order, and only equality is asked. */
async function tree(
  context: CheckContext,
  table: Table,
  wanted: NewIndex,
  caveats: string[],
): Promise<NewIndex> {
  const all = await factsOf(context, table, wanted.keys);
  for (const { facts } of all) if (facts.refused) throw new Refused(facts.refused);
  caveats.push(...all.flatMap(({ facts }) => (facts.unknown ? [`not checked: ${facts.unknown}`] : [])));
  const length = (of: typeof all) => of.reduce((sum, { facts }) => sum + facts.longest, 0);
  const fits = ({ facts }: (typeof all)[number]) => facts.methods.has('btree') && facts.longest <= MAX_ENTRY;
  const sorted = all.filter(fits);
  while (sorted.length > 1 && length(sorted) > MAX_ENTRY)
    sorted.splice(
      sorted.findIndex(
        ({ facts }) => facts.longest === Math.max(...sorted.map((each) => each.facts.longest)),
      ),
      1,
    );
  const [first] = all;
  if (!first) throw new Refused('no column is left for it');
  if (sorted.length === all.length) {
    if (all.some(({ facts }) => facts.unbounded && facts.longest > LONG_ENTRY))
      caveats.push(
        `its longest entry of today has ${length(all)} bytes; a value that needs more than ${MAX_ENTRY} would be refused when it is written`,
      );
    return { ...wanted, keys: all.map(({ key }) => key) };
  }
  const unfit = all.filter((each) => !sorted.includes(each));
  const why = unfit.map(({ key, facts }) =>
    facts.methods.has('btree')
      ? `values of ${key.expression} have up to ${facts.longest} bytes, too long for a B-tree`
      : `the type of ${key.expression} has no order for a B-tree`,
  );
  if (wanted.ordered && unfit.length > 0)
    throw new Refused(
      `${why.join('; ')}; an index on the beginning, left(column, 200), serves statements that compare that too`,
    );
  if (fits(first) && sorted[0] === first) {
    caveats.push(`${why.join('; ')}: left out of the index`);
    return { ...wanted, keys: sorted.map(({ key }) => key) };
  }
  if (!first.facts.methods.has('hash')) throw new Refused(why.join('; '));
  caveats.push(`${why.join('; ')}: a hash index, which serves equality alone`);
  return { ...wanted, method: 'hash', keys: [first.key] };
}

type Part = NewIndex['parts'][number];

async function partsOf(
  context: CheckContext,
  table: Table,
  index: NewIndex,
): Promise<{ parts: Part[]; lock: string }> {
  const { session } = context;
  const nameFor = (of: Table) =>
    freeName(context, {
      schema: of.schema,
      name: `${of.name}_${index.keys.map(({ column }) => column).join('_')}`,
      suffix: index.keys.some(({ operatorClass }) => operatorClass) ? '_trgm_idx' : '_idx',
      definition: `${of.schema}.${of.name} ${indexBody(index)}`,
      plain:
        index.method !== 'hash' &&
        index.keys.every(({ expression, column }) => expression === session.quote(column)),
    });
  const part = async (of: Table, how: Part['how'], attach: Part['attach'] = []): Promise<Part> => ({
    schema: of.schema,
    table: of.name,
    index: await nameFor(of),
    how,
    attach,
  });
  if (table.kind !== 'partitioned')
    return {
      parts: [await part(table, 'concurrently')],
      lock: 'SHARE UPDATE EXCLUSIVE while it is built; reads and writes go on',
    };
  const [foreign] = await session.query<{ partitions: number }>(
    "SELECT count(*)::int AS partitions FROM pg_partition_tree($1::oid) t JOIN pg_class c ON c.oid = t.relid WHERE c.relkind = 'f'",
    [table.oid],
  );
  if ((foreign?.partitions ?? 0) > 0)
    // The index of the parent would never become valid: it has no part on a foreign table.
    return {
      parts: [await part(table, 'blocking')],
      lock: 'SHARE on the table and its partitions while they are built: writes wait. Partitions that are foreign tables get none',
    };
  const [leaves, parents]: [Part[], Part[]] = [[], []];
  const build = async (of: Table): Promise<Part['attach'][number]> => {
    const own = of.kind === 'partitioned' ? undefined : existing(context, of, index);
    if (own !== undefined) return { schema: of.schema, index: own };
    const attach: Part['attach'] = [];
    if (of.kind === 'partitioned')
      for (const below of context.tables.filter(({ partitionOf }) => partitionOf === of.oid))
        attach.push(await build(below));
    const made = await part(of, of.kind === 'partitioned' ? 'only' : 'concurrently', attach);
    (of.kind === 'partitioned' ? parents : leaves).push(made);
    return { schema: made.schema, index: made.index };
  };
  await build(table);
  return {
    parts: [...leaves, ...parents],
    lock: 'SHARE UPDATE EXCLUSIVE on each partition while its index is built, reads and writes go on; then SHARE on the partitioned table for a moment. A partitioned table takes no CONCURRENTLY, so its index is made of those of its partitions. To undo takes ACCESS EXCLUSIVE for a moment',
  };
}

/** An index that a partition has of its own and that can become its part of the new one. */
function existing({ session }: CheckContext, table: Table, { keys, method }: NewIndex): string | undefined {
  if (keys.some(({ expression, column }) => expression !== session.quote(column))) return undefined;
  return table.indexes.find(
    (index) =>
      index.valid &&
      !index.unique &&
      index.parent === null &&
      index.predicate === null &&
      index.method === method &&
      index.ordinary &&
      index.included.length === 0 &&
      index.columns.length === keys.length &&
      keys.every(
        ({ column, operatorClass }, at) =>
          index.columns[at] === column && index.classes[at] === (operatorClass ?? null),
      ),
  )?.name;
}
