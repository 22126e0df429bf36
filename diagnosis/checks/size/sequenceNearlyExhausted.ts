import { count } from '../../../lib/units/format.ts';
import type { Check, CheckContext } from '../../check.ts';
import type { OperationOf, SchemaChange } from '../../fix.ts';
import type { Table } from '../../relations.ts';
import { retypeOf } from '../operations.ts';

/** Half of the range took the time until now; at the pace of now the other half takes no longer. */
const MIN_SHARE = 0.5;
const CRITICAL_SHARE = 0.9;

/** Largest value of each integer type. */
const MAX_VALUES: Record<string, number> = {
  smallint: 2 ** 15 - 1,
  integer: 2 ** 31 - 1,
  bigint: 2 ** 63 - 1,
};
const LARGEST = 'bigint';

interface Sequence {
  schema: string;
  sequence: string;
  type: string;
  increment: number;
  min: number;
  max: number;
  /** Null where it was never used, or this role may not read it. */
  last: number | null;
}

/** Sequences that do not begin again, each with the column that its numbers go to. */
const readSequences = ({ session }: CheckContext) =>
  session.query<Sequence & { oid: number | null; column: string | null; identity: boolean | null }>(
    `WITH fed AS (
       SELECT objid AS sequence, refobjid AS relation, refobjsubid AS attnum, deptype = 'i' AS identity FROM pg_depend
        WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND refobjsubid > 0
       UNION
       SELECT d.refobjid, f.adrelid, f.adnum, false FROM pg_attrdef AS f
         JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'n')
     SELECT n.nspname::text AS schema, c.relname::text AS sequence, format_type(s.seqtypid, NULL) AS type, s.seqincrement::float8 AS increment,
            s.seqmin::float8 AS min, s.seqmax::float8 AS max, v.last_value::float8 AS last, fed.relation::int8::float8 AS oid,
            a.attname::text AS column, fed.identity
       FROM pg_sequence AS s JOIN pg_class AS c ON c.oid = s.seqrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
       JOIN pg_sequences AS v ON v.schemaname = n.nspname AND v.sequencename = c.relname
       LEFT JOIN fed ON fed.sequence = c.oid LEFT JOIN pg_attribute AS a ON a.attrelid = fed.relation AND a.attnum = fed.attnum
      WHERE NOT s.seqcycle AND c.relpersistence <> 't'`,
  );

/** The largest value of each integer column that is a key, as ANALYZE saw it. */
const readKeys = ({ session }: CheckContext) =>
  session.query<{ oid: number; column: string; largest: number }>(
    `SELECT k.oid::int8::float8 AS oid, k.attname::text AS column, (bounds)[cardinality(bounds)]::float8 AS largest
       FROM (SELECT i.indrelid AS oid, a.attname, s.histogram_bounds::text::text[] AS bounds
               FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
               JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
               JOIN pg_stats AS s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
              WHERE i.indisunique AND i.indnkeyatts = 1 AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)) AS k
      WHERE cardinality(bounds) > 0`,
  );

interface Use {
  table: Table | undefined;
  column: string | undefined;
  /** Of the column; of the sequence where that feeds none. */
  type: string;
  sequence: Sequence | undefined;
  /** Postgres changes the sequence of an identity with its column. */
  identity: boolean;
  value: number;
  limit: number;
  how: string;
}

const shareOf = ({ value, limit }: Use) => value / limit;

function useOf(
  table: Table | undefined,
  column: string | undefined,
  sequence: Sequence | undefined,
): Pick<Use, 'table' | 'column' | 'type' | 'sequence' | 'limit'> | undefined {
  const type = table?.columns.find(({ name }) => name === column)?.type ?? sequence?.type ?? '';
  const ofType = MAX_VALUES[type];
  if (ofType === undefined) return undefined;
  const down = sequence !== undefined && sequence.increment < 0;
  const ofSequence = sequence ? (down ? sequence.min : sequence.max) : ofType;
  return {
    table,
    column,
    type,
    sequence,
    limit: down ? Math.max(ofSequence, -ofType - 1) : Math.min(ofSequence, ofType),
  };
}

async function* uses(context: CheckContext): AsyncGenerator<Use> {
  const tableOf = (oid: number | null) => context.tables.find((table) => table.oid === oid);
  for (const { oid, column, identity, ...sequence } of await readSequences(context)) {
    const table = tableOf(oid);
    // That of a table which is not looked at: of an extension, or gone meanwhile.
    if (oid !== null && !table) continue;
    const use = useOf(table, column ?? undefined, sequence);
    if (use && sequence.last !== null)
      yield {
        ...use,
        identity: identity ?? false,
        value: sequence.last,
        how: `SELECT last_value FROM ${context.session.quote(sequence.schema, sequence.sequence)}`,
      };
  }
  for (const { oid, column, largest } of await readKeys(context)) {
    const use = useOf(tableOf(oid), column, undefined);
    if (use?.table)
      yield {
        ...use,
        identity: false,
        value: largest,
        how: `SELECT max(${context.session.quote(column)}) FROM ${context.session.quote(use.table.schema, use.table.name)}`,
      };
  }
}

