import type pg from 'pg';
import { withReader } from '../../session.ts';
import { describeTable, fingerprintOf, READING, type TableDescription, typed } from '../description.ts';
import { searchPathOf } from '../functions.ts';
import { FreeNames } from '../names.ts';
import { keysOf, noKey, reasons, refusalOf } from '../refusals.ts';
import { accessNotes } from './access.ts';
import type { MovedMigration } from './declared.ts';
import { compareSql, contentSql } from './extractCompare.ts';
import { phasesOf } from './extractPhases.ts';
import { copySql, drainSql, type Extract, namesOf, type Rule, ruleText } from './extractSql.ts';
import { commonRefusals } from './refusals.ts';

export interface ExtractOptions {
  /** As SQL writes it. */
  table: string;
  /** The copies. */
  columns: readonly string[];
  /** The column that determines them. */
  key: string;
  /** Name of the new table. */
  into: string;
  /** Which copy counts where they contradict each other: `latest-by COLUMN` or `most-frequent`. */
  resolve?: Rule;
}

interface Content {
  rows: number;
  keys: number;
  largest: number;
  contradicting: number;
  examples: string[];
  /** Rows that have no key and say something in the columns. */
  keyless: number;
}

/**
 * What has to be done so that columns whose values another column determines move to a table with one row for each of
 * its values, while they are written to. Reads only.
 *
 * @throws OperationError with every reason why it cannot be done as asked, and what to do
 */
export const planExtract = (url: string, options: ExtractOptions): Promise<MovedMigration> =>
  withReader(url, READING, (client) => planIn(client, options));

async function planIn(client: pg.ClientBase, options: ExtractOptions): Promise<MovedMigration> {
  const d = await describeTable(client, options.table);
  const { schema, name, owner, oid } = d.table;
  const { reasons: found, later } = await commonRefusals(client, d, options.columns);
  const { no } = reasons(found);
  const known = (column: string) => d.columns.find((each) => each.name === column);
  const key = known(options.key);
  const identity = keysOf(d)[0];
  no(!identity, noKey(d));
  no(
    !key,
    `${schema}.${name} has no column ${options.key}. It has ${d.columns.map((each) => each.name).join(', ')}.`,
  );
  no(options.columns.length === 0, 'Name the columns that move with --columns.');
  no(options.columns.includes(options.key), `${options.key} cannot be the key and move too.`);
  no(
    key?.generated === 'v',
    `${options.key} is a virtual generated column, which no index and no foreign key can have.`,
  );
  no(
    d.indexes.some(
      (index) =>
        index.unique &&
        index.valid &&
        !index.partial &&
        index.columns.length === 1 &&
        index.columns[0] === options.key,
    ),
    `${options.key} is unique: each of its values is in one row, and nothing is copied.`,
  );
  const { resolve } = options;
  const latest = resolve?.kind === 'latest-by' ? known(resolve.column) : undefined;
  no(
    resolve?.kind === 'latest-by' && !latest,
    `${schema}.${name} has no column ${resolve?.kind === 'latest-by' ? resolve.column : ''} that could say which row is the latest.`,
  );
  no(
    latest && options.columns.includes(latest.name),
    `${latest?.name} cannot decide which row is the latest, and move too.`,
  );
  const ordered = [key, latest].filter((column) => column !== undefined);
  for (const column of ordered)
    no(
      !(await hasOrder(client, oid, column.name)),
      `${column.name} is of type ${column.type}, whose values have no order.`,
    );
  const free = await FreeNames.of(client, schema);
  no(
    free.take(options.into) !== options.into,
    `A relation, type or function ${options.into} already exists. Give another name with --into.`,
  );
  const what = `${options.into} cannot be extracted from ${schema}.${name} as asked`;
  if (found.length > 0 || !key || !identity) throw refusalOf(what, found);

  const take = (suffix: string) => free.take(options.into, suffix);
  const e: Extract = {
    schema,
    table: name,
    into: options.into,
    ledger: take('_contradictions'),
    queue: take('_sqltrail_changed'),
    key: { name: key.name, type: key.type },
    columns: options.columns.map((column) => ({
      name: column,
      notNull: known(column)?.notNull ?? false,
      default: known(column)?.default ?? null,
    })),
    identity: typed(d, identity),
    rule: resolve ?? { kind: 'most-frequent' },
    searchPath: searchPathOf(d),
    fn: {
      note: take('_sqltrail_note'),
      put: take('_sqltrail_put'),
      forward: take('_sqltrail_forward'),
      written: take('_sqltrail_written'),
      fill: take('_sqltrail_fill'),
      reverse: take('_sqltrail_reverse'),
      back: take('_sqltrail_back'),
    },
  };
  const { rows } = await client.query<Content>(contentSql(e));
  const content = rows[0] as Content;
  no(
    content.contradicting > 0 && !resolve,
    `The copies of ${content.contradicting} of ${content.keys} ${key.name}s contradict each other (for example ${content.examples.join(', ')}). Say which one counts: --resolve latest-by COLUMN (that of the row with the highest value there), or --resolve most-frequent. The others are kept in ${schema}.${e.ledger}.`,
  );
  no(
    content.keyless > 0,
    `${content.keyless} rows have no ${key.name} and yet say something in ${namesOf(e).join(', ')}, which would belong to no row of the new table. Give them a ${key.name}, or clear those columns, first.`,
  );
  if (found.length > 0) throw refusalOf(what, found);
  const index = d.indexes.some(
    (each) => each.valid && !each.partial && each.method === 'btree' && each.columns[0] === key.name,
  )
    ? undefined
    : free.take(name, `_${key.name}_idx`);
  const definition = await fingerprintOf(client, oid);
  return {
    sqltrail: 'migration',
    version: 1,
    operation: 'extract',
    name: `extract ${schema}.${e.into} from ${name} (OID ${oid})`,
    table: { oid, schema, name, owner },
    choices: {
      columns: namesOf(e).join(', '),
      key: key.name,
      into: e.into,
      ...(resolve ? { resolve: ruleText(resolve) } : {}),
    },
    notes: [...notesFor(d, e, content, later, index), ...accessNotes(d, e.into)],
    size: d.size,
    definition,
    moved: {
      searchPath: e.searchPath,
      into: e.into,
      ledger: e.ledger,
      columns: namesOf(e),
      functions: Object.values(e.fn),
      copy: copySql(e),
      drain: drainSql(e),
      compare: compareSql(e),
    },
    phases: phasesOf(d, e, { index, foreignKey: free.take(name, `_${key.name}_fkey`) }, definition),
  };
}

