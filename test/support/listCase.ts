import type pg from 'pg';
import { roleSql } from './operationCase.ts';

/** Articles with lists as strangers keep them: quoted names, a composite key, triggers that change the list again. */
export const ARTICLES = '"Дом"."Статьи"';
export const articles = `
CREATE SCHEMA "Дом";
CREATE SCHEMA ext;
${roleSql('case_writer')}
GRANT USAGE ON SCHEMA "Дом" TO case_writer;
CREATE DOMAIN ext.place AS text CHECK (VALUE <> 'nowhere');
CREATE TABLE ${ARTICLES} (
  id        bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 2),
  "where"   ext.place NOT NULL DEFAULT 'here',
  "Метки"   character varying(900),
  position  int,
  changed   timestamptz DEFAULT now(),
  CONSTRAINT "a key" PRIMARY KEY (id, "where")
);
CREATE FUNCTION "Дом".again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$ BEGIN
  IF NEW."Метки" = 'again' THEN UPDATE ${ARTICLES} SET "Метки" = 'was,again' WHERE id = NEW.id; END IF; RETURN NULL; END $f$;
CREATE FUNCTION "Дом".stamp() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN NEW.changed := clock_timestamp(); RETURN NEW; END $f$;
CREATE TRIGGER again AFTER INSERT OR UPDATE ON ${ARTICLES} FOR EACH ROW EXECUTE FUNCTION "Дом".again();
CREATE TRIGGER a_stamp BEFORE UPDATE ON ${ARTICLES} FOR EACH ROW EXECUTE FUNCTION "Дом".stamp();
GRANT SELECT, INSERT, UPDATE, DELETE ON ${ARTICLES} TO case_writer;
COMMENT ON COLUMN ${ARTICLES}."Метки" IS 'a, list';
INSERT INTO ${ARTICLES} ("where", "Метки")
SELECT 'w' || i % 7, CASE i % 6 WHEN 0 THEN NULL WHEN 1 THEN 'один' WHEN 2 THEN 'a,b,a' WHEN 3 THEN ',x,' WHEN 4 THEN ' y, 🙂' ELSE 't' || i || ',' || repeat('ж', i % 40) END
  FROM generate_series(1, 1500) AS i;
`;

/**
 * Rows whose list is not what the entries are, and entries without a row; written without the engine and its SQL.
 *
 * @param into the new table, quoted
 */
export async function wrongLists(
  client: pg.ClientBase,
  given: {
    table: string;
    column: string;
    keys: string;
    into: string;
    newKeys: string;
    position?: string;
    value?: string;
    separator?: string;
  },
): Promise<string[]> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const lists = await client.query<{ key: string; list: string[] | string | null }>(
    `SELECT ROW(${given.keys})::text AS key, ${given.column} AS list FROM ${given.table}`,
  );
  const entries = await client.query<{ key: string; value: string | null }>(
    // Not ORDER BY of the statement itself, where a key called “value” would mean the output of that name.
    `SELECT key, value FROM (
       SELECT ROW(${given.newKeys})::text AS key, ${given.value ?? 'value'}::text AS value,
              row_number() OVER (ORDER BY ${given.newKeys}, ${given.position ?? 'position'}) AS place
         FROM ${given.into}) AS entries ORDER BY place`,
  );
  await client.query('COMMIT');
  const found = Map.groupBy(entries.rows, ({ key }) => key);
  const wrong: string[] = [];
  for (const { key, list } of lists.rows) {
    const wanted = Array.isArray(list) ? list : list ? list.split(given.separator ?? ',') : [];
    const is = found.get(key)?.map(({ value }) => value) ?? [];
    if (JSON.stringify(is) !== JSON.stringify(wanted))
      wrong.push(`${key}: ${JSON.stringify(list)} is ${JSON.stringify(is)}`);
    found.delete(key);
  }
  return [...wrong, ...[...found.keys()].map((key) => `${key}: has entries and no row`)];
}
