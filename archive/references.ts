import pg from 'pg';
import { displayName } from './names.ts';

const id = pg.escapeIdentifier;

export interface Named {
  schema: string;
  table: string;
}

/** A foreign key to a table of a unit, from wherever it comes; one of a partition stands for that of the whole table. */
export interface Reference {
  constraint: string;
  from: Named;
  columns: string[];
  /** Index of the unit's table that it refers to: 0 is the unit's own table, then its children. */
  to: number;
  onDelete: 'NO ACTION' | 'RESTRICT' | 'CASCADE' | 'SET NULL' | 'SET DEFAULT';
  /** Index of the unit's table to which the referring rows belong; undefined when they are no part of any unit. */
  within: number | undefined;
  /** Joins the row that is referred to, by its alias, and `r`, with the constraint's own operators and collations. */
  join: (alias: string) => string;
  /** The referring rows, as `r`. */
  source: string;
  /** May the archive see all referring rows? */
  readable: boolean;
  hidden: boolean;
}

/** A table of a unit, and how a row of it is known to belong to one. */
export interface Member {
  table: Named;
  /** With ONLY, where rows of inheriting tables have to stay out. */
  from: string;
  /** The table and its partitions. */
  oids: number[];
  /** Oid of the topmost table that it is a partition of, or its own. */
  family: number;
  /** SQL of the unit's key on an alias. */
  unitOf: (alias: string) => string;
}

export const tableSql = ({ schema, table }: Named): string => `${id(schema)}.${id(table)}`;
export const tableName = displayName;

const ACTIONS = {
  a: 'NO ACTION',
  r: 'RESTRICT',
  c: 'CASCADE',
  n: 'SET NULL',
  d: 'SET DEFAULT',
} as const;

/** A partitioned table is read with its partitions; of any other, rows of inheriting tables are not its own. */
export const fromSql = (table: Named, kind: string): string =>
  kind === 'p' ? tableSql(table) : `ONLY ${tableSql(table)}`;

export async function readMember(
  client: pg.ClientBase,
  table: Named,
  unitOf: Member['unitOf'],
): Promise<Member> {
  const { rows } = await client.query<{ kind: string; oids: number[]; family: number }>(
    `SELECT c.relkind AS kind,
            ARRAY(SELECT c.oid::bigint UNION SELECT relid::oid::bigint FROM pg_partition_tree(c.oid))::float8[] AS oids,
            coalesce(pg_partition_root(c.oid)::oid, c.oid)::bigint::float8 AS family
       FROM pg_class AS c WHERE c.oid = $1::regclass`,
    [tableSql(table)],
  );
  const { kind, oids, family } = rows[0] as { kind: string; oids: number[]; family: number };
  return { table, from: fromSql(table, kind), oids, family, unitOf };
}

/** Every foreign key that refers to rows of these tables: to them, to their partitions, or to what they are partitions of. */
export async function readReferences(
  client: pg.ClientBase,
  members: readonly Member[],
): Promise<Reference[]> {
  const references: Reference[] = [];
  for (const [to, { table }] of members.entries()) {
    const { rows } = await client.query<{
      constraint: string;
      schema: string;
      table: string;
      kind: string;
      family: number;
      onDelete: keyof typeof ACTIONS;
      readable: boolean;
      hidden: boolean;
      columns: { from: string; to: string; operator: string; collation: string | null }[];
    }>(
      `WITH RECURSIVE related AS (
         SELECT $1::regclass::oid AS oid
         UNION SELECT relid FROM pg_partition_tree($1::regclass)
         UNION SELECT relid FROM pg_partition_ancestors($1::regclass)
       ), up AS (
         SELECT oid, conparentid FROM pg_constraint WHERE contype = 'f' AND confrelid IN (SELECT oid FROM related)
         UNION SELECT c.oid, c.conparentid FROM up JOIN pg_constraint AS c ON c.oid = up.conparentid
       )
       SELECT c.conname AS constraint, n.nspname AS schema, r.relname AS table, r.relkind AS kind,
              coalesce(pg_partition_root(r.oid)::oid, r.oid)::bigint::float8 AS family, c.confdeltype AS "onDelete",
              has_table_privilege(r.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS readable,
              row_security_active(r.oid) AS hidden,
              (SELECT json_agg(json_build_object(
                        'from', f.attname, 'to', t.attname,
                        'operator', CASE WHEN k.n = cardinality(c.conkey) AND coalesce((to_jsonb(c) ->> 'conperiod')::boolean, false)
                                         THEN 'OPERATOR(pg_catalog.&&)' ELSE format('OPERATOR(%I.%s)', o.nspname, p.oprname) END,
                        'collation', CASE WHEN t.attcollation <> f.attcollation THEN format('%I.%I', l.nspname, b.collname) END) ORDER BY k.n)
                 FROM unnest(c.conkey, c.confkey, c.conpfeqop) WITH ORDINALITY AS k (f, t, p, n)
                 JOIN pg_attribute AS f ON f.attrelid = c.conrelid AND f.attnum = k.f
                 JOIN pg_attribute AS t ON t.attrelid = c.confrelid AND t.attnum = k.t
                 JOIN pg_operator AS p ON p.oid = k.p JOIN pg_namespace AS o ON o.oid = p.oprnamespace
                 LEFT JOIN pg_collation AS b ON b.oid = t.attcollation LEFT JOIN pg_namespace AS l ON l.oid = b.collnamespace) AS columns
         FROM up JOIN pg_constraint AS c ON c.oid = up.oid
         JOIN pg_class AS r ON r.oid = c.conrelid JOIN pg_namespace AS n ON n.oid = r.relnamespace
        WHERE c.conparentid = 0 ORDER BY n.nspname, r.relname, c.conname`,
      [tableSql(table)],
    );
    for (const row of rows) {
      const from = { schema: row.schema, table: row.table };
      const within = members.findIndex(({ family }) => family === row.family);
      references.push({
        constraint: row.constraint,
        from,
        columns: row.columns.map((column) => column.from),
        to,
        onDelete: ACTIONS[row.onDelete],
        within: within < 0 ? undefined : within,
        join: (alias) =>
          row.columns
            .map(
              (column) =>
                `${alias}.${id(column.to)} ${column.operator} r.${id(column.from)}${column.collation ? ` COLLATE ${column.collation}` : ''}`,
            )
            .join(' AND '),
        source: `${fromSql(from, row.kind)} AS r`,
        readable: row.readable,
        hidden: row.hidden,
      });
    }
  }
  return references;
}

