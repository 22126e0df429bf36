import { parseSync } from 'libpg-query';
import { deparseSync } from 'pgsql-deparser';
import { readCapabilities, readStatements, readTables } from '../diagnosis/catalogue.ts';
import type { Column, Session, Table } from '../diagnosis/check.ts';
import { openSession } from '../diagnosis/session.ts';
import { loadParser } from '../diagnosis/sql/shape.ts';
import { tableOf } from '../diagnosis/workload.ts';

type Node = Record<string, unknown>;

export interface Proof {
  equal: boolean;
  /** Sets of parameter values that both were run with. */
  cases: number;
  /** Rows that both gave in all cases. */
  rows: number;
  /** What differs, or on what the equality rests beyond the data that was looked at. */
  note: string;
}

/** A statement, what it can be replaced by, and whether both gave the same on the real data. */
export interface Rewrite {
  original: string;
  kind: 'keyset paging' | 'comparison without cast';
  rewritten: string;
  /** What the application passes that it did not before. */
  parameters: string | null;
  proof: Proof;
}

export interface NoRewrite {
  original: string;
  why: string;
}

export type RewriteAnswer = Rewrite | NoRewrite;

const list = (value: unknown) => (Array.isArray(value) ? (value as Node[]) : []);
const child = (node: unknown, key: string) => (node as Node | undefined)?.[key] as Node | undefined;
const nameOf = (node: unknown) => child(node, 'String')?.['sval'] as string | undefined;
const lastName = (nodes: unknown) => nameOf(list(nodes).at(-1)) ?? '';
const string = (sval: string): Node => ({ String: { sval } });
const columnRef = (...names: string[]): Node => ({ ColumnRef: { fields: names.map(string) } });
const integer = (ival: number): Node => ({ A_Const: { ival: { ival } } });
const call = (name: string, ...args: Node[]): Node => ({
  FuncCall: { funcname: [string(name)], args, funcformat: 'COERCE_EXPLICIT_CALL' },
});
const operation = (operator: string, lexpr: Node, rexpr: Node): Node => ({
  A_Expr: { kind: 'AEXPR_OP', name: [string(operator)], lexpr, rexpr },
});
const and = (first: unknown, second: Node): Node =>
  first ? { BoolExpr: { boolop: 'AND_EXPR', args: [first, second] } } : second;
const copy = <T>(value: T): T => structuredClone(value);

/** @throws Error when the tree has no text */
const textOf = (select: Node): string => deparseSync({ SelectStmt: select } as never).replace(/;\s*$/, '');
const expressionText = (node: Node): string =>
  textOf({
    targetList: [{ ResTarget: { val: node } }],
    limitOption: 'LIMIT_OPTION_DEFAULT',
    op: 'SETOP_NONE',
  })
    .replace(/^SELECT\s+/, '')
    .trim();

function* walk(node: unknown): Generator<Node> {
  if (Array.isArray(node)) for (const item of node) yield* walk(item);
  else if (node !== null && typeof node === 'object') {
    yield node as Node;
    for (const value of Object.values(node)) yield* walk(value);
  }
}

/** A SELECT from one table that its rewriting can be reasoned about. */
interface Simple {
  select: Node;
  table: Table;
  /** What its columns are qualified with. */
  alias: string;
}

function simple(sql: string, tables: readonly Table[]): Simple | string {
  let statement: Node | undefined;
  try {
    const { stmts = [] } = parseSync(sql) as unknown as { stmts?: { stmt?: Node }[] };
    if (stmts.length !== 1) return 'it is not one statement';
    statement = stmts[0]?.stmt;
  } catch {
    return 'pg_stat_statements keeps it in a form that Postgres itself cannot read back (a constant inside a type, or cut off)';
  }
  const select = child(statement, 'SelectStmt');
  if (!select) return 'it is no SELECT';
  const [from, ...others] = list(select['fromClause']);
  const relation = child(from, 'RangeVar');
  if (!relation || others.length > 0 || select['withClause'] || select['larg'])
    return 'it reads more than one table';
  if (select['groupClause'] || select['havingClause'] || select['distinctClause'] || select['windowClause'])
    return 'it groups its rows';
  for (const node of walk([select['targetList'], select['whereClause'], select['sortClause']]))
    if (node['SubLink']) return 'it has a subquery';
  const table = tableOf(tables, String(relation['relname']), relation['schemaname'] as string | undefined);
  if (!table) return `its table ${String(relation['relname'])} is not there`;
  return {
    select,
    table,
    alias: (child(relation, 'alias')?.['aliasname'] as string | undefined) ?? table.name,
  };
}

