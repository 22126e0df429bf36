import pg from 'pg';
import type { Mapping, TableMapping } from './mapping.ts';

const id = pg.escapeIdentifier;
const literal = pg.escapeLiteral;

/**
 * Definer's rights: the shop's role may touch neither the new model nor the ledger by itself while it writes to the
 * legacy tables. Every statement goes by keys, and planning it for all partitions costs more than running it: one plan
 * is kept for all calls, made without sequential scans, since it is made while the new tables are still empty.
 */
const ATTRIBUTES =
  'LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan';

/** Names and column lists of one table, for the texts below. */
function names(mapping: Mapping, table: TableMapping, columns: readonly string[]) {
  const schema = id(mapping.syncSchema);
  const copies = table.copies ?? [];
  const kept = columns.filter((column) => !copies.includes(column));
  return {
    legacy: `${id(mapping.legacySchema)}.${id(table.table)}`,
    fn: (what: string) => `${schema}.${id(`${what}_${table.table}`)}`,
    key: id(table.key),
    kept,
    list: (alias: string, of: readonly string[] = columns) =>
      of.map((column) => `${alias}.${id(column)}`).join(', '),
    copies: `ARRAY[${copies.map(literal).join(', ')}]::text[]`,
    is: `r.migration = ${literal(mapping.name)} AND r.legacy_table = ${literal(table.table)} AND r.superseded_at IS NULL`,
  };
}

const units = (from: string, key: string, condition: string) =>
  `SELECT x.${key} AS key, jsonb_agg(to_jsonb(x) ORDER BY to_jsonb(x)::text) AS rows FROM ${from} AS x WHERE ${condition} GROUP BY x.${key}`;

/** Views: what the new model says in the legacy shape (`rebuilt_`), and what the ledger holds in its stead (`ledgered_`). */
export function viewsSql(mapping: Mapping, table: TableMapping, columns: readonly string[]): string {
  const n = names(mapping, table, columns);
  const populated = columns
    .map((column) => (column === table.key ? `r.key::bigint AS ${n.key}` : `said.${id(column)}`))
    .join(', ');
  return `CREATE VIEW ${n.fn('rebuilt')} AS ${table.rebuilt};
CREATE VIEW ${n.fn('ledgered')} AS
SELECT ${populated}
  FROM sqltrail.migration_resolution AS r,
       jsonb_populate_recordset(NULL::${n.legacy}, CASE jsonb_typeof(r.said) WHEN 'array' THEN r.said ELSE jsonb_build_array(r.said) END) AS said
 WHERE ${n.is} AND r.kind IN ('normalised', 'set aside');`;
}

/**
 * What the legacy table has to say, for some keys: the condition is put into both halves, because Postgres does not
 * push it into a UNION whose halves have keys of different integer types, and would rebuild the whole table.
 */
export function shapeSql(
  mapping: Mapping,
  table: TableMapping,
  columns: readonly string[],
  condition: (key: string) => string,
): string {
  const n = names(mapping, table, columns);
  return `(SELECT ${n.list('d')} FROM ${n.fn('rebuilt')} AS d
    WHERE ${condition(`d.${n.key}`)}
      AND NOT EXISTS (SELECT FROM sqltrail.migration_resolution AS r
                       WHERE ${n.is} AND r.key = d.${n.key} AND r.kind IN ('normalised', 'set aside'))
   UNION ALL
   SELECT ${n.list('e')} FROM ${n.fn('ledgered')} AS e WHERE ${condition(`e.${n.key}`)})`;
}

