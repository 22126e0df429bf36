import { parseSync } from 'libpg-query';
import { deparseSync } from 'pgsql-deparser';

/** A node of Postgres's parse tree, as libpg-query gives it. */
export type Node = Record<string, unknown>;

export const list = (value: unknown): Node[] => (Array.isArray(value) ? (value as Node[]) : []);
export const child = (node: unknown, key: string) => (node as Node | undefined)?.[key] as Node | undefined;
export const nameOf = (node: unknown) => child(node, 'String')?.['sval'] as string | undefined;
export const copy = <T>(value: T): T => structuredClone(value);

/** Keys of a node that are not among those that are known: what an allow-list refuses. */
export const beyond = (node: Node, known: readonly string[]): string[] =>
  Object.keys(node).filter((key) => key !== 'location' && !known.includes(key));

const string = (sval: string): Node => ({ String: { sval } });
export const parameter = (number: number): Node => ({ ParamRef: { number } });
export const literal = (sval: string): Node => ({ A_Const: { sval: { sval } } });
export const operation = (operator: string, lexpr: Node, rexpr: Node): Node => ({
  A_Expr: { kind: 'AEXPR_OP', name: [string(operator)], lexpr, rexpr },
});
/** A cast to a built-in type by its internal name (int8, text, timestamp). */
export const cast = (arg: Node, type: string): Node => ({
  TypeCast: {
    arg,
    // As the parser itself has it: text and date are names as any other, the rest are words of the grammar.
    typeName: {
      names: ['text', 'date'].includes(type) ? [string(type)] : [string('pg_catalog'), string(type)],
      typemod: -1,
    },
  },
});
export const call = (name: string, ...args: Node[]): Node => ({
  FuncCall: {
    funcname: [string('pg_catalog'), string(name)],
    args,
    funcformat: 'COERCE_EXPLICIT_CALL',
  },
});
export const collateC = (arg: Node): Node => ({ CollateClause: { arg, collname: [string('C')] } });
/** CASE WHEN … THEN … ELSE …: the only form in which Postgres promises not to evaluate what is not reached. */
export const choose = (cases: [when: Node, then: Node][], otherwise?: Node): Node => ({
  CaseExpr: {
    args: cases.map(([expr, result]) => ({ CaseWhen: { expr, result } })),
    ...(otherwise ? { defresult: otherwise } : {}),
  },
});
export const row = (args: Node[]): Node => ({ RowExpr: { args, row_format: 'COERCE_IMPLICIT_CAST' } });
export const and = (arms: Node[]): Node =>
  arms.length === 1 ? (arms[0] as Node) : { BoolExpr: { boolop: 'AND_EXPR', args: arms } };

export function* walk(node: unknown): Generator<Node> {
  if (Array.isArray(node)) for (const item of node) yield* walk(item);
  else if (node !== null && typeof node === 'object') {
    yield node as Node;
    for (const value of Object.values(node)) yield* walk(value);
  }
}

/** Numbers of the parameters below a node, each as often as it is there. */
export const numbersOf = (node: unknown): number[] =>
  [...walk(node)].flatMap((each) => (child(each, 'ParamRef')?.['number'] as number | undefined) ?? []);

/** @returns the one statement of the text; undefined when Postgres's parser does not take it. */
export function parseOne(sql: string): Node | 'several' | undefined {
  try {
    const { stmts = [] } = parseSync(sql) as unknown as { stmts?: { stmt?: Node }[] };
    return stmts.length === 1 ? stmts[0]?.stmt : 'several';
  } catch {
    return undefined;
  }
}

/** @throws Error when the tree has no text */
export const textOf = (select: Node): string =>
  deparseSync({ SelectStmt: select } as never).replace(/;\s*$/, '');

export const expressionText = (node: unknown): string =>
  textOf({
    targetList: [{ ResTarget: { val: node } }],
    limitOption: 'LIMIT_OPTION_DEFAULT',
    op: 'SETOP_NONE',
  })
    .replace(/^SELECT\s+/, '')
    .trim();

const canonical = (node: unknown): unknown => {
  if (Array.isArray(node)) return node.map(canonical);
  if (node === null || typeof node !== 'object') return node;
  return Object.fromEntries(
    Object.entries(node)
      .filter(([key]) => !/^location$|^rexpr_list_(start|end)$/.test(key))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, canonical(value)]),
  );
};

/** Whether two trees say the same, wherever in their text it stands. */
export const sameTree = (a: unknown, b: unknown): boolean =>
  JSON.stringify(canonical(a)) === JSON.stringify(canonical(b));

/**
 * The text of a SELECT that the parser reads back as the very same tree: parentheses and quotes that the text lost
 * would make another statement of it.
 *
 * @returns undefined when it has none
 */
export function faithfulText(select: Node): string | undefined {
  try {
    const text = textOf(select);
    return sameTree(child(parseOne(text), 'SelectStmt'), select) ? text : undefined;
  } catch {
    return undefined;
  }
}
