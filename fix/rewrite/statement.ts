import { type DateForm, refuse } from './conditions.ts';
import type { ColumnFacts, TableFacts } from './facts.ts';
import { beyond, child, expressionText, list, type Node, nameOf, numbersOf, parseOne } from './tree.ts';

/** `column::type operator value`: the value is a parameter or a text constant. */
export interface CastComparison {
  column: ColumnFacts;
  /** The column as the statement writes it. */
  reference: Node;
  to: 'text' | DateForm;
  operator: '=' | '<' | '<=' | '>' | '>=';
  value: Node;
}

/** One of the conditions that a row has to meet all of. */
export interface Arm {
  node: Node;
  cast: CastComparison | null;
  /** Column that the condition leaves one value. */
  pinned: string | null;
}

export interface Sort {
  /** The SortBy node. */
  node: Node;
  column: ColumnFacts;
  reference: Node;
  /** Date that the column is cast to; null for the bare column. */
  to: DateForm | null;
  descending: boolean;
}

export interface ParameterUse {
  column: string;
  expected: string | null;
  array: boolean;
}

/** A SELECT of one table, every node of which is one that is known. */
export interface Reading {
  select: Node;
  table: TableFacts;
  alias: string;
  /** Of the output, in order; null where the whole answer is a count. */
  output: { name: string; column: string }[] | null;
  arms: Arm[];
  sorts: Sort[];
  /**
   * The column that a parameter is compared with, and the type that it has to have where a form was made for one;
   * of LIMIT and OFFSET null.
   */
  parameters: Map<number, ParameterUse | null>;
}

/** The parts of a SELECT that are known; `larg`, WITH, FOR UPDATE, INTO, VALUES and the rest are refused by name. */
const SELECT_KEYS = [
  'targetList',
  'fromClause',
  'whereClause',
  'sortClause',
  'limitCount',
  'limitOffset',
  'limitOption',
  'op',
];
const CLAUSES: Record<string, string> = {
  distinctClause: 'DISTINCT',
  groupClause: 'GROUP BY',
  groupDistinct: 'GROUP BY DISTINCT',
  havingClause: 'HAVING',
  windowClause: 'WINDOW',
  withClause: 'WITH',
  lockingClause: 'FOR UPDATE or FOR SHARE',
  intoClause: 'INTO',
  valuesLists: 'VALUES',
  larg: 'UNION, INTERSECT or EXCEPT',
  rarg: 'UNION, INTERSECT or EXCEPT',
  all: 'UNION, INTERSECT or EXCEPT',
};

