import { loadModule, parseSync } from 'libpg-query';

type Node = Record<string, unknown>;

/** A function of one argument, or a cast; names as SQL has them. */
export type Wrapping = { call: string } | { cast: string };

/** A column as a condition or an ORDER BY uses it. */
export interface ColumnUse {
  column: string;
  /** The function or cast around it, as SQL with `%` for the column: `lower(%)`, `(%)::timestamp`; null when bare. */
  wrapped: string | null;
  /** The same, from the column outwards; none when bare. */
  wrapping?: Wrapping[];
  /** It is compared with a column of another table of the statement. */
  join: boolean;
  /** The condition is IS NULL, which a share of the rows meets that has nothing to do with the values. */
  isNull?: true;
}

/** One appearance of a table in a statement. */
export interface TableUse {
  schema: string | undefined;
  table: string;
  alias: string;
  /** `=`, `IN`, `= ANY`, `IS NULL` conditions that must hold (no OR). */
  equal: ColumnUse[];
  /** `<`, `>`, BETWEEN conditions that must hold. */
  range: ColumnUse[];
  /** `value = ANY (column)`: the column is an array, and what is asked is whether it holds the value. */
  member: ColumnUse[];
  /** `@@`: full-text search in it. */
  search: ColumnUse[];
  /** `@>`, `&&`, `?` and the like: what the column holds, an array or a document, is looked at. */
  contains: ColumnUse[];
  /** `column ->> key = value`: a field of a document is compared. */
  field: ColumnUse[];
  /** LIKE, ILIKE and regular expressions, also below OR. `anchored` is false when the pattern is a parameter or begins with a wildcard. */
  pattern: (ColumnUse & { anchored: boolean; parameter: boolean })[];
  /** In order; only of the scope that the table is in. */
  order: (ColumnUse & { descending: boolean })[];
  limited: boolean;
  /** `SELECT *` or `alias.*` takes all columns of it. */
  star: boolean;
}

/** What a statement does, read from Postgres's own parse tree. */
export interface StatementShape {
  operation: 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE' | 'MERGE' | 'OTHER';
  tables: TableUse[];
  /** LIMIT on the outermost query. */
  limit: boolean;
  /** OFFSET on the outermost query, or with a LIMIT on one below it. */
  offset: boolean;
  /** Counts, of rows or of a column, are all that the outermost query returns. */
  countsAll: boolean;
  /** GROUP BY or an aggregate, so the rows returned are fewer than those read. */
  aggregates: boolean;
  /** Written tables, by name. */
  writes: string[];
}

/** The columns of a table, to tell whose an unqualified column is; undefined when the table is not known. */
export type ColumnsOf = (table: string, schema: string | undefined) => ReadonlySet<string> | undefined;

const operations: Record<string, StatementShape['operation']> = {
  SelectStmt: 'SELECT',
  InsertStmt: 'INSERT',
  UpdateStmt: 'UPDATE',
  DeleteStmt: 'DELETE',
  MergeStmt: 'MERGE',
};
const aggregates = new Set([
  'count',
  'sum',
  'avg',
  'min',
  'max',
  'array_agg',
  'string_agg',
  'json_agg',
  'jsonb_agg',
  'bool_or',
  'bool_and',
]);

const CONTAINMENT = new Set(['@>', '<@', '&&', '?', '?|', '?&', '@?']);
const FIELD = new Set(['->', '->>', '#>', '#>>']);

const list = (value: unknown) => (Array.isArray(value) ? (value as Node[]) : []);
const child = (node: unknown, key: string) => (node as Node | undefined)?.[key] as Node | undefined;
const nameOf = (node: unknown) => child(node, 'String')?.['sval'] as string | undefined;
const lastName = (nodes: unknown) => nameOf(list(nodes).at(-1)) ?? '';

type Found = Pick<ColumnUse, 'column' | 'wrapped' | 'wrapping'> & { use: TableUse };

const bare = ({ column, wrapped, wrapping }: Found) => ({
  column,
  wrapped,
  ...(wrapping ? { wrapping } : {}),
});
const wrap = (inner: Found, wrapped: string, wrapping: Wrapping): Found => ({
  ...inner,
  wrapped,
  wrapping: [...(inner.wrapping ?? []), wrapping],
});
/** A name as SQL has it: quoted where it would be read as another. */
const written = (name: string) =>
  /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