export const describeReference = ({ from, columns, onDelete }: Reference): string =>
  `${tableName(from)} (${columns.join(', ')}) refers to them, ON DELETE ${onDelete}`;

/** Is the referring row `r` one of the unit's tables, in a partition that it speaks for? */
const inTree = ({ oids }: Member) => `r.tableoid = ANY ('{${oids.join(',')}}'::oid[])`;

/** What of the references keeps units, as SQL. */
export class ReferenceSql {
  readonly members: readonly Member[];
  readonly references: readonly Reference[];
  /** Whole partitions leave: what refers to a row from within them leaves at the same moment, of whichever unit it is. */
  readonly whole: boolean;

  constructor(members: readonly Member[], references: readonly Reference[], whole: boolean) {
    this.members = members;
    this.references = references;
    this.whole = whole;
  }

  #member = (at: number) => this.members[at] as Member;

  /** References between units: their rows leave too, but one after the other. */
  get internal(): readonly Reference[] {
    return this.whole ? [] : this.references.filter(({ within }) => within !== undefined);
  }

  get external(): readonly Reference[] {
    return this.whole ? this.references : this.references.filter(({ within }) => within === undefined);
  }

  /** Does a row that belongs to no unit of the same run refer to the unit of row `t` by this reference? */
  refersTo(reference: Reference): string {
    const { to, join, source, within } = reference;
    const of = `${this.#member(to).unitOf('x')} = ${this.#member(0).unitOf('t')}`;
    const own =
      within === undefined
        ? ''
        : this.whole
          ? ` AND NOT ${inTree(this.#member(within))}`
          : ` AND (${inTree(this.#member(within))} AND ${this.#member(within).unitOf('r')} = ${this.#member(0).unitOf('t')}) IS NOT TRUE`;
    if (to === 0) return `EXISTS (SELECT FROM ${source} WHERE ${join('t')}${own})`;
    return `EXISTS (SELECT FROM ${this.#member(to).from} AS x JOIN ${source} ON ${join('x')} WHERE ${of}${own})`;
  }

  /** On row `t`: nothing that stays for certain refers to its unit. */
  get unreferred(): string {
    return this.external.map((reference) => `NOT ${this.refersTo(reference)}`).join(' AND ') || 'true';
  }

  /**
   * Keys of the units that would go by `goes` (a condition on `t`), but that a unit which stays refers to, directly or
   * through others.
   */
  blocked(goes: string): string {
    const root = this.#member(0);
    const edges = this.internal.map(({ to, within, join, source }) => {
      const target = this.#member(to).unitOf('x');
      const from = this.#member(within as number);
      return `SELECT CASE WHEN ${inTree(from)} THEN ${from.unitOf('r')} END AS source, ${target} AS target
                FROM ${this.#member(to).from} AS x JOIN ${source} ON ${join('x')}
               WHERE ${target} IN (SELECT key FROM going) AND (${inTree(from)} AND ${from.unitOf('r')} = ${target}) IS NOT TRUE`;
    });
    return `WITH RECURSIVE going AS MATERIALIZED (
        SELECT ${root.unitOf('t')} AS key FROM ${root.from} AS t WHERE ${goes} AND ${this.unreferred}
      ), edges AS MATERIALIZED (${edges.join(' UNION ')}
      ), blocked AS (
        SELECT target AS key FROM edges AS e WHERE NOT EXISTS (SELECT FROM going AS g WHERE g.key = e.source)
        UNION SELECT e.target FROM blocked AS b JOIN edges AS e ON e.source = b.key
      ) SELECT key FROM blocked`;
  }

  /** Rows that lock units `$1` against new references, and the units of them that rows outside of `$1` refer to. */
  check(type: 'bigint' | 'uuid' | 'text' | 'tid'): { locks: string[]; referred: string } | undefined {
    if (this.references.length === 0) return undefined;
    const given = `($1::${type}[])`;
    return {
      locks: this.members.map(
        ({ from, unitOf }) => `SELECT FROM ${from} AS t WHERE ${unitOf('t')} = ANY ${given} FOR UPDATE`,
      ),
      referred: this.references
        .map(({ to, within, join, source }, at) => {
          const { from, unitOf } = this.#member(to);
          const own =
            within === undefined
              ? ''
              : ` AND (${inTree(this.#member(within))} AND ${this.#member(within).unitOf('r')} = ANY ${given}) IS NOT TRUE`;
          return `SELECT ${unitOf('x')}::text AS key, ${at} AS reference FROM ${from} AS x JOIN ${source} ON ${join('x')}
                   WHERE ${unitOf('x')} = ANY ${given}${own} GROUP BY 1`;
        })
        .join(' UNION ALL '),
    };
  }
}