/** The column, its sequence and the columns that refer to it, each with the largest type. */
function changesFor(context: CheckContext, { table, column, type, sequence, identity }: Use): SchemaChange[] {
  const changes: SchemaChange[] = [];
  const widen = (of: Table, name: string, from: string) => {
    if (from !== LARGEST && from in MAX_VALUES)
      changes.push({
        change: 'column type',
        schema: of.schema,
        table: of.name,
        column: name,
        from,
        to: LARGEST,
      });
  };
  if (sequence && !identity && sequence.type !== LARGEST)
    changes.push({
      change: 'sequence type',
      schema: sequence.schema,
      sequence: sequence.sequence,
      from: sequence.type,
      to: LARGEST,
    });
  if (!table || column === undefined) return changes;
  widen(table, column, type);
  for (const other of context.tables)
    for (const { columns, referenced } of other.foreignKeys) {
      const at = referenced.columns.indexOf(column);
      const name = columns[at];
      if (name === undefined || referenced.schema !== table.schema || referenced.table !== table.name)
        continue;
      widen(other, name, other.columns.find((each) => each.name === name)?.type ?? '');
    }
  return changes;
}

/** What refers to a key comes before it; what does so in its own table goes with it. */
function operationsFor(
  context: CheckContext,
  { table }: Use,
  changes: readonly SchemaChange[],
): OperationOf<'retype'>[] {
  const widened = new Map<Table, { column: string; type: string }[]>();
  for (const change of changes) {
    if (change.change !== 'column type') continue;
    const of = context.tables.find(({ schema, name }) => schema === change.schema && name === change.table);
    if (of) widened.set(of, [...(widened.get(of) ?? []), { column: change.column, type: change.to }]);
  }
  return [...widened]
    .sort(([a], [b]) => Number(a === table) - Number(b === table))
    .flatMap(([of, columns]) => retypeOf(of, columns));
}

export const check: Check = {
  id: 'sequence-nearly-exhausted',
  group: 'size',
  title: 'Sequences and integer keys that run out of numbers',
  description:
    'Sequences and integer keys past half of their range, by the last number given and by the largest value that ANALYZE saw; an integer column that a bigint sequence feeds ends with the column.',
  whileObserving: true,
  async *run(context) {
    const worst = new Map<string, Use>();
    for await (const use of uses(context)) {
      const { table, column, sequence } = use;
      const key = table
        ? `${table.schema}.${table.name}(${column})`
        : `${sequence?.schema}.${sequence?.sequence}`;
      const known = worst.get(key);
      // What feeds the column is part of the fix, whichever of the two shows more.
      const more = known && shareOf(known) > shareOf(use) ? known : use;
      if (shareOf(use) >= MIN_SHARE)
        worst.set(key, {
          ...more,
          sequence: use.sequence ?? known?.sequence,
          identity: use.identity || (known?.identity ?? false),
        });
    }
    for (const [key, use] of worst) {
      const { table, column, type, sequence, value, limit, how } = use;
      const share = shareOf(use);
      const name = table ? `${table.name}.${column}` : `the sequence ${sequence?.sequence}`;
      const ofType = Math.abs(limit) >= (MAX_VALUES[type] ?? 0);
      const changes = ofType || type !== LARGEST ? changesFor(context, use) : [];
      const operations = operationsFor(context, use, changes);
      yield {
        id: `sequence-nearly-exhausted:${key}`,
        check: 'sequence-nearly-exhausted',
        severity: share >= CRITICAL_SHARE ? 'critical' : 'warning',
        title: `${name} has used ${Math.floor(share * 100)} % of its numbers`,
        explanation: `The last one is ${count(value)} of ${count(limit)}, ${ofType ? `the end of the type ${type}` : 'the end of its sequence'}. Behind it every insert fails, at once and on all servers.${sequence && table && sequence.type !== type ? ` Its sequence is of the type ${sequence.type}, which does not help: the column is ${type}.` : ''}`,
        cause: 'maintenance-behind',
        objects: table
          ? [
              {
                schema: table.schema,
                table: table.name,
                ...(column === undefined ? {} : { columns: [column] }),
              },
            ]
          : [{ schema: sequence?.schema ?? '' }],
        statements: [],
        evidence: [
          {
            label: 'share of the range that is used',
            value: Math.round(share * 1000) / 1000,
            unit: '1',
            how,
          },
          { label: 'last number', value, unit: '1', how },
        ],
        cost: {},
        confidence: {
          level: sequence ? 1 : 0.9,
          basis: sequence ? 'exact' : 'statistics',
        },
        explains: { kpis: ['request-failure-ratio', 'checkout-failure-ratio'], traces: [] },
        fix: {
          kind: 'migration',
          summary:
            changes.length > 0
              ? `give ${changes.map((change) => ('column' in change ? `${change.table}.${change.column}` : 'the sequence')).join(', ')} the type ${LARGEST}`
              : ofType
                ? 'numbers of another kind, such as uuid, or a sequence that begins again below'
                : 'raise the MAXVALUE of the sequence',
          changes,
          ...(operations.length === 0 ? {} : { operations }),
          lock: 'ACCESS EXCLUSIVE while each table and its indexes are written anew; sqltrail migrate does it online, with that lock for milliseconds',
          ...(table ? { bytes: table.totalBytes } : {}),
          risk: 'Applications that read the key into 32 bits have to be changed first.',
          expectedEffect: 'numbers for good',
        },
      };
    }
  },
};
