import type pg from 'pg';
import { quote as id, quoteList } from '../../../lib/pg/quote.ts';
import { SHORT_LOCK } from '../../migration.ts';
import { withReader } from '../../session.ts';
import { describeTable, fingerprintOf, READING, type TableDescription, typed } from '../description.ts';
import { searchPathOf } from '../functions.ts';
import { FreeNames } from '../names.ts';
import { createTable } from '../newTable.ts';
import { noTableGrants } from '../objects.ts';
import { listed, reasons, refusalOf } from '../refusals.ts';
import { accessNotes, givesAccess } from './access.ts';
import type { MovedMigration } from './declared.ts';
import { baseTypes, columnRefusals, type EavOptions, goingWith, kindOf } from './eavColumns.ts';
import {
  compareSql,
  copySql,
  drainSql,
  type Eav,
  emptySql,
  forwardSql,
  newTablesSql,
  noForwardSql,
  noNoteSql,
  noReverseSql,
  noteSql,
  reverseSql,
  SETTINGS,
  several,
  tablesOf,
} from './eavSql.ts';
import { columnsOf } from './keySets.ts';
import { notedPhases } from './notedPhases.ts';
import { commonRefusals } from './refusals.ts';

interface Content {
  entities: number;
  /** Attributes of the entity that has most. */
  largest: number;
  /** Rows that fill several columns of values, and entities that have such rows. */
  ambiguous: number;
  examples: string[];
}

/**
 * What has to be done so that a table with a row for each attribute of an entity becomes one with a jsonb document for
 * each entity, while it is written to. Reads only.
 *
 * @throws OperationError with every reason why it cannot be done as asked, and what to do
 */
export const planEavToJsonb = (url: string, options: EavOptions): Promise<MovedMigration> =>
  withReader(url, READING, (client) => planIn(client, options));

async function planIn(client: pg.ClientBase, options: EavOptions): Promise<MovedMigration> {
  const d = await describeTable(client, options.table);
  const { schema, name, owner, oid } = d.table;
  const what = `The attributes in ${schema}.${name} cannot become documents as asked`;
  const { reasons: found, later } = await commonRefusals(client, d, []);
  if (d.table.kind !== 'r') throw refusalOf(what, found);
  const types = await baseTypes(client, oid);
  found.push(...columnRefusals(d, types, options));
  const { no } = reasons(found);
  const free = await FreeNames.of(client, schema);
  const into = options.into ?? free.take(name, '_documents');
  no(
    options.into !== undefined && free.take(options.into) !== options.into,
    `A relation, type or function ${options.into} already exists. Give another name with --into.`,
  );
  if (found.length > 0) throw refusalOf(what, found);

  const take = (suffix: string) => free.take(into, suffix);
  let document = 'attributes';
  for (let at = 1; options.entity.includes(document); at += 1) document = `attributes_${at}`;
  const e: Eav = {
    schema,
    table: name,
    into,
    queue: take('_sqltrail_changed'),
    entity: typed(d, options.entity),
    attribute: typed(d, [options.attribute])[0] as Eav['attribute'],
    values: typed(d, options.values).map((column) => ({
      ...column,
      kind: kindOf(types.get(column.name)) ?? 'string',
    })),
    document,
    searchPath: searchPathOf(d),
    settings: SETTINGS,
    fn: {
      note: take('_sqltrail_note'),
      put: take('_sqltrail_put'),
      forward: take('_sqltrail_forward'),
      back: take('_sqltrail_back'),
      reverse: take('_sqltrail_reverse'),
    },
  };
  const content = await contentOf(client, e);
  no(
    content.ambiguous > 0,
    `${content.ambiguous} rows fill more than one of ${listed(options.values)} (for example of ${content.examples.join(', ')}), and a document has one value for an attribute: SELECT * FROM ${tablesOf(e).from} WHERE num_nonnulls(${quoteList(options.values)}) > 1. Keep one in each row first.`,
  );
  if (found.length > 0) throw refusalOf(what, found);
  const definition = await fingerprintOf(client, oid);
  return {
    sqltrail: 'migration',
    version: 1,
    operation: 'eav-to-jsonb',
    name: `documents of ${schema}.${name} (OID ${oid})`,
    table: { oid, schema, name, owner },
    choices: {
      entity: options.entity.join(', '),
      attribute: options.attribute,
      values: options.values.join(', '),
      leaveOut: options.leaveOut.join(', '),
      into,
    },
    notes: [...notesFor(e, content), ...goingWith(d, options.leaveOut, later), ...accessNotes(d, into)],
    size: d.size,
    definition,
    moved: {
      searchPath: e.searchPath,
      settings: e.settings,
      into,
      columns: [],
      functions: Object.values(e.fn),
      copy: copySql(e),
      drain: drainSql(e),
      compare: compareSql(e),
    },
    phases: phasesOf(d, e, await entityKeys(client, oid, options.entity), definition),
  };
}