/** Compares what the legacy rows say with what the new model makes of them, and keeps each difference in the ledger. */
function recordSql(mapping: Mapping, table: TableMapping, columns: readonly string[]): string {
  const n = names(mapping, table, columns);
  const into = `INSERT INTO sqltrail.migration_resolution (migration, legacy_table, key, kind, columns, said, became, rule, problem)
  SELECT ${literal(mapping.name)}, ${literal(table.table)}`;
  const rule = (setAside: string) =>
    `CASE WHEN ${setAside} THEN ${literal(table.setAsideRule)} ELSE ${literal(table.normalisedRule)} END`;
  const difference =
    table.unit === 'row'
      ? `${into}, l.${n.key}, CASE WHEN d.${n.key} IS NULL THEN 'set aside' ELSE 'normalised' END,
         CASE WHEN d.${n.key} IS NOT NULL THEN ARRAY(SELECT s.key FROM jsonb_each(to_jsonb(l) - ${n.copies}) AS s
               WHERE s.value IS DISTINCT FROM to_jsonb(d) -> s.key ORDER BY s.key) END,
         to_jsonb(l), CASE WHEN d.${n.key} IS NOT NULL THEN to_jsonb(d) - ${n.copies} END, ${rule(`d.${n.key} IS NULL`)}, problem
    FROM ${n.legacy} AS l
    LEFT JOIN (SELECT * FROM ${n.fn('rebuilt')} WHERE ${n.key} = ANY (keys)) AS d ON d.${n.key} = l.${n.key}
   WHERE l.${n.key} = ANY (keys) AND l.${n.key} IS NOT NULL
     AND (d.${n.key} IS NULL OR ROW(${n.list('l', n.kept)}) IS DISTINCT FROM ROW(${n.list('d', n.kept)}));`
      : `${into}, l.key, CASE WHEN coalesce(jsonb_array_length(d.rows), 0) < jsonb_array_length(l.rows) THEN 'set aside' ELSE 'normalised' END,
         NULL, l.rows, d.rows, ${rule('coalesce(jsonb_array_length(d.rows), 0) < jsonb_array_length(l.rows)')}, problem
    FROM (${units(n.legacy, n.key, `x.${n.key} = ANY (keys)`)}) AS l
    LEFT JOIN (${units(n.fn('rebuilt'), n.key, `x.${n.key} = ANY (keys)`)}) AS d ON d.key = l.key
   WHERE l.rows IS DISTINCT FROM d.rows;`;
  const disputes = (table.disputes ?? []).map(({ join, columns: disputed, rule: why }) => {
    const values = Object.entries(disputed)
      .map(([column, master]) => `(${literal(column)}, l.${id(column)}::text, (${master})::text)`)
      .join(', ');
    const who =
      table.unit === 'group' && table.identity
        ? ` || jsonb_build_object(${literal(table.identity)}, l.${id(table.identity)})`
        : '';
    return `${into}, l.${n.key}, 'contradiction', x.columns, x.said${who}, x.master, ${literal(why)}, NULL
    FROM ${n.legacy} AS l ${join}
    CROSS JOIN LATERAL (SELECT array_agg(v.name ORDER BY v.name) AS columns, jsonb_object_agg(v.name, v.said) AS said,
                               jsonb_object_agg(v.name, v.master) AS master
                          FROM (VALUES ${values}) AS v (name, said, master) WHERE v.said IS DISTINCT FROM v.master) AS x
   WHERE l.${n.key} = ANY (keys) AND l.${n.key} IS NOT NULL AND x.columns IS NOT NULL;`;
  });
  const orphans = (table.references ?? []).map(({ column, table: parent, rule: why }) => {
    const parentKey = mapping.tables.find((each) => each.table === parent)?.key ?? 'id';
    return `${into}, l.${n.key}, 'orphan', ARRAY[${literal(column)}], to_jsonb(l), NULL, ${literal(why)}, NULL
    FROM ${n.legacy} AS l
   WHERE l.${n.key} = ANY (keys) AND l.${n.key} IS NOT NULL AND l.${id(column)} IS NOT NULL
     AND NOT EXISTS (SELECT FROM ${id(mapping.legacySchema)}.${id(parent)} AS p WHERE p.${id(parentKey)} = l.${id(column)});`;
  });
  return `CREATE FUNCTION ${n.fn('record')}(keys bigint[], problem text) RETURNS void ${ATTRIBUTES} AS $fn$
BEGIN
  DELETE FROM sqltrail.migration_resolution AS r WHERE ${n.is} AND r.key = ANY (keys);
  ${[difference, ...disputes, ...orphans].join('\n  ')}
END $fn$;`;
}

/**
 * `put_` does it, `apply_` does it so that nothing of it can fail the write that caused it: what the new model refuses
 * is set aside. `need_` brings parents that are not there yet.
 */