const columnOf = (node: unknown, { table, alias }: Simple): Column | undefined => {
  const names = list(child(node, 'ColumnRef')?.['fields']).map(nameOf);
  if (names.length > 1 && names.at(-2) !== alias) return undefined;
  return table.columns.find(({ name }) => name === names.at(-1));
};

const FORMATS: Record<string, { pattern: RegExp; format: string }> = {
  timestamp: { pattern: /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/, format: 'YYYY-MM-DD HH24:MI:SS' },
  date: { pattern: /^\d{4}-\d\d-\d\d$/, format: 'YYYY-MM-DD' },
};
const isText = ({ type }: Column) => /^(text|character varying)/.test(type);
const isInteger = ({ type }: Column) => ['smallint', 'integer', 'bigint'].includes(type);

/** A column below a cast that keeps an index on it from being used, and what the cast is to. */
function castColumn(node: unknown, statement: Simple) {
  const cast = child(node, 'TypeCast');
  const column = columnOf(cast?.['arg'], statement);
  return column
    ? { column, reference: cast?.['arg'] as Node, to: lastName(child(cast, 'typeName')?.['names']) }
    : undefined;
}

/** What has to hold of the data for a comparison without its cast, as SQL that counts the rows against it. */
interface Condition {
  column: string;
  pattern: string;
}

/** Takes the casts off columns in comparisons and ORDER BY; undefined when there is none that can go. */
function withoutCasts(statement: Simple): { select: Node; conditions: Condition[] } | undefined {
  const select = copy(statement.select);
  const conditions = new Map<string, Condition>();
  let changed = false;
  const demand = (column: Column, to: string) =>
    conditions.set(column.name, {
      column: column.name,
      pattern: (FORMATS[to] as { pattern: RegExp }).pattern.source,
    });
  const required = (node: Node | undefined): void => {
    const all = child(node, 'BoolExpr');
    if (all?.['boolop'] === 'AND_EXPR') for (const arm of list(all['args'])) required(arm);
    const comparison = child(node, 'A_Expr');
    if (!comparison || comparison['kind'] !== 'AEXPR_OP') return;
    const operator = lastName(comparison['name']);
    const found = castColumn(comparison['lexpr'], statement);
    if (!found || !['=', '<', '<=', '>', '>='].includes(operator)) return;
    const { column, reference, to } = found;
    const value = comparison['rexpr'] as Node;
    if (isInteger(column) && ['text', 'varchar'].includes(to) && operator === '=') {
      comparison['lexpr'] = reference;
      comparison['rexpr'] = {
        TypeCast: {
          arg: value,
          typeName: { names: [string(column.type === 'bigint' ? 'int8' : 'int4')], typemod: -1 },
        },
      };
      changed = true;
    } else if (isText(column) && to in FORMATS) {
      const type = { names: [string('pg_catalog'), string(to)], typemod: -1 };
      comparison['lexpr'] = reference;
      comparison['rexpr'] = call(
        'to_char',
        { TypeCast: { arg: value, typeName: type } },
        { A_Const: { sval: { sval: FORMATS[to]?.format } } },
      );
      demand(column, to);
      changed = true;
    }
  };
  required(select['whereClause'] as Node | undefined);
  for (const item of list(select['sortClause'])) {
    const sort = child(item, 'SortBy');
    const found = castColumn(sort?.['node'], statement);
    if (!sort || !found || !isText(found.column) || !(found.to in FORMATS)) continue;
    sort['node'] = found.reference;
    demand(found.column, found.to);
    changed = true;
  }
  return changed ? { select, conditions: [...conditions.values()] } : undefined;
}

interface Keyset {
  /** The order made total by the primary key. */
  order: Node[];
  keys: Node[];
  operator: '<' | '>';
}

function keysetOf(statement: Simple): Keyset | string {
  const { select, table, alias } = statement;
  const sorts = list(select['sortClause']).map((item) => child(item, 'SortBy') as Node);
  if (sorts.length === 0) return 'it has no ORDER BY, so its pages have no order that could be kept';
  if (table.primaryKey.length === 0)
    return `${table.name} has no primary key that would make the order total`;
  const descending = sorts.map(({ sortby_dir }) => sortby_dir === 'SORTBY_DESC');
  if (new Set(descending).size > 1) return 'its ORDER BY goes up and down at once';
  if (sorts.some(({ sortby_nulls }) => sortby_nulls && sortby_nulls !== 'SORTBY_NULLS_DEFAULT'))
    return 'it says where NULLs come in its order';
  const own = sorts.map(({ node }) => node as Node);
  const known = own.map((node) => columnOf(node, statement)?.name);
  const added = table.primaryKey
    .filter((name) => !known.includes(name))
    .map((name) => columnRef(alias, name));
  const keys = [...own, ...added];
  return {
    keys,
    operator: descending[0] ? '<' : '>',
    order: keys.map((node) => ({
      SortBy: {
        node,
        sortby_dir: descending[0] ? 'SORTBY_DESC' : 'SORTBY_DEFAULT',
        sortby_nulls: 'SORTBY_NULLS_DEFAULT',
      },
    })),
  };
}

