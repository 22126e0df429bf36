import { byApplication, type Condition, type DateForm, type Refusal } from '../fix/rewrite/conditions.ts';
import { isRewrite, type RewriteAnswer } from '../fix/rewrite/rewrite.ts';

const FORMS: Record<DateForm, string> = { timestamp: 'YYYY-MM-DD HH24:MI:SS', date: 'YYYY-MM-DD' };

const parametersText = (numbers: readonly number[]) => numbers.map((number) => `$${number}`).join(', ');

/** A condition that equality rests on, as a sentence without its full stop. */
export function conditionText(condition: Condition): string {
  switch (condition.kind) {
    case 'table': {
      const table = `${condition.schema}.${condition.table}`;
      if (condition.by === 'qualified') return `the statement names its table with its schema, ${table}`;
      return condition.by === 'unique'
        ? `the table is ${table}, the only table of that name, unless a session creates a temporary one`
        : `the table is ${table}, by the given search path, unless a session creates a temporary one`;
    }
    case 'plain table':
      return `${condition.table} is a table without row-level security, child tables, foreign partitions or virtual columns`;
    case 'columns only':
      return 'it has no grouping, window, set-returning or volatile function, lock or data-modifying part; its output is columns or one count';
    case 'built-in':
      return `${condition.names.join(', ')} are the built-in ones: no user-defined one has the same name`;
    case 'no error':
      return `no row makes its other conditions raise an error: ${condition.where.map(oneLine).join('; ')}`;
    case 'not null':
      return `${condition.column} has a NOT NULL constraint`;
    case 'unique key':
      return `its order is total, by the unique index ${condition.index} (${condition.columns.join(', ')})`;
    case 'at most one row':
      return `at most one row is found, by the unique index ${condition.index} (${condition.columns.join(', ')})`;
    case 'column type':
      return `${condition.column} is of type ${condition.type}, whose text has no blanks, plus sign or leading zeros`;
    case 'collation':
      return `${condition.column} has the collation ${condition.collation}, which is deterministic`;
    case 'check':
      return `every ${condition.column} is a date written as ${FORMS[condition.form]}, by the CHECK constraint ${condition.constraints.join(' and ')}, whatever DateStyle and TimeZone a session has`;
    case 'order of ties':
      return condition.sort.length > 0
        ? `rows that are equal in ${condition.sort.join(', ')} come in no fixed order, before and after`
        : 'its rows come in no fixed order, before and after';
    case 'parameter type':
      return `$${condition.parameter} is passed as ${condition.type}, which is what the server infers if the type is not given`;
    case 'any value':
      return condition.form === 'number'
        ? `any text may be passed for $${condition.parameter}: text that is not a number as the server writes it finds nothing, as before`
        : `any ${condition.form} may be passed for $${condition.parameter}, also with a fraction of a second, infinite or before Christ`;
    case 'values of the row before':
      return `${parametersText(condition.parameters)} ${condition.parameters.length === 1 ? 'is' : 'are'} ${condition.columns.join(', ')} of the last row of the previous page, unchanged and in full (no fraction cut off); the first page has its own statement`;
    case 'unchanged between pages':
      return 'no row is added, changed or removed between two pages; if one is, OFFSET skips or repeats rows, but the rewritten statement does not';
    case 'date style':
      return `sessions print dates with DateStyle ISO, or pass ${parametersText(condition.parameters)} in binary form`;
  }
}