function writeSql(mapping: Mapping, table: TableMapping, columns: readonly string[]): string {
  const n = names(mapping, table, columns);
  const absent = (keys: string) => `ARRAY(SELECT DISTINCT k FROM unnest(${keys}) AS k
     WHERE k IS NOT NULL AND NOT EXISTS (SELECT FROM ${table.present.table} WHERE ${id(table.present.column)} = k) ORDER BY k)`;
  return `CREATE FUNCTION ${n.fn('put')}(keys bigint[], fresh boolean) RETURNS void ${ATTRIBUTES} AS $fn$
DECLARE
  gone  bigint[];
BEGIN
  ${table.put}
END $fn$;
CREATE FUNCTION ${n.fn('apply')}(keys bigint[], fresh boolean, held boolean) RETURNS void ${ATTRIBUTES} AS $fn$
DECLARE
  origin   text := coalesce(current_setting('sqltrail.origin', true), '');
  problem  text;
  one      bigint;
BEGIN
  IF coalesce(cardinality(keys), 0) = 0 THEN
    RETURN;
  END IF;
  PERFORM set_config('sqltrail.origin', 'legacy', true);
  ${
    table.unit === 'row'
      ? `IF NOT held THEN
    -- What is read next is what the rows say until this transaction ends.
    PERFORM FROM ${n.legacy} WHERE ${n.key} = ANY (keys) ORDER BY ${n.key} FOR SHARE;
  END IF;`
      : ''
  }
  BEGIN
    PERFORM ${n.fn('put')}(keys, fresh);
  EXCEPTION WHEN OTHERS THEN
    -- Passing troubles (locks, deadlocks, a full disk, shutdown) are not the data's fault.
    IF left(SQLSTATE, 2) IN ('40', '53', '57', '58', 'XX') OR SQLSTATE = '55P03' THEN
      RAISE;
    END IF;
    IF cardinality(keys) > 1 THEN
      FOREACH one IN ARRAY keys LOOP
        PERFORM ${n.fn('apply')}(ARRAY[one], fresh, true);
      END LOOP;
      PERFORM set_config('sqltrail.origin', origin, true);
      RETURN;
    END IF;
    problem := SQLERRM;
  END;
  PERFORM ${n.fn('record')}(keys, problem);
  PERFORM set_config('sqltrail.origin', origin, true);
END $fn$;
CREATE FUNCTION ${n.fn('need')}(keys bigint[]) RETURNS void ${ATTRIBUTES} AS $fn$
DECLARE
  missing  bigint[] := ${absent('keys')};
BEGIN
  IF missing = '{}' THEN
    RETURN;
  END IF;
  PERFORM ${n.fn('apply')}(missing, true, false);
  ${table.standIn ? `missing := ${absent('missing')};\n  ${table.standIn}` : ''}
END $fn$;`;
}

/** Legacy to new, a call for each statement. */
function forwardSql(mapping: Mapping, table: TableMapping, columns: readonly string[]): string {
  const n = names(mapping, table, columns);
  const { light } = table;
  const rest = light ? columns.filter((column) => !light.columns.includes(column)) : [];
  const lightSql = light
    ? `IF NOT EXISTS (SELECT FROM old_rows AS o FULL JOIN new_rows AS n ON n.${n.key} = o.${n.key}
                    WHERE ROW(${n.list('o', rest)}) IS DISTINCT FROM ROW(${n.list('n', rest)}))
       AND NOT EXISTS (SELECT FROM unnest(keys) AS k
                        WHERE NOT EXISTS (SELECT FROM ${table.present.table} WHERE ${id(table.present.column)} = k)) THEN
      PERFORM set_config('sqltrail.origin', 'legacy', true);
      ${light.put}
      PERFORM ${n.fn('record')}(keys, NULL);
      PERFORM set_config('sqltrail.origin', '', true);
      RETURN NULL;
    END IF;`
    : '';
  return `CREATE FUNCTION ${n.fn('forward')}() RETURNS trigger ${ATTRIBUTES} AS $fn$
DECLARE
  keys   bigint[];
  fresh  boolean := false;
BEGIN
  -- What came from the new model is not sent back to it.
  IF coalesce(current_setting('sqltrail.origin', true), '') = 'new' THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'INSERT' THEN
    keys := ARRAY(SELECT DISTINCT ${n.key} FROM new_rows WHERE ${n.key} IS NOT NULL ORDER BY 1);
    fresh := true;
  ELSIF TG_OP = 'DELETE' THEN
    keys := ARRAY(SELECT DISTINCT ${n.key} FROM old_rows WHERE ${n.key} IS NOT NULL ORDER BY 1);
  ELSE
    keys := ARRAY(SELECT ${n.key} FROM old_rows WHERE ${n.key} IS NOT NULL
                  UNION SELECT ${n.key} FROM new_rows WHERE ${n.key} IS NOT NULL ORDER BY 1);
    fresh := NOT EXISTS (SELECT FROM old_rows WHERE ${n.key} IS NOT NULL);
    ${lightSql}
  END IF;
  PERFORM ${n.fn('apply')}(keys, fresh, true);
  RETURN NULL;
END $fn$;`;
}