const row = (args: Node[]): Node => ({ RowExpr: { args, row_format: 'COERCE_IMPLICIT_CAST' } });
const parameter = (number: number): Node => ({ ParamRef: { number } });
const numbersOf = (select: unknown) =>
  [...walk(select)].flatMap((node) => (child(node, 'ParamRef')?.['number'] as number | undefined) ?? []);

/** The expression that a parameter is compared with: values for it are taken from there. */
function sources(select: Node, statement: Simple): Map<number, { expression: string; like: boolean }> {
  const found = new Map<number, { expression: string; like: boolean }>();
  for (const node of walk(select['whereClause'])) {
    const comparison = child(node, 'A_Expr');
    const left = comparison?.['lexpr'] as Node | undefined;
    if (!comparison || !left) continue;
    if (![...walk(left)].some((each) => columnOf(each, statement))) continue;
    const direct = comparison['rexpr'] as Node;
    const inner =
      child(direct, 'TypeCast')?.['arg'] ?? list(child(direct, 'FuncCall')?.['args'])[0] ?? direct;
    const number = child(inner, 'ParamRef')?.['number'] as number | undefined;
    if (number !== undefined)
      found.set(number, {
        expression: expressionText(left),
        like: ['AEXPR_LIKE', 'AEXPR_ILIKE'].includes(String(comparison['kind'])),
      });
  }
  return found;
}

const CASES = 12;
const PAGE = 10;

/** Postgres wants to know the type of every parameter, so those that a part of a statement left are named as well. */
const unused = (sql: string, values: readonly unknown[]) =>
  values
    .map((_, at) => `$${at + 1}`)
    .filter((name) => !new RegExp(`\\${name}\\b`).test(sql))
    .map((name) => `, ${name}::text`)
    .join('');

class Prover {
  readonly #session: Session;
  readonly #statement: Simple;
  readonly #from: string;

  constructor(session: Session, statement: Simple) {
    this.#session = session;
    this.#statement = statement;
    this.#from = `${session.quote(statement.table.schema, statement.table.name)} AS ${session.quote(statement.alias)}`;
  }

  /** Sets of values for `$1`…`$n` from rows of the table; a text where a parameter has nothing to take them from. */
  async values(select: Node): Promise<(string | null)[][] | string> {
    const numbers = [...new Set(numbersOf(select))].sort((a, b) => a - b);
    if (numbers.length === 0) return [[]];
    const from = sources(select, this.#statement);
    const most = numbers.at(-1) ?? 0;
    const expressions: string[] = [];
    for (let number = 1; number <= most; number += 1) {
      const source = from.get(number);
      if (numbers.includes(number) && !source) return `nothing tells what values $${number} takes`;
      expressions.push(
        source
          ? `${source.like ? `'%' || right((${source.expression})::text, 6)` : `(${source.expression})::text`}`
          : 'NULL::text',
      );
    }
    const share = Math.min(100, (CASES * 200 * 100) / Math.max(1, this.#statement.table.estimatedRows));
    const rows = await this.#session.query<{ values: (string | null)[] }>(
      `SELECT ARRAY[${expressions.join(', ')}] AS values FROM ${this.#from} TABLESAMPLE BERNOULLI (${share.toFixed(4)}) LIMIT ${CASES}`,
    );
    return rows.length > 0 ? rows.map(({ values }) => values) : 'its table is empty';
  }

  /** Rows that differ between two statements with the same values; with `ordered`, their order counts too. */
  async compare(first: string, second: string, values: unknown[], ordered: boolean) {
    const [found] = await this.#session.query<{ rows: number; differing: number }>(
      `WITH a AS MATERIALIZED (SELECT row_number() OVER () AS n, r::text AS r FROM (${first}) AS r),
            b AS MATERIALIZED (SELECT row_number() OVER () AS n, r::text AS r FROM (${second}) AS r)
       SELECT (SELECT count(*) FROM a)::int AS rows, ((SELECT count(*) FROM (SELECT r FROM a EXCEPT ALL SELECT r FROM b) AS x)
            + (SELECT count(*) FROM (SELECT r FROM b EXCEPT ALL SELECT r FROM a) AS y)
            + (SELECT count(*) FROM a FULL JOIN b USING (n) WHERE ${ordered} AND a.r IS DISTINCT FROM b.r))::int AS differing${unused(first + second, values)}`,
      values,
    );
    return found as { rows: number; differing: number };
  }

  /** The one row of a statement, as text; undefined when it has none. */
  async first(sql: string, values: readonly unknown[]): Promise<Record<string, string> | undefined> {
    const [found] = await this.#session.query<Record<string, string>>(
      // Marked, so that the next run does not take it for the application's.
      `/* sqltrail */ SELECT x.*${unused(sql, values)} FROM (${sql}) AS x`,
      [...values],
    );
    return found;
  }

