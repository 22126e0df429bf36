import type { Session } from '../../diagnosis/readSession.ts';
import { type Condition, refuse } from './conditions.ts';
import type { Keyset } from './keyset.ts';
import type { Reading } from './statement.ts';
import { cast, child, copy, list, type Node, numbersOf, textOf } from './tree.ts';

/** What was run beside the original; equality does not rest on it. */
export interface Comparison {
  /** Sets of parameter values that both were run with. */
  cases: number;
  /** Rows that both gave in all of them. */
  rows: number;
}

type Values = (string | null)[];

const SAMPLES = 8;
const PAGE = 10;
const LIMIT = '100';

/** What is no number in the form that `id::text` has, one way each. */
const NO_NUMBERS: Values = [
  null,
  '',
  'x',
  '007',
  '+1',
  ' 1',
  '1e3',
  '-0',
  '99999999999',
  '99999999999999999999',
];
const NO_DATES: Values = [null, 'infinity', '-infinity', '0044-03-15 BC', '12024-01-01'];

/** Postgres wants to know the type of every number, so those that a part of a statement left are named as well. */
const unused = (sql: string, values: readonly unknown[]) =>
  values
    .map((_, at) => `$${at + 1}`)
    .filter((name) => !new RegExp(`\\${name}\\b`).test(sql))
    .map((name) => `, ${name}::text`)
    .join('');

/** The statement with its table's schema, so that no search path is needed. */
export function qualified(select: Node, schema: string): Node {
  const made = copy(select);
  for (const from of list(made['fromClause'])) {
    const relation = child(from, 'RangeVar');
    if (relation) relation['schemaname'] = schema;
  }
  return made;
}

const integer = (ival: number): Node => ({ A_Const: { ival: { ival } } });

export class Comparer {
  readonly #session: Session;
  readonly #reading: Reading;
  readonly #from: string;

  constructor(session: Session, reading: Reading) {
    this.#session = session;
    this.#reading = reading;
    this.#from = session.quote(reading.table.schema, reading.table.name);
  }

  #text(select: Node): string {
    return textOf(qualified(select, this.#reading.table.schema));
  }

  /**
   * The types that the server gives the parameters where the application leaves them open.
   *
   * @throws Refused when a form was made for another type
   */
  async parameterTypes(): Promise<Condition[]> {
    const { select, parameters } = this.#reading;
    const compared = [...parameters].flatMap(([number, use]) => (use ? [{ number, ...use }] : []));
    if (compared.length === 0) return [];
    const columns = compared.map(({ number }) => `pg_typeof($${number})::text AS p${number}`);
    const most = Math.max(0, ...parameters.keys());
    const sql = this.#text(select);
    const [types] = await this.#session.query<Record<string, string>>(
      `SELECT ${columns.join(', ')}${unused(sql, Array(most).fill(null))} FROM (SELECT 1) AS one LEFT JOIN (${sql}) AS x ON false`,
      Array(most).fill(null),
    );
    return compared.map(({ number, expected }): Condition => {
      const type = types?.[`p${number}`] ?? 'unknown';
      if (expected && expected !== type)
        refuse({ kind: 'parameter type', parameter: number, type, expected });
      return { kind: 'parameter type', parameter: number, type };
    });
  }

