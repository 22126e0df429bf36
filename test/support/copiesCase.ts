import type pg from 'pg';
import { roleSql } from './operationCase.ts';

/** Bookings that copy what they say of a guest, as strangers keep them; the copies of some contradict. */
export const BOOKINGS = '"Дом"."Брони"';
export const GUESTS = '"Дом"."Гости"';
export const LEDGER = '"Дом"."Гости_contradictions"';
export const bookings = `
CREATE SCHEMA "Дом";
${roleSql('case_writer')}
GRANT USAGE ON SCHEMA "Дом" TO case_writer;
CREATE TABLE ${BOOKINGS} (
  id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  guest     int,
  "Имя"     text NOT NULL DEFAULT '',
  city      varchar(200),
  image     jsonb,
  at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  note      text
);
CREATE FUNCTION "Дом".stamp() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN NEW.note := coalesce(NEW.note, 'stamped'); RETURN NEW; END $f$;
CREATE TRIGGER a_stamp BEFORE INSERT OR UPDATE ON ${BOOKINGS} FOR EACH ROW EXECUTE FUNCTION "Дом".stamp();
GRANT SELECT, INSERT, UPDATE, DELETE ON ${BOOKINGS} TO case_writer;
INSERT INTO ${BOOKINGS} (guest, "Имя", city, image, at)
SELECT g, 'имя ' || g, CASE WHEN g % 5 = 0 THEN NULL WHEN g % 7 = 0 AND i % 90 = 0 THEN 'elsewhere' ELSE 'city ' || g % 9 END, jsonb_build_object('g', g), timestamptz '2026-01-01' + i * interval '1 minute'
  FROM (SELECT i, i % 60 + 1 AS g FROM generate_series(1, 1500) AS i) AS s;
INSERT INTO ${BOOKINGS} (guest) SELECT NULL FROM generate_series(1, 5);
`;

interface Copy {
  key: string;
  values: (string | null)[];
  latest: string;
}
interface Entry {
  key: string;
  name: string;
  copies: { value: string | null }[];
  chosen: string | null;
  rule: string;
}

/**
 * What the new table and the ledger have wrong; written without the engine and its SQL.
 *
 * @param given.columns by name; all quoted, as the tables are
 * @param given.cutover whether it is after the cutover, when copies may say what the ledger has
 */
export async function wrongCopies(
  client: pg.ClientBase,
  given: {
    table: string;
    into: string;
    ledger: string;
    queue: string;
    key: string;
    columns: Readonly<Record<string, string>>;
    latest: string | undefined;
    cutover: boolean;
  },
): Promise<string[]> {
  const values = `ARRAY[${Object.values(given.columns)
    .map((column) => `${column}::text`)
    .join(', ')}]`;
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const copies = await client.query<Copy>(
    `SELECT ${given.key}::text AS key, ${values} AS values, ${given.latest ? `to_char(${given.latest} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')` : "''"} AS latest FROM ${given.table} WHERE ${given.key} IS NOT NULL`,
  );
  const rows = await client.query<Copy>(
    `SELECT ${given.key}::text AS key, ${values} AS values FROM ${given.into}`,
  );
  const ledger = await client.query<Entry>(
    `SELECT key::text, column_name AS name, copies, chosen, rule FROM ${given.ledger}`,
  );
  const queue = await client.query<{ key: string }>(`SELECT key::text FROM ${given.queue}`);
  await client.query('COMMIT');
  const is = new Map(rows.rows.map((row) => [row.key, row.values]));
  const entries = Map.groupBy(ledger.rows, ({ key }) => key);
  const later = new Set(queue.rows.map(({ key }) => key));
  const wrong: string[] = [];
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  for (const [key, all] of Map.groupBy(copies.rows, (row) => row.key)) {
    const found = is.get(key);
    is.delete(key);
    const names = Object.keys(given.columns);
    if (given.cutover) {
      for (const copy of all)
        for (const [at, name] of names.entries()) {
          const value = copy.values[at] ?? null;
          const known = (entries.get(key) ?? []).some(
            (entry) =>
              entry.name === name &&
              (entry.chosen === value || entry.copies.some((each) => each.value === value)),
          );
          if (!found || (found[at] !== value && !known))
            wrong.push(`${key}: the copy ${name} = ${value} is neither ${found?.[at]} nor in the ledger`);
        }
      continue;
    }
    if (later.has(key)) continue;
    const counted = Map.groupBy(all, (copy) => JSON.stringify(copy.values));
    const most = Math.max(...[...counted.values()].map(({ length }) => length));
    const newest = all
      .map(({ latest }) => latest)
      .sort()
      .at(-1);
    const may = given.latest
      ? all.filter(({ latest }) => latest === newest).map((copy) => copy.values)
      : [...counted.values()].filter(({ length }) => length === most).map(([first]) => first?.values);
    if (!may.some((each) => same(each, found)))
      wrong.push(`${key}: ${JSON.stringify(found)} is none of ${JSON.stringify(may)}`);
    const contradicting = names
      .filter((_, at) => new Set(all.map((copy) => copy.values[at])).size > 1)
      .sort();
    const noted = (entries.get(key) ?? [])
      .filter(({ rule }) => /^(latest-by|most-frequent)/.test(rule))
      .map(({ name }) => name)
      .sort();
    if (!same(contradicting, noted))
      wrong.push(`${key}: ${contradicting} contradict, and the ledger has ${noted}`);
  }
  if (!given.cutover) for (const key of is.keys()) if (!later.has(key)) wrong.push(`${key}: no row has it`);
  return wrong;
}
