import { count } from '../../../lib/units/format.ts';
import type { Check, CheckContext } from '../../check.ts';
import { validationSql } from '../../fixSql.ts';
import { NOT_VALID_ON_PARTITIONED } from '../../proposals/foreignKey.ts';
import { freeName } from '../../proposals/names.ts';
import type { Column, Table } from '../../relations.ts';
import { askWithin, awaitedLater, endIfOver, WHEN_LESS_BUSY } from '../shared.ts';
import { type Parent, parentsOf, possibleKeys } from './referenceNames.ts';
import { bySize, modelTables, readSamples, type Sample } from './sample.ts';

const MAX_VALUES = 1_000;
/** References that lead nowhere up to this share: a reference with orphans, not another meaning. */
const LARGEST_ORPHAN_SHARE = 0.05;

/** Of the time that is left, for counting rows that refer to nothing, which reads whole tables. */
const COUNTING_SHARE = 0.4;

/** A column that may be a reference. */
interface Candidate {
  sample: Sample;
  column: Column;
  /** What it may refer to, the likeliest first. */
  keys: Key[];
}
type Key = Pick<Parent, 'parent' | 'key'>;

/** A foreign key of the table, or one of each of its partitions, holds the column. */
function declared(context: CheckContext, table: Table, column: string): boolean {
  const has = ({ foreignKeys }: Table) => foreignKeys.some(({ columns }) => columns.includes(column));
  const partitions = context.tables.filter(({ partitionOf }) => partitionOf === table.oid);
  return has(table) || (partitions.length > 0 && partitions.every(has));
}

function candidates(context: CheckContext, samples: readonly Sample[]): Candidate[] {
  const parents = parentsOf(modelTables(context));
  return samples.flatMap((sample) =>
    sample.table.columns.flatMap((column) => {
      const { table } = sample;
      const isKey = table.primaryKey.length === 1 && table.primaryKey[0] === column.name;
      if (isKey || declared(context, table, column.name)) return [];
      const keys = possibleKeys(table, column, parents);
      return keys.length > 0 ? [{ sample, column, keys }] : [];
    }),
  );
}

/** A column whose sampled values are keys of the parent, up to a few. */
interface Reference extends Omit<Candidate, 'keys'>, Key {
  /** Distinct ones that were looked at, and how many of them lead nowhere. */
  values: number;
  missing: number;
}

const valuesOf = (sample: Sample, column: Column) =>
  [...new Set(sample.columns.get(column.name))].filter((value) => value !== null).slice(0, MAX_VALUES);

/** How many of the values are no keys of the parent. */
async function missingOf(
  { session }: CheckContext,
  { parent, key }: Key,
  values: readonly string[],
): Promise<number> {
  const type = parent.columns.find(({ name }) => name === key)?.type ?? 'text';
  const [row] = await session.query<{ missing: number }>(
    `SELECT count(*)::float8 AS missing FROM unnest($1::${type.replaceAll(/[^a-z0-9 (),]/gi, '')}[]) AS wanted(value) WHERE NOT EXISTS (SELECT FROM ${session.quote(parent.schema, parent.name)} AS parent WHERE parent.${session.quote(key)} = wanted.value)`,
    [values],
  );
  return row?.missing ?? values.length;
}

const nameFor = (
  context: CheckContext,
  { sample: { table }, column, parent, key }: Reference,
): Promise<string> =>
  freeName(context, {
    schema: table.schema,
    name: `${table.name}_${column.name}`,
    suffix: '_fkey',
    definition: `${column.name} to ${parent.schema}.${parent.name}.${key}`,
    constraintOf: table.oid,
  });