/** A qualified name; that of Postgres itself is found without its schema. */
const qualified = (nodes: unknown) => {
  const names = list(nodes).map((node) => nameOf(node) ?? '');
  return (names[0] === 'pg_catalog' ? names.slice(1) : names).map(written).join('.');
};

/** The type of a cast with its length and dimensions; undefined where these are no plain numbers. */
function typeOf(type: Node | undefined): string | undefined {
  const sizes = list(type?.['typmods']).map((size) => child(child(size, 'A_Const'), 'ival')?.['ival']);
  if (sizes.some((size) => typeof size !== 'number')) return undefined;
  const array = list(type?.['arrayBounds']).map(() => '[]');
  return `${qualified(type?.['names'])}${sizes.length > 0 ? `(${sizes.join(', ')})` : ''}${array.join('')}`;
}

interface Scope {
  uses: TableUse[];
  outer: Scope | undefined;
}

/** Loads the parser; once for a process, before {@link shapeOf}. */
export const loadParser = () => loadModule();

/** Exactly one statement, by Postgres's parser; false for what it does not take. {@link loadParser} comes first. */
export function isOneStatement(sql: string): boolean {
  try {
    return (parseSync(sql) as unknown as { stmts?: unknown[] }).stmts?.length === 1;
  } catch {
    return false;
  }
}

/** @returns undefined when Postgres's parser does not take the text (cut off, several statements). */
export function shapeOf(sql: string, columnsOf: ColumnsOf): StatementShape | undefined {
  let statement: Node;
  try {
    const parsed = parseSync(sql) as unknown as { stmts?: { stmt?: Node }[] };
    if (parsed.stmts?.length !== 1 || !parsed.stmts[0]?.stmt) return undefined;
    statement = parsed.stmts[0].stmt;
  } catch {
    return undefined;
  }
  return new ShapeReader(columnsOf).read(statement);
}

