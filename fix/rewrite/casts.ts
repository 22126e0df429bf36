import type { Session } from '../../diagnosis/readSession.ts';
import { type Condition, type DateForm, refuse } from './conditions.ts';
import { type ColumnFacts, digitsSort, type TableFacts } from './facts.ts';
import { type CastComparison, type Reading, totalBy } from './statement.ts';
import {
  and,
  call,
  cast,
  child,
  choose,
  collateC,
  copy,
  list,
  literal,
  type Node,
  nameOf,
  operation,
  parseOne,
  sameTree,
  walk,
} from './tree.ts';

interface Form {
  format: string;
  /** In Postgres's dialect. */
  pattern: string;
  least: string;
  most: string;
  /** Sorts after every text of the form and before none. */
  beyond: string;
}

const FORMS: Record<DateForm, Form> = {
  timestamp: {
    format: 'YYYY-MM-DD HH24:MI:SS',
    pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$',
    least: '0001-01-01 00:00:00',
    most: '9999-12-31 23:59:59',
    beyond: '9999-12-31 23:59:60',
  },
  date: {
    format: 'YYYY-MM-DD',
    pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$',
    least: '0001-01-01',
    most: '9999-12-31',
    beyond: '9999-12-32',
  },
};

/** The two conditions that a CHECK has to hold for the texts of a column to be its dates, one for one and in order. */
const armsOf = (quoted: string, form: DateForm) => [
  `${quoted} ~ '${FORMS[form].pattern}'`,
  `${quoted} = to_char(${quoted}::timestamp, '${FORMS[form].format}')`,
];

/** Casts between texts, which pg_get_expr() adds to say what is so anyway, are taken off. */
function plain(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(plain);
  if (node === null || typeof node !== 'object') return node;
  const name = list(child(child((node as Node)['TypeCast'], 'typeName'), 'names'))
    .map(nameOf)
    .at(-1);
  if (name === 'text') return plain(child(node, 'TypeCast')?.['arg']);
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, plain(value)]));
}

const expressionOf = (sql: string): Node | undefined => {
  const statement = parseOne(`SELECT ${sql}`);
  if (statement === undefined || statement === 'several') return undefined;
  const [target] = list(child(statement, 'SelectStmt')?.['targetList']);
  return plain(child(target, 'ResTarget')?.['val']) as Node | undefined;
};

function armsOfCheck(expression: Node | undefined): Node[] {
  const all = child(expression, 'BoolExpr');
  return all?.['boolop'] === 'AND_EXPR'
    ? list(all['args']).flatMap(armsOfCheck)
    : expression
      ? [expression]
      : [];
}

/** The constraints by which every text of a column, now and later, is a date in the one form; undefined without. */
function checksOf(form: DateForm, { checks }: TableFacts, quoted: string): string[] | undefined {
  const names = armsOf(quoted, form).map((wanted) => {
    const tree = expressionOf(wanted);
    return checks.find(({ expression }) =>
      armsOfCheck(expressionOf(expression)).some((arm) => sameTree(arm, tree)),
    )?.name;
  });
  return names.includes(undefined) ? undefined : [...new Set(names as string[])];
}

/**
 * The number that a text is, or NULL where no whole number is written like that: `id::text` has neither blanks nor
 * leading zeros. A CASE evaluates no cast before its condition held, so no text raises an error.
 */
function numberOf(value: Node, { type }: ColumnFacts): Node {
  const text = cast(copy(value), 'text');
  const written = (pattern: string) => operation('~', collateC(copy(text)), literal(pattern));
  const whole = cast(copy(text), 'int8');
  // Smaller types are compared as bigint, which needs no cast of the column and no look at their range.
  if (type !== 'bigint') return choose([[written('^(0|-?[1-9][0-9]{0,9})$'), whole]]);
  const between: Node = {
    A_Expr: {
      kind: 'AEXPR_BETWEEN',
      name: [{ String: { sval: 'BETWEEN' } }],
      lexpr: cast(copy(text), 'numeric'),
      rexpr: {
        List: {
          items: ['-9223372036854775808', '9223372036854775807'].map((each) =>
            cast(literal(each), 'numeric'),
          ),
        },
      },
    },
  };
  return choose([
    [written('^(0|-?[1-9][0-9]{0,17})$'), whole],
    [written('^-?[1-9][0-9]{18}$'), choose([[between, copy(whole)]])],
  ]);
}

/**
 * The text that sorts among the column's texts as a date does among their dates. A fraction of a second is no text of
 * the form: `>` and `<=` take the second that it is in, `<` and `>=` the next, and `=` finds nothing.
 */