export const check: Check = {
  id: 'missing-foreign-key',
  group: 'model',
  title: 'References that are not declared, and orphans',
  description:
    'Columns whose values are the keys of another table (inclusion, measured) without a foreign key; rows that refer to nothing are counted.',
  async *run(context) {
    const { session } = context;
    const referenceOf = async ({ sample, column, keys }: Candidate): Promise<Reference | undefined> => {
      const values = valuesOf(sample, column);
      if (values.length < 2) return undefined;
      for (const each of keys) {
        try {
          const missing = await missingOf(context, each, values);
          if (missing <= values.length * LARGEST_ORPHAN_SHARE)
            return { sample, column, ...each, values: values.length, missing };
        } catch (error) {
          endIfOver(context, error);
          const { parent } = each;
          context.blind({
            what: `whether ${column.name} of ${sample.table.name} refers to ${parent.name} (${(error as Error).message})`,
            remedy: `GRANT SELECT ON ${session.quote(parent.schema, parent.name)} to this role, or run the diagnosis when the server is less busy.`,
          });
        }
      }
      return undefined;
    };
    // Together, so that they need few round trips.
    const references = (
      await Promise.all(candidates(context, await readSamples(context)).map(referenceOf))
    ).filter((reference) => reference !== undefined);
    references.sort((a, b) => bySize(a.sample, b.sample));
    const within = askWithin(context, COUNTING_SHARE);
    const uncounted = new Map<string, string[]>();
    const asked = references.map((reference) => ({
      ...reference,
      name: awaitedLater(nameFor(context, reference)),
    }));
    for (const { sample, column, parent, key, values, missing, name } of asked) {
      const { table } = sample;
      const [child, other] = [
        session.quote(table.schema, table.name),
        session.quote(parent.schema, parent.name),
      ];
      const countOf = (counted: string) =>
        `SELECT ${counted} FROM ${child} AS child WHERE child.${session.quote(column.name)} IS NOT NULL AND NOT EXISTS (SELECT FROM ${other} AS parent WHERE parent.${session.quote(key)} = child.${session.quote(column.name)})`;
      let orphans: number | undefined;
      try {
        const [exact] = await within((limits) =>
          session.query<{ orphans: number }>(countOf('count(*)::float8 AS orphans'), [], limits),
        );
        orphans = exact?.orphans;
      } catch (error) {
        endIfOver(context, error);
        const { message } = error as Error;
        uncounted.set(message, [...(uncounted.get(message) ?? []), `${table.name}.${column.name}`]);
      }
      const atOnce = table.kind === 'partitioned' && context.capabilities.version < NOT_VALID_ON_PARTITIONED;
      // With rows that refer to nothing a foreign key that is not validated keeps new ones out.
      const foreignKey = {
        change: 'add foreign key' as const,
        schema: table.schema,
        table: table.name,
        constraint: await name,
        column: column.name,
        references: { schema: parent.schema, table: parent.name, column: key },
        validate: atOnce ? ('at once' as const) : orphans === 0 ? ('then' as const) : ('later' as const),
      };
      yield {
        id: `missing-foreign-key:${table.schema}.${table.name}(${column.name})`,
        check: 'missing-foreign-key',
        severity: 'warning',
        title: `${table.name}.${column.name} refers to ${parent.name}.${key}, but no foreign key says so${orphans ? `; ${count(orphans)} rows refer to nothing` : ''}`,
        explanation: `${missing === 0 ? 'All' : `${count(values - missing)} of ${count(values)}`} sampled values are keys of ${parent.name}. Without the constraint nothing keeps it so${orphans ? `, and ${count(orphans)} rows already refer to nothing` : ''}; the planner cannot use it either.`,
        cause: 'poor-normalisation',
        objects: [{ schema: table.schema, table: table.name, columns: [column.name] }],
        statements: [],
        evidence: [
          {
            label: 'distinct values looked at',
            value: values,
            unit: '1',
            how: `a sample of ${table.name}`,
          },
          ...(orphans === undefined
            ? []
            : [
                {
                  label: 'rows that refer to nothing',
                  value: orphans,
                  unit: 'rows',
                  how: countOf('count(*)'),
                },
              ]),
        ],
        cost: {},
        confidence: {
          level: orphans === undefined ? 0.8 : 0.95,
          basis: orphans === undefined ? 'sample' : 'exact',
        },
        explains: { kpis: ['missing-foreign-keys', 'unindexed-references'], traces: [] },
        fix: {
          kind: 'migration',
          summary: `foreign key from ${table.name}.${column.name} to ${parent.name}`,
          changes: atOnce && orphans !== 0 ? [] : [foreignKey],
          lock: atOnce
            ? 'SHARE ROW EXCLUSIVE on both while every row is checked: writes wait'
            : 'SHARE ROW EXCLUSIVE on both for a moment; validation takes SHARE UPDATE EXCLUSIVE',
          risk: 'Writes that break the rule will be refused.',
          ...(orphans === 0
            ? {}
            : {
                caveats: [
                  atOnce
                    ? `before Postgres 18 a partitioned table takes no NOT VALID foreign key, so the rows that refer to nothing have to be resolved first${orphans === undefined ? '; they were not counted' : ''}`
                    : `${orphans === undefined ? 'whether each row refers to one was not counted' : `${count(orphans)} rows refer to nothing, which the foreign key leaves as they are`}; when none is left: ${validationSql(foreignKey)}`,
                ],
              }),
          expectedEffect: 'no new orphans; joins can be planned better',
        },
      };
    }
    for (const [reason, columns] of uncounted)
      context.blind({
        what: `how many rows refer to nothing by ${columns.join(', ')} (${reason})`,
        remedy: WHEN_LESS_BUSY,
      });
  },
};
