import pg from 'pg';
import { fromSql, type Named, tableName, tableSql } from './references.ts';

const id = pg.escapeIdentifier;

export interface RestoringTables {
  /** Indexes of the tables, each after those that its rows refer to. */
  order: number[];
  /** By index: where its own rows are. */
  from: string[];
  /** Triggers on INSERT that this role may not disable. */
  firing: string[];
  /** Checks what was deferred, and puts triggers and constraints back as they were. */
  asBefore: () => Promise<void>;
}

interface Key {
  constraint: string;
  from: number;
  to: number;
  deferrable: boolean;
  deferred: boolean;
}

/**
 * Readies tables, within the transaction that restores rows to them, so that the rows arrive as they were and refer to
 * each other as they did: triggers on INSERT are disabled, and foreign keys of a cycle are deferred. The tables are
 * locked against other writers until the transaction ends, where there is something to disable or to defer.
 */
export async function prepareTables(
  client: pg.ClientBase,
  tables: readonly Named[],
): Promise<RestoringTables> {
  const names = tables.map(tableSql);
  const { rows: kinds } = await client.query<{ kind: string }>(
    'SELECT c.relkind AS kind FROM unnest($1::text[]) WITH ORDINALITY AS x (name, n) LEFT JOIN pg_class AS c ON c.oid = to_regclass(x.name) ORDER BY n',
    [names],
  );
  const { rows: triggers } = await client.query<
    Named & { trigger: string; enabled: 'O' | 'A'; mine: boolean }
  >(
    `SELECT DISTINCT n.nspname AS schema, c.relname AS table, g.tgname AS trigger, g.tgenabled AS enabled, pg_has_role(c.relowner, 'USAGE') AS mine
       FROM unnest($1::text[]) AS x (name)
       CROSS JOIN LATERAL (SELECT to_regclass(x.name)::oid AS oid UNION SELECT relid FROM pg_partition_tree(to_regclass(x.name))) AS t
       JOIN pg_trigger AS g ON g.tgrelid = t.oid JOIN pg_class AS c ON c.oid = t.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE NOT g.tgisinternal AND g.tgfoid IS DISTINCT FROM to_regprocedure('sqltrail.refuse_archived()') AND g.tgtype & 4 <> 0 AND g.tgenabled IN ('O', 'A') ORDER BY 1, 2, 3`,
    [names],
  );
  const disabled = triggers.filter(({ mine }) => mine);
  for (const trigger of disabled)
    await client.query(`ALTER TABLE ONLY ${tableSql(trigger)} DISABLE TRIGGER ${id(trigger.trigger)}`);
  const { rows: keys } = await client.query<Key>(
    `SELECT c.conname AS constraint, f.n::int - 1 AS "from", t.n::int - 1 AS "to", c.condeferrable AS deferrable, c.condeferred AS deferred
       FROM unnest($1::text[]) WITH ORDINALITY AS f (name, n) CROSS JOIN unnest($1::text[]) WITH ORDINALITY AS t (name, n)
       JOIN pg_constraint AS c ON c.contype = 'f' AND c.conrelid = to_regclass(f.name) AND c.confrelid = to_regclass(t.name)
      WHERE c.conparentid = 0 AND f.n <> t.n ORDER BY 1, 2, 3`,
    [names],
  );
  const order: number[] = [];
  const altered: Key[] = [];
  while (order.length < tables.length) {
    const left = tables.map((_, at) => at).filter((at) => !order.includes(at));
    const waiting = (at: number) =>
      keys.filter(({ from, to, deferrable }) => from === at && left.includes(to) && to !== at && !deferrable);
    const next = left.find((at) => waiting(at).length === 0) ?? (left[0] as number);
    altered.push(...waiting(next));
    order.push(next);
  }
  const name = (at: number) => tableSql(tables[at] as Named);
  for (const { constraint, from } of altered)
    await client.query(`ALTER TABLE ${name(from)} ALTER CONSTRAINT ${id(constraint)} DEFERRABLE`);
  await client.query('SET CONSTRAINTS ALL DEFERRED');
  return {
    order,
    from: tables.map((table, at) => fromSql(table, kinds[at]?.kind ?? 'r')),
    firing: triggers
      .filter(({ mine }) => !mine)
      .map((trigger) => `${trigger.trigger} of ${tableName(trigger)}`),
    async asBefore() {
      await client.query('SET CONSTRAINTS ALL IMMEDIATE');
      for (const { constraint, from } of altered)
        await client.query(`ALTER TABLE ${name(from)} ALTER CONSTRAINT ${id(constraint)} NOT DEFERRABLE`);
      for (const { trigger, enabled, ...table } of disabled)
        await client.query(
          `ALTER TABLE ONLY ${tableSql(table)} ENABLE ${enabled === 'A' ? 'ALWAYS ' : ''}TRIGGER ${id(trigger)}`,
        );
    },
  };
}