/** Why a statement is not rewritten, as a sentence without its full stop. */
export function refusalText(refusal: Refusal): string {
  switch (refusal.kind) {
    case 'unreadable':
      return 'pg_stat_statements keeps it in a form that Postgres itself cannot read back (a constant inside a type, or cut off)';
    case 'several statements':
      return 'it is not one statement';
    case 'no SELECT':
      return 'it is not a SELECT';
    case 'shortened list':
      return 'pg_stat_statements has shortened its list of values';
    case 'clause':
      return `it has ${refusal.clause}`;
    case 'ties':
      return 'FETCH FIRST … WITH TIES also returns all rows that tie with the last one';
    case 'not one table':
      return 'it reads something other than a single table';
    case 'no such table':
      return `there is no ${refusal.table}`;
    case 'ambiguous table':
      return `${refusal.table} exists in ${refusal.schemas.join(', ')}: give the application's schemas with --search-path`;
    case 'table':
      return refusal.has === 'no table'
        ? `${refusal.table} is not an ordinary table but a view, a foreign table or a temporary one`
        : `${refusal.table} has ${refusal.has}`;
    case 'user-defined':
      return `these built-in names may mean something else here: ${refusal.names.join(', ')}`;
    case 'select list':
      return `its output has ${oneLine(refusal.expression)}, which is not a plain column: it could return several rows, change from call to call or raise an error`;
    case 'where':
      return refusal.raises === 'error'
        ? `${oneLine(refusal.expression)} can raise an error (a pattern that ends in an escape or is invalid), and another plan reads other rows`
        : `${oneLine(refusal.expression)} may raise an error; only comparisons of a column with a value are known not to`;
    case 'repeated parameter':
      return `$${refusal.parameter} is used more than once, so its type cannot be determined`;
    case 'limit':
      return `its LIMIT or OFFSET is an expression: ${oneLine(refusal.expression)}`;
    case 'order by':
      return `it is ordered by ${oneLine(refusal.expression)}, which is not a plain column`;
    case 'output name':
      return `${refusal.column} in its ORDER BY is the name of another output column`;
    case 'order not total':
      return `${refusal.sort.length > 0 ? `rows that are equal in ${refusal.sort.join(', ')}` : 'its rows'} come in no fixed order, so it returns rows by chance and cannot have an equivalent${refusal.keys.length > 0 ? `; add a unique key to its ORDER BY first: ${refusal.keys.map((columns) => columns.join(', ')).join(' or ')}` : '; its table has no unique key that would make the order total'}`;
    case 'no order':
      return 'it has no ORDER BY, so its pages have no order to preserve';
    case 'both directions':
      return 'its ORDER BY mixes ascending and descending order';
    case 'nullable key':
      return `${refusal.column} may be NULL, which a comparison would skip: it has no NOT NULL constraint`;
    case 'key type':
      return `${refusal.column} is of type ${refusal.type}, whose values may change when they are passed back`;
    case 'key not selected':
      return `its output lacks ${refusal.columns.join(', ')} under that name, which the next page needs`;
    case 'aggregate':
      return 'its output is a count, which has neither pages nor an order';
    case 'collation':
      return `the collation ${refusal.collation} of ${refusal.column} may sort or compare texts differently`;
    case 'no check':
      return `nothing ensures that every ${refusal.column} is a date written as ${FORMS[refusal.form]}; if one is not, the cast raises an error. With this validated constraint, it can be rewritten: ${refusal.remedy}`;
    case 'parameter type':
      return `the server infers $${refusal.parameter} to be ${refusal.type}, not ${refusal.expected}`;
    case 'date style':
      return 'the server, the database or a role prints dates with another DateStyle than ISO, which may not be read back';
    case 'nothing to rewrite':
      return 'it has neither OFFSET nor a removable cast on a column';
    case 'no text':
      return 'its syntax tree cannot be converted back to the same statement';
    case 'not carried out':
      return `the server does not accept the rewritten statement: ${refusal.message}`;
    case 'not compared':
      return `it could not be compared on the data: ${refusal.message}`;
    case 'differs':
      return `on the data, the two statements give different results with the values ${refusal.values.map((value) => (value === null ? 'NULL' : `'${value}'`)).join(', ')}`;
  }
}

/** One line, unless a quoted name holds the line break. */
const oneLine = (sql: string) =>
  /["'][^"'\n]*\n[^"']*["']/.test(sql) ? sql : sql.replaceAll(/\s*\n\s*/g, ' ').trim();

export function describeRewrite(answer: RewriteAnswer): string {
  if (!isRewrite(answer))
    return `– ${oneLine(answer.original)}\n     Not rewritten: ${refusalText(answer.refusal)}.`;
  const { kind, original, rewritten, firstPage, keys, conditions, comparison } = answer;
  const own = conditions.filter((condition) => byApplication.includes(condition.kind));
  const checked = conditions.filter((condition) => !byApplication.includes(condition.kind));
  const bullets = (each: readonly Condition[]) => each.map((one) => `       - ${conditionText(one)}`);
  return [
    `✔ ${kind}`,
    `     Now:     ${oneLine(original)}`,
    `     Instead: ${oneLine(rewritten)}`,
    ...(firstPage ? [`     First:   ${oneLine(firstPage)}`] : []),
    ...(keys.length > 0
      ? [
          `     Pass:    ${keys.map(({ parameter, column }) => `$${parameter}: ${column}`).join(', ')} of the last row of the previous page`,
        ]
      : []),
    '     Equivalent, by its form and these checked conditions:',
    ...bullets(checked),
    ...(own.length > 0 ? ['     as long as the application ensures that:', ...bullets(own)] : []),
    comparison.cases > 0
      ? `     Compared: the same in ${comparison.cases} ${comparison.cases === 1 ? 'case' : 'cases'} on the data, ${comparison.rows} rows.`
      : '     Compared: only the plan, because the data has no second page.',
  ].join('\n');
}