  async against(condition: string): Promise<number> {
    const [found] = await this.#session.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM ${this.#from} WHERE ${condition}`,
    );
    return found?.n ?? 0;
  }
}

const differs = (cases: number, rows: number, note: string): Proof => ({ equal: false, cases, rows, note });

async function proveCasts(
  prover: Prover,
  session: Session,
  original: Node,
  { select, conditions }: { select: Node; conditions: Condition[] },
): Promise<Proof> {
  for (const { column, pattern } of conditions) {
    const against = await prover.against(
      `${session.quote(column)} !~ '${pattern.replaceAll('\\d', '[0-9]')}'`,
    );
    if (against > 0)
      return differs(
        0,
        0,
        `${against} values of ${column} are not in the one form that sorts as the dates do`,
      );
  }
  const bare = (node: Node) => {
    const { limitCount: _, limitOffset: __, ...rest } = copy(node);
    return { ...rest, limitOption: 'LIMIT_OPTION_DEFAULT' };
  };
  const values = await prover.values(bare(original));
  if (typeof values === 'string') return differs(0, 0, `not proven: ${values}`);
  const order = list(select['sortClause']).map((item, at) => ({
    ResTarget: { name: `k${at}`, val: child(item, 'SortBy')?.['node'] },
  }));
  let rows = 0;
  for (const [at, each] of values.entries()) {
    // Without LIMIT, all rows are compared; those that are equal in the order may change places, its columns may not.
    const found = await prover.compare(textOf(bare(original)), textOf(bare(select)), each, false);
    rows += found.rows;
    if (found.differing > 0) return differs(at + 1, rows, `${found.differing} rows differ`);
    if (order.length === 0) continue;
    const keys = (node: Node) => textOf({ ...bare(node), targetList: order });
    const sorted = await prover.compare(keys(original), keys(select), each, true);
    if (sorted.differing > 0) return differs(at + 1, rows, `${sorted.differing} rows come in another order`);
  }
  const held = conditions.map(({ column }) => column).join(', ');
  return {
    equal: true,
    cases: values.length,
    rows,
    note: held
      ? `holds while ${held} keeps its form; a CHECK constraint makes sure`
      : 'for numbers written without leading zeros or spaces',
  };
}

async function proveKeyset(
  prover: Prover,
  { select, alias }: Simple,
  { order, keys, operator }: Keyset,
): Promise<Proof> {
  for (const key of keys) {
    const nulls = await prover.against(`${expressionText(key)} IS NULL`);
    if (nulls > 0)
      return differs(
        0,
        0,
        `${nulls} rows have no value in ${expressionText(key)}, which a comparison leaves out`,
      );
  }
  const { limitCount: _, limitOffset: __, ...base } = copy(select);
  const values = await prover.values(base);
  if (typeof values === 'string') return differs(0, 0, `not proven: ${values}`);
  const most = Math.max(0, ...numbersOf(base));
  const paged = (node: Node, limit: number, offset: number): Node => ({
    ...node,
    sortClause: order,
    limitCount: integer(limit),
    ...(offset > 0 ? { limitOffset: integer(offset) } : {}),
    limitOption: 'LIMIT_OPTION_COUNT',
  });
  let rows = 0;
  let cases = 0;
  for (const each of values)
    for (const offset of [1, PAGE, PAGE * 5]) {
      const before = `SELECT ${keys.map((key, i) => `(${expressionText(key)})::text AS k${i}`).join(', ')}`;
      const last = await prover.first(
        textOf(paged({ ...copy(base), targetList: [] }, 1, offset - 1)).replace(/^SELECT/, before),
        each,
      );
      if (!last) continue;
      cases += 1;
      const next = paged(
        {
          ...copy(base),
          whereClause: and(
            base['whereClause'],
            operation(operator, row(copy(keys)), row(keys.map((_key, i) => parameter(most + 1 + i)))),
          ),
        },
        PAGE,
        0,
      );
      const given = [...each, ...keys.map((_key, i) => last[`k${i}`])];
      const found = await prover.compare(textOf(paged(copy(base), PAGE, offset)), textOf(next), given, true);
      rows += found.rows;
      if (found.differing > 0) return differs(cases, rows, `${found.differing} rows of a page differ`);
    }
  if (cases === 0) return differs(0, 0, 'not proven: no values were found that give a second page');
  return {
    equal: true,
    cases,
    rows,
    note: `rows of equal ${expressionText(keys[0] as Node)} now come in the order of ${alias}’s key, where before it was left to chance`,
  };
}