/** Types whose comparisons with a value of their own never raise an error and depend on no setting. */
const COMPARABLE = [
  'smallint',
  'integer',
  'bigint',
  'numeric',
  'real',
  'double precision',
  'text',
  'character varying',
  'character',
  'boolean',
  'date',
  'timestamp without time zone',
  'timestamp with time zone',
  'time without time zone',
  'uuid',
  'bytea',
];
const COMPARISONS = ['=', '<>', '<', '<=', '>', '>='];
const MIRROR: Record<string, string> = { '=': '=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

export const isInteger = ({ type }: Pick<ColumnFacts, 'type'>) =>
  ['smallint', 'integer', 'bigint'].includes(type);
export const isText = ({ type }: Pick<ColumnFacts, 'type'>) => ['text', 'character varying'].includes(type);
const comparable = ({ type, kind }: ColumnFacts) => kind === 'built-in' && COMPARABLE.includes(type);

/** The SELECT of a text, and the one relation that it reads. */
export function readRelation(sql: string): { select: Node; relation: Node } {
  // Since Postgres 18 a list is kept as its first value and this comment, which no parse tree holds.
  if (/\/\*, \.\.\. \*\//.test(sql)) refuse({ kind: 'shortened list' });
  const statement = parseOne(sql);
  if (statement === undefined) refuse({ kind: 'unreadable' });
  if (statement === 'several') refuse({ kind: 'several statements' });
  const select = child(statement, 'SelectStmt');
  if (!select) refuse({ kind: 'no SELECT' });
  if (select['limitOption'] === 'LIMIT_OPTION_WITH_TIES') refuse({ kind: 'ties' });
  const [more] = beyond(select, SELECT_KEYS);
  if (more) refuse({ kind: 'clause', clause: CLAUSES[more] ?? more });
  if (select['op'] !== 'SETOP_NONE') refuse({ kind: 'clause', clause: 'UNION, INTERSECT or EXCEPT' });
  const [from, ...others] = list(select['fromClause']);
  const relation = child(from, 'RangeVar');
  if (!relation || others.length > 0) refuse({ kind: 'not one table' });
  if (beyond(relation, ['relname', 'schemaname', 'inh', 'relpersistence', 'alias']).length > 0)
    refuse({ kind: 'not one table' });
  if (child(relation, 'alias')?.['colnames']) refuse({ kind: 'clause', clause: 'names for the columns' });
  return { select, relation };
}

class Reader {
  readonly #table: TableFacts;
  readonly #alias: string;
  readonly parameters: Reading['parameters'] = new Map();

  constructor(table: TableFacts, alias: string) {
    this.#table = table;
    this.#alias = alias;
  }

  /** The column that a node is; undefined for all else, whole rows and system columns included. */
  column(node: unknown): ColumnFacts | undefined {
    const fields = list(child(node, 'ColumnRef')?.['fields']);
    const names = fields.map(nameOf);
    if (names.length < 1 || names.length > 2 || names.includes(undefined)) return undefined;
    if (names.length === 2 && names[0] !== this.#alias) return undefined;
    return this.#table.columns.find(({ name }) => name === names.at(-1));
  }

  output(select: Node): Reading['output'] {
    const targets = list(select['targetList']).map((item) => child(item, 'ResTarget') as Node);
    const [only] = targets;
    if (only && targets.length === 1 && this.#isCount(only['val'])) return null;
    return targets.flatMap((target) => {
      const fields = list(child(target['val'], 'ColumnRef')?.['fields']);
      const star =
        fields.at(-1)?.['A_Star'] !== undefined &&
        (fields.length === 1 || (fields.length === 2 && nameOf(fields[0]) === this.#alias));
      if (star) return this.#table.columns.map(({ name }) => ({ name, column: name }));
      const column = this.column(target['val']);
      if (!column || beyond(target, ['name', 'val']).length > 0)
        refuse({ kind: 'select list', expression: expressionText(target['val']) });
      return [{ name: (target['name'] as string | undefined) ?? column.name, column: column.name }];
    });
  }

  /** `count(*)` or `count(column)`: neither the order of the rows nor anything but their number is in it. */
  #isCount(node: unknown): boolean {
    const called = child(node, 'FuncCall');
    if (!called || beyond(called, ['funcname', 'agg_star', 'args', 'funcformat']).length > 0) return false;
    const [name, ...more] = list(called['funcname']);
    const args = list(called['args']);
    return (
      nameOf(name) === 'count' &&
      more.length === 0 &&
      (called['agg_star'] === true ? args.length === 0 : args.length === 1 && !!this.column(args[0]))
    );
  }

  arms(node: unknown): Arm[] {
    if (node === undefined) return [];
    const all = child(node, 'BoolExpr');
    if (all?.['boolop'] === 'AND_EXPR') return list(all['args']).flatMap((arm) => this.arms(arm));
    const cast = this.#castComparison(node as Node);
    if (cast) {
      this.#take(cast.value, {
        column: cast.column.name,
        expected: cast.to === 'timestamp' ? 'timestamp without time zone' : cast.to,
        array: false,
      });
      return [
        {
          node: node as Node,
          cast,
          pinned: cast.operator === '=' ? cast.column.name : null,
        },
      ];
    }
    this.#check(node as Node);
    return [{ node: node as Node, cast: null, pinned: this.#pinned(node as Node) }];
  }

  /** A parameter, a text constant, or a parameter with a cast that gives it its type. */
  #value(node: unknown, type: string | null): boolean {
    const constant = child(node, 'A_Const');
    if (constant) return constant['isnull'] !== true && child(constant, 'bsval') === undefined;
    if (child(node, 'ParamRef')) return true;
    const cast = child(node, 'TypeCast');
    return !!cast && type !== null && child(cast['arg'], 'ParamRef') !== undefined && castType(cast) === type;
  }

  #take(node: unknown, use: ParameterUse | null): void {
    for (const number of numbersOf(node)) {
      // Two uses could give one parameter two types, and a conversion at run time that can fail.
      if (this.parameters.has(number)) refuse({ kind: 'repeated parameter', parameter: number });
      this.parameters.set(number, use);
    }
  }

  #castComparison(node: Node): CastComparison | undefined {
    const comparison = child(node, 'A_Expr');
    if (comparison?.['kind'] !== 'AEXPR_OP') return undefined;
    const operator = operatorOf(comparison);
    if (!operator || !(operator in MIRROR)) return undefined;
    for (const [side, other, as] of [
      ['lexpr', 'rexpr', operator],
      ['rexpr', 'lexpr', MIRROR[operator]],
    ] as const) {
      const found = child(comparison[side], 'TypeCast');
      const column = this.column(found?.['arg']);
      const to = castForm(found);
      if (!found || !column || column.kind !== 'built-in' || !to) continue;
      const value = comparison[other] as Node;
      const reference = found['arg'] as Node;
      const constant = child(child(value, 'A_Const'), 'sval') !== undefined;
      const bare = child(value, 'ParamRef') !== undefined || constant;
      const own = castForm(child(value, 'TypeCast')) === to;
      if (!bare && !(own && child(child(value, 'TypeCast')?.['arg'], 'ParamRef'))) continue;
      if (isInteger(column) && to === 'text' && as === '=')
        return { column, reference, to, operator: as, value };
      if (isText(column) && to !== 'text')
        return { column, reference, to, operator: as as CastComparison['operator'], value };
    }
    return undefined;
  }

  /** Refuses a condition unless it can neither raise an error nor depend on anything but the row and its values. */
  #check(node: Node): void {
    const expression = () => expressionText(node);
    const some = child(node, 'BoolExpr');
    if (some) {
      for (const arm of list(some['args'])) this.#check(arm);
      return;
    }
    const isNull = child(node, 'NullTest') ?? child(node, 'BooleanTest');
    if (isNull) {
      if (!this.column(isNull['arg'])) refuse({ kind: 'where', expression: expression(), raises: 'unknown' });
      return;
    }
    const bare = this.column(node);
    if (bare?.type === 'boolean' && bare.kind === 'built-in') return;
    const comparison = child(node, 'A_Expr');
    if (!comparison) refuse({ kind: 'where', expression: expression(), raises: 'unknown' });
    const kind = String(comparison['kind']);
    const operator = operatorOf(comparison);
    if (['AEXPR_LIKE', 'AEXPR_ILIKE', 'AEXPR_SIMILAR'].includes(kind) || operator?.includes('~'))
      refuse({ kind: 'where', expression: expression(), raises: 'error' });
    let [left, right] = [comparison['lexpr'], comparison['rexpr']] as [Node, Node];
    if (kind === 'AEXPR_OP' && !this.column(left)) [left, right] = [right, left];
    const column = this.column(left);
    const known =
      column &&
      (comparable(column) ? COMPARISONS : column.kind === 'enum' ? ['=', '<>'] : []).includes(
        kind.startsWith('AEXPR_BETWEEN') || kind.startsWith('AEXPR_NOT_BETWEEN') ? '<=' : (operator ?? ''),
      );
    if (!column || !known) refuse({ kind: 'where', expression: expression(), raises: 'unknown' });
    const items = child(right, 'List') ? list(child(right, 'List')?.['items']) : [right];
    const allowed = ['AEXPR_OP', 'AEXPR_IN', 'AEXPR_OP_ANY', 'AEXPR_BETWEEN', 'AEXPR_NOT_BETWEEN'].includes(
      kind,
    );
    const values = items.every((item) => this.#value(item, column.type));
    const otherColumn = kind === 'AEXPR_OP' ? this.column(right) : undefined;
    if (!allowed || !(values || (otherColumn && otherColumn.type === column.type && comparable(otherColumn))))
      refuse({ kind: 'where', expression: expression(), raises: 'unknown' });
    if (kind === 'AEXPR_OP_ANY' && !child(right, 'ParamRef'))
      refuse({ kind: 'where', expression: expression(), raises: 'unknown' });
    this.#take(right, { column: column.name, expected: null, array: kind === 'AEXPR_OP_ANY' });
  }

  #pinned(node: Node): string | null {
    const comparison = child(node, 'A_Expr');
    if (comparison?.['kind'] !== 'AEXPR_OP' || operatorOf(comparison) !== '=') return null;
    const sides = [comparison['lexpr'], comparison['rexpr']];
    const columns = sides.map((side) => this.column(side)).filter((column) => column !== undefined);
    return columns.length === 1 ? (columns[0]?.name ?? null) : null;
  }

  sorts(select: Node, output: Reading['output']): Sort[] {
    return list(select['sortClause']).map((item) => {
      const node = child(item, 'SortBy') as Node;
      const expression = () => expressionText(node['node']);
      if (
        beyond(node, ['node', 'sortby_dir', 'sortby_nulls']).length > 0 ||
        node['sortby_dir'] === 'SORTBY_USING'
      )
        refuse({ kind: 'order by', expression: expression() });
      const found = child(node['node'], 'TypeCast');
      const reference = (found?.['arg'] ?? node['node']) as Node;
      const column = this.column(reference);
      const to = found ? castForm(found) : null;
      if (
        !column ||
        to === undefined ||
        to === 'text' ||
        (to && !(isText(column) && column.kind === 'built-in'))
      )
        refuse({ kind: 'order by', expression: expression() });
      // A bare name in ORDER BY is that of the output first, whatever stands behind it; without its cast it is bare.
      const bare = list(child(reference, 'ColumnRef')?.['fields']).length === 1;
      if (bare && output?.some((each) => each.name === column.name && each.column !== column.name))
        refuse({ kind: 'output name', column: column.name });
      if (!comparable(column)) refuse({ kind: 'order by', expression: expression() });
      return { node, column, reference, to, descending: node['sortby_dir'] === 'SORTBY_DESC' };
    });
  }

  limits(select: Node): void {
    for (const key of ['limitCount', 'limitOffset']) {
      const node = select[key];
      if (node === undefined) continue;
      if (!child(node, 'ParamRef') && !child(node, 'A_Const'))
        refuse({ kind: 'limit', expression: expressionText(node) });
      this.#take(node, null);
    }
  }
}

/** The name of an operator that is not qualified. */
function operatorOf(comparison: Node): string | undefined {
  const names = list(comparison['name']);
  return names.length === 1 ? nameOf(names[0]) : undefined;
}

/** Internal names of types by what format_type() makes of them. */
const TYPE_NAMES: Record<string, string> = {
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  numeric: 'numeric',
  float4: 'real',
  float8: 'double precision',
  text: 'text',
  varchar: 'character varying',
  bool: 'boolean',
  date: 'date',
  timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
  uuid: 'uuid',
};

/** The type that a cast is to, as format_type() has it, where the cast neither cuts off nor rounds and is to no array. */
function castType(cast: Node | undefined): string | undefined {
  const type = child(cast, 'typeName');
  if (!type || beyond(type, ['names', 'typemod']).length > 0 || type['typemod'] !== -1) return undefined;
  const names = list(type['names']).map(nameOf);
  if (names.length > 2 || (names.length === 2 && names[0] !== 'pg_catalog')) return undefined;
  return TYPE_NAMES[names.at(-1) ?? ''];
}

/** Those casts of a column that a form is for. */
function castForm(cast: Node | undefined): 'text' | DateForm | undefined {
  const type = castType(cast);
  if (type === 'text' || type === 'character varying') return 'text';
  if (type === 'timestamp without time zone') return 'timestamp';
  return type === 'date' ? 'date' : undefined;
}

/**
 * Reads a statement by an allow-list: what is not known is refused with its reason.
 *
 * @throws Refused
 */
export function read(select: Node, relation: Node, table: TableFacts): Reading {
  const alias = (child(relation, 'alias')?.['aliasname'] as string | undefined) ?? table.name;
  const [trait] = table.traits;
  if (trait) refuse({ kind: 'table', table: table.name, has: trait });
  const reader = new Reader(table, alias);
  const output = reader.output(select);
  const arms = reader.arms(select['whereClause']);
  if (output === null && (select['sortClause'] || select['limitOffset'])) refuse({ kind: 'aggregate' });
  const sorts = reader.sorts(select, output);
  reader.limits(select);
  return { select, table, alias, output, arms, sorts, parameters: reader.parameters };
}

/** The unique key that the order of a statement holds: its rows come in one order only. */
export function totalBy(
  { sorts, arms, table }: Reading,
  mayBeSorted = true,
): { key: TableFacts['uniqueKeys'][number]; nullable: string | null } | undefined {
  const pinned = new Set(arms.map((arm) => arm.pinned));
  const sorted = new Map(mayBeSorted ? sorts.map(({ column }) => [column.name, column]) : []);
  const found = table.uniqueKeys
    .filter(({ columns }) => columns.every((name) => pinned.has(name) || sorted.has(name)))
    .map((key) => ({
      key,
      // A unique key admits many NULLs; an equality leaves them out.
      nullable: key.columns.find((name) => !pinned.has(name) && !sorted.get(name)?.notNull) ?? null,
    }));
  return found.find(({ nullable }) => nullable === null) ?? found[0];
}