  /** Sets of values for `$1`…`$n`: from rows of the table, and for casts those that no row has. */
  async #values(): Promise<Values[]> {
    const { parameters, arms } = this.#reading;
    const most = Math.max(0, ...parameters.keys());
    const expressions = Array.from({ length: most }, (_, at) => {
      const use = parameters.get(at + 1);
      if (use === null) return `'${LIMIT}'`;
      if (!use) return 'NULL::text';
      const column = this.#session.quote(use.column);
      return use.array ? `ARRAY[${column}]::text` : `${column}::text`;
    });
    if (most === 0) return [[]];
    const [size] = await this.#session.query<{ rows: number }>(
      'SELECT reltuples::float8 AS rows FROM pg_catalog.pg_class WHERE oid = $1::regclass',
      [this.#from],
    );
    const share = Math.min(100, (SAMPLES * 200 * 100) / Math.max(1, size?.rows ?? 1));
    const sampled = await this.#session.query<{ values: Values }>(
      `SELECT ARRAY[${expressions.join(', ')}] AS values FROM ${this.#from} TABLESAMPLE BERNOULLI (${share.toFixed(4)}) LIMIT ${SAMPLES}`,
    );
    const sets = sampled.map(({ values }) => values);
    const first =
      sets[0] ?? Array.from({ length: most }, (_, at) => (parameters.get(at + 1) === null ? LIMIT : null));
    if (sets.length === 0) sets.push(first);
    for (const { cast: found } of arms) {
      const [number] = found ? numbersOf(found.value) : [];
      if (!found || number === undefined) continue;
      const own = first[number - 1];
      const odd =
        found.to === 'text'
          ? NO_NUMBERS
          : [...NO_DATES, ...(found.to === 'timestamp' && own ? [`${own}.5`] : [])];
      for (const value of odd) sets.push(first.map((each, at) => (at === number - 1 ? value : each)));
    }
    return sets;
  }

  /** Rows that differ between two statements with the same values; with `ordered`, their order counts too. */
  async #differing(first: string, second: string, values: Values, ordered: boolean) {
    const [found] = await this.#session.query<{ rows: number; differing: number }>(
      `WITH a AS MATERIALIZED (SELECT row_number() OVER () AS n, r::text AS r FROM (${first}) AS r),
            b AS MATERIALIZED (SELECT row_number() OVER () AS n, r::text AS r FROM (${second}) AS r)
       SELECT (SELECT count(*) FROM a)::int AS rows, ((SELECT count(*) FROM (SELECT r FROM a EXCEPT ALL SELECT r FROM b) AS x)
            + (SELECT count(*) FROM (SELECT r FROM b EXCEPT ALL SELECT r FROM a) AS y)
            + (SELECT count(*) FROM a FULL JOIN b USING (n) WHERE ${ordered} AND a.r IS DISTINCT FROM b.r))::int AS differing${unused(first + second, values)}`,
      values,
    );
    return found as { rows: number; differing: number };
  }

  /** The error that a statement ends with; undefined when it gives an answer. */
  async #error(sql: string, values: Values): Promise<string | undefined> {
    try {
      await this.#session.query(`SELECT count(*)${unused(sql, values)} FROM (${sql}) AS x`, values);
      return undefined;
    } catch (error) {
      return passing(error);
    }
  }

  async #equal(first: string, second: string, values: Values, ordered: boolean): Promise<number> {
    try {
      const { rows, differing } = await this.#differing(first, second, values, ordered);
      if (differing > 0) refuse({ kind: 'differs', values });
      return rows;
    } catch (error) {
      // An error is a result too: both have to end with it.
      passing(error);
      if ((await this.#error(first, values)) !== (await this.#error(second, values)))
        refuse({ kind: 'differs', values });
      return 0;
    }
  }

  /** @throws Refused where both statements do not give the same */
  async casts(rewritten: Node, ordered: boolean): Promise<Comparison> {
    const [first, second] = [this.#text(this.#reading.select), this.#text(rewritten)];
    const sets = await this.#values();
    let rows = 0;
    for (const values of sets) rows += await this.#equal(first, second, values, ordered);
    return { cases: sets.length, rows };
  }

  /** @throws Refused where a page differs */
  async keyset({ select, firstPage, keys }: Keyset): Promise<Comparison> {
    const most = Math.max(0, ...numbersOf(select));
    const limited = (node: Node, limit: number, offset: number): Node => ({
      ...copy(node),
      limitCount: integer(limit),
      ...(offset > 0 ? { limitOffset: integer(offset) } : {}),
      limitOption: 'LIMIT_OPTION_COUNT',
    });
    let [rows, cases] = [0, 0];
    for (const sampled of await this.#values())
      for (const offset of [1, PAGE, PAGE * 5]) {
        const values: Values = Array.from({ length: most }, (_, at) => sampled[at] ?? null);
        const targetList = keys.map(({ reference }, at) => ({
          ResTarget: { name: `sqltrail_key_${at}`, val: cast(copy(reference), 'text') },
        }));
        const before = this.#text({ ...limited(firstPage, 1, offset - 1), targetList });
        const [last] = await this.#session.query<Record<string, string>>(
          `SELECT x.*${unused(before, values)} FROM (${before}) AS x`,
          values,
        );
        if (!last) continue;
        for (const [at, key] of keys.entries())
          values[key.parameter - 1] = last[`sqltrail_key_${at}`] ?? null;
        const page = this.#text(limited(firstPage, PAGE, offset));
        rows += await this.#equal(page, this.#text(limited(select, PAGE, 0)), values, true);
        cases += 1;
      }
    return { cases, rows };
  }

  /** @throws Refused for a statement that the server does not plan */
  async planned(rewritten: Node, version: number): Promise<void> {
    try {
      await this.#session.plan(this.#text(rewritten), version >= 160_000 ? 'GENERIC_PLAN, ' : '');
    } catch (error) {
      passing(error);
      refuse({ kind: 'not carried out', message: (error as Error).message });
    }
  }
}

/**
 * The SQLSTATE of an error that the statement itself is the cause of.
 *
 * @throws the error, when it has another cause: a timeout, a lock, a lost connection, no rights
 */
function passing(error: unknown): string {
  const { code } = error as { code?: string };
  if (!code || !/^(22|23|42(?!501)|0A|2201|21)/.test(code)) throw error;
  return code;
}
