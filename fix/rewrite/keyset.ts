import type { Session } from '../../diagnosis/readSession.ts';
import { type Condition, refuse } from './conditions.ts';
import { isoDates } from './facts.ts';
import { type Reading, totalBy } from './statement.ts';
import { and, copy, type Node, numbersOf, operation, parameter, row } from './tree.ts';

/** Types whose values come back as they went out, and compare with nothing but the column's own order. */
const KEY_TYPES = [
  'smallint',
  'integer',
  'bigint',
  'numeric',
  'text',
  'character varying',
  'uuid',
  'date',
  'timestamp without time zone',
  'timestamp with time zone',
];

export interface Keyset {
  select: Node;
  /** The same without OFFSET: the first page. */
  firstPage: Node;
  keys: { parameter: number; column: string; reference: Node }[];
  conditions: Condition[];
}

/**
 * A page by the values of the row before it instead of by how many rows come before; undefined without OFFSET.
 *
 * @throws Refused
 */
export async function keysetOf(reading: Reading, session: Session): Promise<Keyset | undefined> {
  const { select, sorts, output, arms, table } = reading;
  if (!select['limitOffset']) return undefined;
  if (output === null) refuse({ kind: 'aggregate' });
  if (sorts.length === 0) refuse({ kind: 'no order' });
  const cast = sorts.find(({ to }) => to);
  if (cast) refuse({ kind: 'order by', expression: `${cast.column.name}::${cast.to}` });
  const total = totalBy(reading);
  if (!total)
    refuse({
      kind: 'order not total',
      sort: sorts.map(({ column }) => column.name),
      keys: table.uniqueKeys.map(({ columns }) => columns),
    });
  const [first] = sorts;
  if (sorts.some(({ descending }) => descending !== first?.descending)) refuse({ kind: 'both directions' });
  for (const { column } of sorts) {
    if (!column.notNull) refuse({ kind: 'nullable key', column: column.name });
    if (!KEY_TYPES.includes(column.type) || column.kind !== 'built-in')
      refuse({ kind: 'key type', column: column.name, type: column.type });
    if (column.collation && !column.collation.deterministic)
      refuse({ kind: 'collation', column: column.name, collation: column.collation.name });
  }
  if (total.nullable) refuse({ kind: 'nullable key', column: total.nullable });
  // The application reads them by their names, which another column of the output must not have.
  const missing = sorts.filter(({ column }) => {
    const named = output.filter((each) => each.name === column.name);
    return named.length === 0 || named.some((each) => each.column !== column.name);
  });
  if (missing.length > 0)
    refuse({ kind: 'key not selected', columns: missing.map(({ column }) => column.name) });
  const zoned = sorts.filter(({ column }) => column.type === 'timestamp with time zone');
  if (zoned.length > 0 && !(await isoDates(session))) refuse({ kind: 'date style' });

  // The number of OFFSET is free now: the server wants every number up to the highest to be used.
  const most = Math.max(0, ...numbersOf(select));
  const [freed] = numbersOf(select['limitOffset']);
  const unique = sorts.filter(({ column }, at) => sorts.findIndex((each) => each.column === column) === at);
  const keys = unique.map(({ column, reference }, at) => ({
    parameter: freed === undefined ? most + 1 + at : at === 0 ? freed : most + at,
    column: column.name,
    reference,
  }));
  const { limitOffset: _, ...rest } = copy(select);
  if (!rest['limitCount']) rest['limitOption'] = 'LIMIT_OPTION_DEFAULT';
  const operator = first?.descending ? '<' : '>';
  const references = keys.map(({ reference }) => copy(reference));
  const values = keys.map((key) => parameter(key.parameter));
  const after =
    keys.length === 1
      ? operation(operator, references[0] as Node, values[0] as Node)
      : operation(operator, row(references), row(values));
  const parameters = keys.map((key) => key.parameter);
  return {
    firstPage: rest,
    select: { ...copy(rest), whereClause: and([...arms.map(({ node }) => copy(node)), after]) },
    keys,
    conditions: [
      { kind: 'unique key', index: total.key.index, columns: total.key.columns },
      ...unique.map(({ column }): Condition => ({ kind: 'not null', column: column.name })),
      ...unique.flatMap(({ column }): Condition[] =>
        column.collation
          ? [{ kind: 'collation', column: column.name, collation: column.collation.name }]
          : [],
      ),
      { kind: 'values of the row before', parameters, columns: keys.map(({ column }) => column) },
      { kind: 'unchanged between pages' },
      ...(zoned.length > 0
        ? [
            {
              kind: 'date style',
              parameters: keys
                .filter(({ column }) => zoned.some((each) => each.column.name === column))
                .map((key) => key.parameter),
            } satisfies Condition,
          ]
        : []),
    ],
  };
}