export const isRewrite = (answer: RewriteAnswer): answer is Rewrite => 'rewritten' in answer;

/** What can be done about one statement, proven on the data or told why not. */
async function rewrite(sql: string, tables: readonly Table[], session: Session): Promise<RewriteAnswer[]> {
  const statement = simple(sql, tables);
  if (typeof statement === 'string') return [{ original: sql, why: statement }];
  const prover = new Prover(session, statement);
  const answers: RewriteAnswer[] = [];
  const uncast = withoutCasts(statement);
  if (uncast)
    answers.push({
      original: sql,
      kind: 'comparison without cast',
      rewritten: textOf(uncast.select),
      parameters: null,
      proof: await proveCasts(prover, session, statement.select, uncast),
    });
  if (statement.select['limitOffset']) {
    const keyset = keysetOf(statement);
    if (typeof keyset === 'string') answers.push({ original: sql, why: keyset });
    else {
      const most = Math.max(0, ...numbersOf(statement.select));
      const [freed] = numbersOf(statement.select['limitOffset']);
      const numbers = keyset.keys.map((_, i) => (freed ? (i === 0 ? freed : most + i) : most + 1 + i));
      const { limitOffset: _, ...rest } = copy(statement.select);
      const names = keyset.keys.map(expressionText).join(', ');
      answers.push({
        original: sql,
        kind: 'keyset paging',
        rewritten: textOf({
          ...rest,
          sortClause: keyset.order,
          whereClause: and(
            rest['whereClause'],
            operation(keyset.operator, row(copy(keyset.keys)), row(numbers.map(parameter))),
          ),
        }),
        parameters: `${numbers.map((number) => `$${number}`).join(', ')}: ${names} of the last row of the page before; the first page leaves that condition out`,
        proof: await proveKeyset(prover, statement, keyset),
      });
    }
  }
  if (answers.length === 0)
    answers.push({ original: sql, why: 'it has neither OFFSET nor a cast on a column that could go' });
  return answers;
}

/** The dearest statements that could be rewritten. */
const MOST = 40;

/**
 * Statements of pg_stat_statements that can be replaced by faster ones without knowing the application, each compared
 * with the original on the real data with values that occur there, in read-only transactions. What cannot be decided
 * from the SQL alone (the columns that are needed, statements in a loop, whether a count has to be exact) is not
 * rewritten.
 *
 * @throws ConnectionFailed; BudgetExceeded after a minute of database time
 */
export async function findRewrites(options: {
  url: string;
  /** Schemas in which the application looks for its tables, in order. */
  searchPath: readonly string[];
  signal: AbortSignal;
}): Promise<RewriteAnswer[]> {
  const session = await openSession({
    ...options,
    statementTimeoutMs: 15_000,
    lockTimeoutMs: 500,
    budgetMs: 60_000,
    dutyCycle: 0.5,
  });
  await loadParser();
  try {
    const { statements } = await readStatements(session, await readCapabilities(session));
    const tables = await readTables(session);
    await session.query("SELECT set_config('search_path', $1, false)", [
      ['pg_catalog', ...options.searchPath.map((schema) => session.quote(schema))].join(', '),
    ]);
    const answers: RewriteAnswer[] = [];
    const candidates = statements.filter(
      ({ text }) => /^\s*select\b/i.test(text) && /\boffset\b|::|\bcast\b/i.test(text),
    );
    for (const { text } of candidates.slice(0, MOST)) {
      try {
        answers.push(...(await rewrite(text, tables, session)));
      } catch (error) {
        if (session.lost || !(error as { code?: string }).code) throw error;
        answers.push({ original: text, why: `it could not be compared: ${(error as Error).message}` });
      }
    }
    return answers;
  } finally {
    await session.close();
  }
}