/** New to legacy: the legacy rows of the units become what the view says. */
function pullSql(mapping: Mapping, table: TableMapping, columns: readonly string[]): string {
  const n = names(mapping, table, columns);
  const unique = table.unit === 'row' ? table.key : table.identity;
  const shape = (keys: string) => shapeSql(mapping, table, columns, (key) => `${key} = ANY (${keys})`);
  const insert = `INSERT INTO ${n.legacy} AS l (${columns.map((column) => id(column)).join(', ')})
  SELECT ${n.list('v')} FROM ${shape('keys')} AS v`;
  const set = n.kept.filter((column) => column !== unique);
  const body = unique
    ? `DELETE FROM ${n.legacy} AS l WHERE l.${n.key} = ANY (keys)
     AND NOT EXISTS (SELECT FROM ${shape('keys')} AS v WHERE v.${n.key} = l.${n.key}${
       unique === table.key ? '' : ` AND v.${id(unique)} = l.${id(unique)}`
     });
  ${insert} WHERE true
  ON CONFLICT (${id(unique)})${table.addKey ? ` WHERE ${id(unique)} IS NOT NULL` : ''}
  DO UPDATE SET (${set.map((column) => id(column)).join(', ')}) = ROW(${n.list('EXCLUDED', set)})
   WHERE ROW(${n.list('l', set)}) IS DISTINCT FROM ROW(${n.list('EXCLUDED', set)});`
    : `keys := ARRAY(SELECT k FROM unnest(keys) AS k
     WHERE (SELECT jsonb_agg(to_jsonb(x) ORDER BY to_jsonb(x)::text) FROM ${n.legacy} AS x WHERE x.${n.key} = k)
        IS DISTINCT FROM (SELECT jsonb_agg(to_jsonb(x) ORDER BY to_jsonb(x)::text) FROM ${shape('ARRAY[k]')} AS x));
  DELETE FROM ${n.legacy} AS l WHERE l.${n.key} = ANY (keys);
  ${insert};`;
  return `CREATE FUNCTION ${n.fn('pull')}(keys bigint[]) RETURNS void ${ATTRIBUTES} AS $fn$
BEGIN
  -- A unit that is changed in the new model is what it says there from now on.
  UPDATE sqltrail.migration_resolution AS r SET superseded_at = now()
   WHERE ${n.is} AND r.key = ANY (keys) AND r.kind IN ('normalised', 'set aside');
  ${body}
END $fn$;`;
}

export interface GeneratedTrigger {
  /** `schema.table`, quoted. */
  on: string;
  label: string;
  up: string;
  down: string;
}

const transition = {
  INSERT: 'REFERENCING NEW TABLE AS new_rows',
  UPDATE: 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows',
  DELETE: 'REFERENCING OLD TABLE AS old_rows',
} as const;
const operations = ['INSERT', 'UPDATE', 'DELETE'] as const;

function triggers(on: string, label: string, prefix: string, fn: string, ops: readonly string[]) {
  const made = operations.filter((op) => ops.includes(op));
  const name = (op: string) => id(`sqltrail_${prefix}_${op.toLowerCase()}`);
  return {
    on,
    label,
    up: made
      .map(
        (op) =>
          `CREATE TRIGGER ${name(op)} AFTER ${op} ON ${on} ${transition[op]} FOR EACH STATEMENT EXECUTE FUNCTION ${fn}()`,
      )
      .join(';\n'),
    down: made.map((op) => `DROP TRIGGER IF EXISTS ${name(op)} ON ${on}`).join(';\n'),
  };
}

/** On each legacy table: what keeps the new model in step. */
export function forwardTriggers(mapping: Mapping): GeneratedTrigger[] {
  return mapping.tables.map((table) => {
    const n = names(mapping, table, []);
    const made = triggers(n.legacy, table.table, 'forward', n.fn('forward'), operations);
    return {
      ...made,
      up: `${made.up};
CREATE TRIGGER sqltrail_truncate BEFORE TRUNCATE ON ${n.legacy} FOR EACH STATEMENT EXECUTE FUNCTION ${id(mapping.syncSchema)}.refuse_truncate()`,
      down: `${made.down};\nDROP TRIGGER IF EXISTS sqltrail_truncate ON ${n.legacy}`,
    };
  });
}

