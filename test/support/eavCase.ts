import type pg from 'pg';
import { roleSql } from './operationCase.ts';

/** Attributes as strangers keep them: quoted names, an entity of two columns, a column a kind, a trigger, foreign keys. */
export const FACTS = '"Дом"."Свойства"';
export const THINGS = '"Дом".things';
export const DOCUMENTS = '"Дом"."документы"';
export const facts = `
CREATE SCHEMA "Дом";
CREATE SCHEMA ext;
${roleSql('case_writer')}
GRANT USAGE ON SCHEMA "Дом" TO case_writer;
CREATE DOMAIN ext.thing AS text CHECK (VALUE <> 'nothing');
CREATE TABLE ${THINGS} (shop int, thing ext.thing, PRIMARY KEY (shop, thing));
INSERT INTO ${THINGS} SELECT i % 6, 'вещь ' || i FROM generate_series(1, 240) AS i;
CREATE TABLE ${FACTS} (
  id        bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 2) PRIMARY KEY,
  shop      int NOT NULL,
  "Вещь"    ext.thing NOT NULL,
  "имя"     character varying(90) NOT NULL,
  "text"    text,
  number    numeric,
  flag      boolean,
  changed   timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT "once each" UNIQUE ("Вещь", shop, "имя"),
  CONSTRAINT "of a thing" FOREIGN KEY (shop, "Вещь") REFERENCES ${THINGS} ON UPDATE CASCADE ON DELETE CASCADE,
  CONSTRAINT "one value" CHECK (num_nonnulls("text", number, flag) <= 1)
);
CREATE FUNCTION "Дом".stamp() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN NEW.changed := clock_timestamp(); RETURN NEW; END $f$;
CREATE TRIGGER a_stamp BEFORE UPDATE ON ${FACTS} FOR EACH ROW EXECUTE FUNCTION "Дом".stamp();
GRANT SELECT, INSERT, UPDATE, DELETE ON ${FACTS} TO case_writer;
COMMENT ON COLUMN ${FACTS}."имя" IS 'a name';
INSERT INTO ${FACTS} (shop, "Вещь", "имя", "text", number, flag)
SELECT shop, thing, a, CASE WHEN i % 4 = 0 THEN repeat(a || '🙂', 20) END, CASE WHEN i % 4 = 1 THEN i / 8.0 END, CASE WHEN i % 4 = 2 THEN i % 8 = 2 END
  FROM ${THINGS}, unnest(ARRAY['w0_a', 'w1_a', 'w2_a', 'цвет', 'Size', 'x"y', 'é', '']) WITH ORDINALITY AS n (a, place), LATERAL (SELECT (shop * 7 + place)::int AS i) AS c;
`;
export const FACT_COLUMNS = {
  entity: ['shop', 'Вещь'],
  attribute: 'имя',
  values: ['text', 'number', 'flag'],
  leaveOut: ['id', 'changed'],
} as const;

/** A column of values, quoted, and what its values are in a document. */
interface Values {
  column: string;
  kind: string | ((said: string) => string);
}

/**
 * Where a document does not say what the rows of its entity say, and the other way round; written without the engine
 * and its SQL. A document without attributes says the same as no rows.
 *
 * @param print how both are compared, where a value has several forms
 */
export async function wrongDocuments(
  client: pg.ClientBase,
  given: {
    table: string;
    /** Quoted. */
    entity: readonly string[];
    attribute: string;
    values: readonly Values[];
    into: string;
    document?: string;
    print?: (text: string) => string;
  },
): Promise<string[]> {
  const { print = (text: string) => text } = given;
  const key = `ROW(${given.entity.join(', ')})::text AS key`;
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const rows = await client.query<{ key: string; name: string; said: (string | null)[] }>(
    `SELECT ${key}, ${given.attribute}::text AS name, ARRAY[${given.values.map(({ column }) => `${column}::text`).join(', ')}] AS said FROM ${given.table}`,
  );
  const documents = await client.query<{
    key: string;
    name: string | null;
    kind: string;
    said: string | null;
  }>(
    // In a table of its own, where a column of the entity called “key” would mean the one of jsonb_each().
    `SELECT d.key, a.key AS name, jsonb_typeof(a.value) AS kind, a.value #>> '{}' AS said
       FROM (SELECT ${key}, ${given.document ?? 'attributes'} AS document FROM ${given.into}) AS d LEFT JOIN LATERAL jsonb_each(d.document) AS a ON true`,
  );
  await client.query('COMMIT');
  const wanted = rows.rows.map(({ key: of, name, said }) => {
    const at = said.findIndex((each) => each !== null);
    const text = said[at] ?? '';
    const kind = given.values[at]?.kind;
    return JSON.stringify(
      kind ? [of, name, typeof kind === 'string' ? kind : kind(text), print(text)] : [of, name, 'null'],
    );
  });
  const found = documents.rows
    .filter(({ name }) => name !== null)
    .map(({ key: of, name, kind, said }) =>
      JSON.stringify(kind === 'null' ? [of, name, kind] : [of, name, kind, print(said ?? '')]),
    );
  const [said, kept] = [new Set(wanted), new Set(found)];
  return [
    ...wanted.filter((each) => !kept.has(each)).map((each) => `row: ${each}`),
    ...found.filter((each) => !said.has(each)).map((each) => `document: ${each}`),
  ];
}

export const wrongFacts = (client: pg.ClientBase): Promise<string[]> =>
  wrongDocuments(client, {
    table: FACTS,
    entity: ['shop', '"Вещь"'],
    attribute: '"имя"',
    values: [
      { column: '"text"', kind: 'string' },
      { column: 'number', kind: 'number' },
      { column: 'flag', kind: 'boolean' },
    ],
    into: DOCUMENTS,
  });