async function hasOrder(client: pg.ClientBase, oid: string, column: string): Promise<boolean> {
  const { rows } = await client.query<{ ordered: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_opclass AS o JOIN pg_am AS m ON m.oid = o.opcmethod
              WHERE m.amname = 'btree' AND o.opcdefault AND (o.opcintype IN (y.oid, y.typbasetype)
                    OR o.opcintype = 'anyenum'::regtype AND y.typtype = 'e' OR o.opcintype = 'text'::regtype AND y.oid = 'varchar'::regtype)) AS ordered
       FROM pg_attribute AS a JOIN pg_type AS y ON y.oid = a.atttypid WHERE a.attrelid = $1::oid AND a.attname = $2`,
    [oid, column],
  );
  return rows[0]?.ordered ?? false;
}

function notesFor(
  d: TableDescription,
  e: Extract,
  { keys, contradicting, largest }: Content,
  later: readonly string[],
  index: string | undefined,
): string[] {
  const into = `${e.schema}.${e.into}`;
  const columns = namesOf(e).join(', ');
  return [
    `${into} gets one row for each ${e.key.name}, ${keys} of them now, with ${columns}.`,
    `The copies of ${contradicting} contradict each other; ${contradicting > 0 ? '' : 'where some come to, '}the one that counts is chosen by ${ruleText(e.rule)}, and all of them are kept in ${e.schema}.${e.ledger}, which stays.`,
    `Up to the cutover the columns of ${d.table.name} are what counts. From the cutover on what is written last counts, on either side: a row of ${into} that changes is written to the columns of all its rows (up to ${largest} now), and a row of ${d.table.name} that is written with another value changes ${into} and no other row. A new row that leaves the columns out gets them from ${into}.`,
    `complete adds a foreign key from ${d.table.name}.${e.key.name} to ${into}: from then on the row there has to be made first.`,
    `A copy that was meant to keep the state of its time, such as the address to which something was delivered, must not move.`,
    ...(index
      ? [
          `${d.table.name} gets the index ${index} on ${e.key.name}, which stays: the foreign key needs it too.`,
        ]
      : []),
    ...(later.length > 0
      ? [`complete stops while these use ${columns}; change or drop them before: ${later.join('; ')}.`]
      : []),
  ];
}