async function contentOf(client: pg.ClientBase, e: Eav): Promise<Content> {
  const entity = columnsOf(e.entity, 't').join(', ');
  const { rows } = await client.query<Content>(
    `SELECT count(*)::float8 AS entities, coalesce(max(k.rows), 0)::float8 AS largest, coalesce(sum(k.ambiguous), 0)::float8 AS ambiguous, /* sqltrail */
            coalesce((array_agg(k.key) FILTER (WHERE k.ambiguous > 0))[1:3], '{}') AS examples
       FROM (SELECT ROW(${entity})::text AS key, count(*) AS rows, count(*) FILTER (WHERE ${several(e, 't')}) AS ambiguous
               FROM ONLY ${tablesOf(e).from} AS t GROUP BY ${entity}) AS k`,
  );
  return rows[0] as Content;
}

function notesFor(e: Eav, { entities, largest }: Content): string[] {
  const into = `${e.schema}.${e.into}`;
  const entity = listed(e.entity.map(({ name }) => name));
  const { to } = tablesOf(e);
  return [
    `${into} gets one row for each ${entity} (${entities} now), with its key and the document ${e.document}, whose names are those in ${e.attribute.name}. ${e.values.map(({ name, kind }) => `${name} becomes a ${kind}`).join(', ')}; NULL becomes null, and an attribute without a row is not in the document. An entity without rows has no document.`,
    `Up to the cutover, the rows are authoritative, and the documents follow in batches. From the cutover on, the application may use either, and each follows the other in the same transaction, until complete drops ${e.table}.`,
    `Until complete, a document can only contain what the rows can hold: ${e.values.map(({ name, type, kind }) => `${kind}s that fit ${name} (${type})`).join(', ')}, no lists and no objects. Other values are rejected with an error. A row that comes from a document gets the defaults of the other columns.`,
    `Each change of an attribute rewrites its document; the largest has ${largest} attributes. From the cutover on, transactions that change attributes of the same entity wait for each other.`,
    `If documents are searched by attributes, create an index: CREATE INDEX CONCURRENTLY ON ${to} USING gin (${id(e.document)} jsonb_path_ops).`,
  ];
}

/** A foreign key of the entity, which the new table gets at last; and the condition that a row of it (`n`) has a parent. */
interface EntityKey {
  name: string;
  definition: string;
  parent: string;
}

async function entityKeys(
  client: pg.ClientBase,
  oid: string,
  entity: readonly string[],
): Promise<EntityKey[]> {
  const { rows } = await client.query<EntityKey>(
    `SELECT o.conname::text AS name, pg_get_constraintdef(o.oid) AS definition,
            format('EXISTS (SELECT FROM %s AS p WHERE %s)', o.confrelid::regclass, string_agg(format('p.%I = n.%I', b.attname, a.attname), ' AND ' ORDER BY k.place)) AS parent
       FROM pg_constraint AS o CROSS JOIN LATERAL unnest(o.conkey, o.confkey) WITH ORDINALITY AS k (own, theirs, place)
       JOIN pg_attribute AS a ON a.attrelid = o.conrelid AND a.attnum = k.own JOIN pg_attribute AS b ON b.attrelid = o.confrelid AND b.attnum = k.theirs
      WHERE o.conrelid = $1::oid AND o.contype = 'f' AND o.convalidated GROUP BY o.oid HAVING bool_and(a.attname = ANY ($2)) ORDER BY 1`,
    [oid, entity],
  );
  return rows;
}

function phasesOf(
  d: TableDescription,
  e: Eav,
  keys: readonly EntityKey[],
  definition: Record<string, string>,
): MovedMigration['phases'] {
  const { from, to, queue } = tablesOf(e);
  const { fn } = e;
  return notedPhases({
    d,
    definition,
    into: e.into,
    queue: e.queue,
    newTable: {
      sql: [newTablesSql(e, createTable(d)), ...noTableGrants(d, to), ...noTableGrants(d, queue)],
      undo: `DROP TABLE ${to}, ${queue};`,
      empty: emptySql(e),
    },
    note: { fn: fn.note, sql: noteSql(e), undo: noNoteSql(e) },
    forward: { fn: fn.forward, sql: forwardSql(e), undo: noForwardSql(e) },
    reverse: { fn: fn.reverse, sql: reverseSql(e), undo: noReverseSql(e) },
    access: { there: givesAccess(d, to), back: noTableGrants(d, to) },
    sides: 'rows and documents',
    contract: {
      name: 'no old table',
      lock: `ACCESS EXCLUSIVE on ${from}, on the new table and on those that it refers to, ${SHORT_LOCK}`,
      sql: [
        `DROP TABLE ${from};`,
        keys.map(
          ({ name, definition: key }) => `ALTER TABLE ${to} ADD CONSTRAINT ${id(name)} ${key} NOT VALID;`,
        ),
      ],
      after:
        keys.length === 0
          ? []
          : [
              {
                name: 'foreign keys, for all documents',
                lock: 'SHARE UPDATE EXCLUSIVE on the new table: reads and writes go on',
                // No row was left of an empty document that could have gone with its entity.
                sql: keys
                  .map(
                    ({
                      name,
                      parent,
                    }) => `DELETE FROM ${to} AS n WHERE ${id(e.document)} = '{}' AND NOT ${parent};
ALTER TABLE ${to} VALIDATE CONSTRAINT ${id(name)};`,
                  )
                  .join('\n'),
              },
            ],
    },
  });
}