class ShapeReader {
  readonly #columnsOf: ColumnsOf;
  readonly #uses: TableUse[] = [];
  readonly #common = new Set<string>();
  readonly #shape: StatementShape = {
    operation: 'OTHER',
    tables: this.#uses,
    limit: false,
    offset: false,
    countsAll: false,
    aggregates: false,
    writes: [],
  };

  constructor(columnsOf: ColumnsOf) {
    this.#columnsOf = columnsOf;
  }

  read(statement: Node): StatementShape {
    const [kind = ''] = Object.keys(statement);
    this.#shape.operation = operations[kind] ?? 'OTHER';
    this.#statement(statement, undefined, true);
    return this.#shape;
  }

  #statement(statement: Node, outer: Scope | undefined, top = false): void {
    const [kind = ''] = Object.keys(statement);
    const node = statement[kind] as Node;
    for (const entry of list(child(node, 'withClause')?.['ctes'])) {
      const common = child(entry, 'CommonTableExpr');
      this.#common.add(String(common?.['ctename']));
      const query = common?.['ctequery'] as Node | undefined;
      if (query) this.#statement(query, outer);
    }
    if (kind === 'SelectStmt') this.#select(node, outer, top);
    else if (kind === 'UpdateStmt' || kind === 'DeleteStmt') {
      const scope: Scope = { uses: [], outer };
      const target = this.#table(node['relation'] as Node | undefined, scope);
      if (target) this.#shape.writes.push(target.table);
      for (const item of list(node[kind === 'UpdateStmt' ? 'fromClause' : 'usingClause']))
        this.#from(item, scope);
      this.#condition(node['whereClause'] as Node | undefined, scope, true);
      for (const item of list(node['targetList'])) this.#subqueries(item, scope);
    } else if (kind === 'InsertStmt') {
      const name = child(node, 'relation')?.['relname'];
      if (typeof name === 'string') this.#shape.writes.push(name);
      if (node['selectStmt']) this.#statement(node['selectStmt'] as Node, outer);
    }
  }

  #select(node: Node, outer: Scope | undefined, top: boolean): void {
    if (node['larg'] && node['rarg'])
      for (const arm of ['larg', 'rarg']) this.#select(node[arm] as Node, outer, false);
    const scope: Scope = { uses: [], outer };
    for (const item of list(node['fromClause'])) this.#from(item, scope);
    this.#condition(node['whereClause'] as Node | undefined, scope, true);
    this.#condition(node['havingClause'] as Node | undefined, scope, false);
    const limited = node['limitCount'] !== undefined;
    for (const use of scope.uses) use.limited = limited;
    for (const item of list(node['sortClause'])) {
      const sort = child(item, 'SortBy');
      const found = this.#column(sort?.['node'] as Node | undefined, scope);
      if (found)
        found.use.order.push({
          ...bare(found),
          join: false,
          descending: sort?.['sortby_dir'] === 'SORTBY_DESC',
        });
    }
    const targets = list(node['targetList']);
    let counts = 0;
    for (const item of targets) {
      const value = child(child(item, 'ResTarget'), 'val');
      const fields = list(child(value, 'ColumnRef')?.['fields']);
      if (fields.some((field) => 'A_Star' in field))
        for (const use of scope.uses)
          if (fields.length === 1 || nameOf(fields[0]) === use.alias) use.star = true;
      const call = child(value, 'FuncCall');
      if (call && aggregates.has(lastName(call['funcname'])) && !call['over']) this.#shape.aggregates ||= top;
      if (call && lastName(call['funcname']) === 'count' && !call['over']) counts += 1;
      this.#subqueries(item, scope);
    }
    // OFFSET without LIMIT below the top is a fence for the planner.
    if (node['limitOffset'] !== undefined && (top || limited)) this.#shape.offset = true;
    if (!top) return;
    this.#shape.limit = limited;
    this.#shape.aggregates ||= list(node['groupClause']).length > 0;
    this.#shape.countsAll = counts > 0 && counts === targets.length && list(node['groupClause']).length === 0;
  }

  #table(relation: Node | undefined, scope: Scope): TableUse | undefined {
    const table = relation?.['relname'];
    if (typeof table !== 'string' || (this.#common.has(table) && !relation?.['schemaname'])) return undefined;
    const use: TableUse = {
      schema: relation?.['schemaname'] as string | undefined,
      table,
      alias: (child(relation, 'alias')?.['aliasname'] as string | undefined) ?? table,
      equal: [],
      range: [],
      member: [],
      search: [],
      contains: [],
      field: [],
      pattern: [],
      order: [],
      limited: false,
      star: false,
    };
    scope.uses.push(use);
    this.#uses.push(use);
    return use;
  }

  #from(item: Node, scope: Scope): void {
    const join = child(item, 'JoinExpr');
    if (item['RangeVar']) this.#table(item['RangeVar'] as Node, scope);
    else if (join) {
      this.#from(join['larg'] as Node, scope);
      this.#from(join['rarg'] as Node, scope);
      this.#condition(join['quals'] as Node | undefined, scope, true);
      for (const name of list(join['usingClause']).map(nameOf))
        for (const use of scope.uses)
          if (name && this.#columnsOf(use.table, use.schema)?.has(name))
            use.equal.push({ column: name, wrapped: null, join: true });
    } else this.#subqueries(item, scope);
  }

  /** Conditions that must hold (`required`) narrow the rows; below OR or NOT only patterns are noted. */
  #condition(node: Node | undefined, scope: Scope, required: boolean): void {
    if (!node) return;
    const boolean = child(node, 'BoolExpr');
    if (boolean) {
      const all = boolean['boolop'] === 'AND_EXPR';
      for (const arm of list(boolean['args'])) this.#condition(arm, scope, required && all);
      return;
    }
    const nullTest = child(node, 'NullTest');
    if (nullTest) {
      const found = this.#column(nullTest['arg'] as Node, scope);
      if (found && required && nullTest['nulltesttype'] === 'IS_NULL')
        found.use.equal.push({ ...bare(found), join: false, isNull: true });
      return;
    }
    const link = child(node, 'SubLink');
    if (link) {
      const found = this.#column(link['testexpr'] as Node | undefined, scope);
      if (found && required && link['subLinkType'] === 'ANY_SUBLINK')
        found.use.equal.push({ ...bare(found), join: true });
      this.#subqueries(node, scope);
      return;
    }
    const comparison = child(node, 'A_Expr');
    if (!comparison) {
      this.#subqueries(node, scope);
      return;
    }
    this.#comparison(comparison, scope, required);
    this.#subqueries(comparison['lexpr'] as Node, scope);
    this.#subqueries(comparison['rexpr'] as Node, scope);
  }

  #comparison(comparison: Node, scope: Scope, required: boolean): void {
    const kind = String(comparison['kind']);
    const operator = lastName(comparison['name']);
    const left = this.#column(comparison['lexpr'] as Node | undefined, scope);
    const right = this.#column(comparison['rexpr'] as Node | undefined, scope);
    if (kind === 'AEXPR_LIKE' || kind === 'AEXPR_ILIKE' || ['~', '~*'].includes(operator)) {
      if (!left || operator.startsWith('!')) return;
      const constant = child(child(comparison['rexpr'], 'A_Const'), 'sval')?.['sval'];
      left.use.pattern.push({
        ...bare(left),
        join: false,
        parameter: typeof constant !== 'string',
        anchored:
          typeof constant === 'string' &&
          (kind.endsWith('LIKE') ? !/^[%_]/.test(constant) : constant.startsWith('^')),
      });
      return;
    }
    if (!required) return;
    if (operator === '@@') {
      const found = left ?? right;
      found?.use.search.push({ ...bare(found), join: false });
      return;
    }
    if (kind === 'AEXPR_OP' && CONTAINMENT.has(operator)) {
      // `constant <@ column` is `column @> constant`.
      const found = operator === '<@' ? right : (left ?? (operator === '&&' ? right : undefined));
      if (left === undefined || right === undefined)
        found?.use.contains.push({ ...bare(found), join: false });
      return;
    }
    if (operator === '=' && (kind === 'AEXPR_OP' || kind === 'AEXPR_IN'))
      for (const side of ['lexpr', 'rexpr']) {
        const found = this.#documentOf(comparison[side] as Node | undefined, scope);
        found?.use.field.push({ ...bare(found), join: false });
      }
    if (kind === 'AEXPR_OP_ANY' && right) {
      // A list of values on the right is no column; a column there is an array.
      if (operator === '=' && !left) right.use.member.push({ ...bare(right), join: false });
      return;
    }
    const sides = [left, right].filter((side) => side !== undefined);
    const join = sides.length === 2 && left?.use !== right?.use;
    if (sides.length === 2 && !join) return;
    for (const side of sides) {
      const { use } = side;
      if (['AEXPR_IN', 'AEXPR_OP_ANY', 'AEXPR_OP'].includes(kind) && operator === '=')
        use.equal.push({ ...bare(side), join });
      else if (['<', '>', '<=', '>='].includes(operator) || kind.startsWith('AEXPR_BETWEEN'))
        use.range.push({ ...bare(side), join });
    }
  }

  /** The column of which `->`, `->>`, `#>` or `#>>` take a field. */
  #documentOf(node: Node | undefined, scope: Scope): Found | undefined {
    const inner = child(node, 'TypeCast')?.['arg'] as Node | undefined;
    if (inner) return this.#documentOf(inner, scope);
    const taken = child(node, 'A_Expr');
    if (!taken || !FIELD.has(lastName(taken['name']))) return undefined;
    const from = taken['lexpr'] as Node | undefined;
    return this.#column(from, scope) ?? this.#documentOf(from, scope);
  }

  #subqueries(node: unknown, scope: Scope): void {
    if (Array.isArray(node)) for (const item of node) this.#subqueries(item, scope);
    else if (node !== null && typeof node === 'object')
      for (const [key, value] of Object.entries(node as Node))
        if (key === 'SelectStmt') this.#select(value as Node, scope, false);
        else this.#subqueries(value, scope);
  }

  #column(node: Node | undefined, scope: Scope): Found | undefined {
    if (!node) return undefined;
    const collate = child(node, 'CollateClause');
    // An index has one collation, and a comparison with another does not use it.
    if (collate) return undefined;
    const cast = child(node, 'TypeCast');
    if (cast) {
      const inner = this.#column(cast['arg'] as Node, scope);
      const type = typeOf(child(cast, 'typeName'));
      return inner && type !== undefined
        ? wrap(inner, `(${inner.wrapped ?? '%'})::${type}`, { cast: type })
        : undefined;
    }
    const call = child(node, 'FuncCall');
    if (call) {
      const args = list(call['args']);
      const name = lastName(call['funcname']);
      if (args.length !== 1 || aggregates.has(name)) return undefined;
      const inner = this.#column(args[0], scope);
      const called = qualified(call['funcname']);
      return inner && wrap(inner, `${called}(${inner.wrapped ?? '%'})`, { call: called });
    }
    const names = list(child(node, 'ColumnRef')?.['fields']).map(nameOf);
    const column = names.at(-1);
    if (!column) return undefined;
    const qualifier = names.at(-2);
    for (let at: Scope | undefined = scope; at; at = at.outer)
      for (const use of at.uses) {
        if (qualifier ? use.alias !== qualifier : !this.#columnsOf(use.table, use.schema)?.has(column))
          continue;
        return { use, column, wrapped: null };
      }
    return undefined;
  }
}