interface ReverseTable {
  table: string;
  ops: Set<'INSERT' | 'UPDATE' | 'DELETE'>;
  entries: { legacy: TableMapping; on: readonly string[]; keys: string }[];
}

function reverseTables(mapping: Mapping): ReverseTable[] {
  const found = new Map<string, ReverseTable>();
  for (const legacy of mapping.tables)
    for (const { table, on, keys } of legacy.reverse) {
      const entry = found.get(table) ?? { table, ops: new Set(), entries: [] };
      for (const op of on) entry.ops.add(op);
      entry.entries.push({ legacy, on, keys });
      found.set(table, entry);
    }
  return [...found.values()];
}

function reverseSql(mapping: Mapping): string[] {
  return reverseTables(mapping).map(({ table, entries }) => {
    const changed = {
      INSERT: 'new_rows',
      DELETE: 'old_rows',
      UPDATE: '(SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows)',
    } as const;
    const branch = (op: (typeof operations)[number]) =>
      entries
        .filter(({ on }) => on.includes(op))
        .map(
          ({
            legacy,
            keys,
          }) => `    keys := ARRAY(SELECT DISTINCT k FROM (${keys.replaceAll('{changed}', op === 'UPDATE' ? `${changed[op]} AS changed` : changed[op]).replaceAll(/AS changed AS (\w+)/g, 'AS $1')}) AS x (k) WHERE k IS NOT NULL ORDER BY k);
    IF keys <> '{}' THEN
      PERFORM ${names(mapping, legacy, []).fn('pull')}(keys);
    END IF;`,
        )
        .join('\n');
    return `CREATE FUNCTION ${id(mapping.syncSchema)}.${id(`reverse_${table}`)}() RETURNS trigger ${ATTRIBUTES} AS $fn$
DECLARE
  keys  bigint[];
BEGIN
  -- What came from the legacy tables is not sent back to them.
  IF coalesce(current_setting('sqltrail.origin', true), '') = 'legacy' THEN
    RETURN NULL;
  END IF;
  PERFORM set_config('sqltrail.origin', 'new', true);
  CASE TG_OP
${operations.map((op) => `  WHEN '${op}' THEN\n${branch(op) || '    NULL;'}`).join('\n')}
  END CASE;
  PERFORM set_config('sqltrail.origin', '', true);
  RETURN NULL;
END $fn$;`;
  });
}

/** On the tables of the new model: what keeps the legacy tables in step once the new model is written to. */
export const reverseTriggers = (mapping: Mapping): GeneratedTrigger[] =>
  reverseTables(mapping).map(({ table, ops }) =>
    triggers(
      `${id(mapping.targetSchema)}.${id(table)}`,
      table,
      'reverse',
      `${id(mapping.syncSchema)}.${id(`reverse_${table}`)}`,
      [...ops],
    ),
  );

/** All functions and views of a migration. `columns` are those of each legacy table, an added key included. */
export function syncSql(mapping: Mapping, columns: ReadonlyMap<string, readonly string[]>): string {
  const each = (text: (mapping: Mapping, table: TableMapping, columns: readonly string[]) => string) =>
    mapping.tables.map((table) => text(mapping, table, columns.get(table.table) ?? []));
  return [
    `CREATE SCHEMA ${id(mapping.syncSchema)}`,
    mapping.helpers,
    ...each(viewsSql),
    ...each(recordSql),
    ...each(writeSql),
    ...each(forwardSql),
    ...each(pullSql),
    ...reverseSql(mapping),
    `CREATE FUNCTION ${id(mapping.syncSchema)}.refuse_truncate() RETURNS trigger ${ATTRIBUTES} AS $fn$
BEGIN
  RAISE EXCEPTION 'TRUNCATE of % is refused while the migration % runs', TG_TABLE_NAME, ${literal(mapping.name)}
    USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Use DELETE, or roll the migration back first.';
END $fn$`,
    // They run with the owner's rights. A trigger needs none to call its function; nobody else shall.
    `REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ${id(mapping.syncSchema)} FROM PUBLIC`,
  ]
    .map((text) => text.trim().replace(/;$/, ''))
    .join(';\n');
}