function textOfDate(value: Node, form: DateForm, operator: CastComparison['operator']): Node {
  const { format, least, most, beyond } = FORMS[form];
  const date = cast(copy(value), form);
  // to_char() of a date would go by way of the session's time zone, which has days that are missing.
  const moment = form === 'date' ? cast(copy(date), 'timestamp') : copy(date);
  const printed = (at: Node) => call('to_char', at, literal(format));
  const limit = (text: string) => cast(literal(text), form);
  const outside: [Node, Node][] = [
    [operation('<', copy(date), limit(least)), literal('')],
    [operation('>', copy(date), limit(most)), literal(beyond)],
  ];
  if (form === 'date' || operator === '>' || operator === '<=') return choose(outside, printed(moment));
  const second = call('date_trunc', literal('second'), copy(moment));
  const isWhole = operation('=', copy(moment), copy(second));
  if (operator === '=') return choose([...outside, [isWhole, printed(moment)]]);
  const next = operation('+', copy(second), cast(literal('1 second'), 'interval'));
  return choose([...outside, [isWhole, printed(moment)]], printed(next));
}

export interface Uncast {
  select: Node;
  conditions: Condition[];
}

/**
 * The conditions under which the casts of a statement raise no error, which every form of rewriting needs.
 *
 * @throws Refused
 */
export async function castConditions(reading: Reading, session: Session): Promise<Condition[]> {
  const { arms, sorts, table } = reading;
  const conditions = new Map<string, Condition>();
  const add = (condition: Condition) => conditions.set(JSON.stringify(condition), condition);
  const dates = [
    ...arms.flatMap(({ cast: found }) =>
      found && found.to !== 'text' ? [{ ...found, form: found.to }] : [],
    ),
    ...sorts.flatMap(({ column, to }) => (to ? [{ column, form: to }] : [])),
  ];
  for (const { column, form } of dates) {
    const quoted = session.quote(column.name);
    const constraints = checksOf(form, table, quoted);
    if (!constraints)
      refuse({
        kind: 'no check',
        column: column.name,
        form,
        remedy: `ALTER TABLE ${session.quote(table.schema, table.name)} ADD CHECK (${armsOf(quoted, form).join(' AND ')}) NOT VALID`,
      });
    const { collation } = column;
    if (!collation?.deterministic || collation.ownRules || !(await digitsSort(session, collation)))
      refuse({ kind: 'collation', column: column.name, collation: collation?.name ?? '' });
    add({ kind: 'check', column: column.name, constraints, form });
    add({ kind: 'collation', column: column.name, collation: collation.name });
  }
  for (const { cast: found } of arms)
    if (found?.to === 'text')
      add({ kind: 'column type', column: found.column.name, type: found.column.type });
  return [...conditions.values()];
}

/**
 * The statement with the casts off its columns; undefined when there is none.
 *
 * @throws Refused
 */
export function withoutCasts(reading: Reading): Uncast | undefined {
  const { arms, sorts } = reading;
  if (!arms.some((arm) => arm.cast) && !sorts.some(({ to }) => to)) return undefined;
  const conditions: Condition[] = [];
  const limited =
    reading.output !== null &&
    (reading.select['limitCount'] !== undefined || reading.select['limitOffset'] !== undefined);
  if (limited) {
    const one = totalBy(reading, false);
    const total = totalBy(reading);
    if (one && one.nullable === null)
      conditions.push({ kind: 'at most one row', index: one.key.index, columns: one.key.columns });
    else if (!total || total.nullable !== null)
      refuse({
        kind: 'order not total',
        sort: sorts.map(({ column }) => column.name),
        keys: reading.table.uniqueKeys.map(({ columns }) => columns),
      });
    else conditions.push({ kind: 'unique key', index: total.key.index, columns: total.key.columns });
  } else if (reading.output !== null)
    conditions.push({ kind: 'order of ties', sort: sorts.map(({ column }) => column.name) });
  const select = copy(reading.select);
  const changed = arms.map((arm) => {
    if (!arm.cast) return copy(arm.node);
    const { column, reference, to, operator, value } = arm.cast;
    const [number] = [...walk(value)].flatMap(
      (node) => (child(node, 'ParamRef')?.['number'] as number) ?? [],
    );
    if (number !== undefined)
      conditions.push({ kind: 'any value', parameter: number, form: to === 'text' ? 'number' : to });
    const given = (child(value, 'TypeCast')?.['arg'] ?? value) as Node;
    return operation(
      operator,
      copy(reference),
      to === 'text' ? numberOf(given, column) : textOfDate(given, to, operator),
    );
  });
  if (changed.length > 0) select['whereClause'] = and(changed);
  select['sortClause'] = sorts.map(({ node, reference }) => ({
    SortBy: { ...copy(node), node: copy(reference) },
  }));
  if (sorts.length === 0) delete select['sortClause'];
  return { select, conditions };
}
