import type pg from 'pg';

/** @param name quoted where it needs quotes; roles belong to the server, on which other tests make them at the same time */
export const roleSql = (name: string): string =>
  `DO $$ BEGIN CREATE ROLE ${name}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;`;

/**
 * A shop's tables as strangers make them: foreign keys both ways, a view on a view, triggers, identity, row-level
 * security, comments, rights, statistics, storage options, quoted names and names in other scripts.
 */
export const hostileTables = `
CREATE SCHEMA "Лавка";
CREATE SCHEMA ext;
${roleSql('case_writer')}
${roleSql('"case reader"')}
GRANT USAGE ON SCHEMA "Лавка" TO case_writer, "case reader";
CREATE TYPE ext.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN ext.money AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE TABLE "Лавка".people (id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE "Лавка".audit (at timestamptz DEFAULT clock_timestamp(), what text);
CREATE TABLE "Лавка"."Заказы" (
  id            bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 2 CACHE 5),
  "o$$id"       text NOT NULL DEFAULT 'x''y',
  "Name"        text COLLATE "C",
  name          text,
  person        int REFERENCES "Лавка".people ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
  "when"        timestamptz NOT NULL DEFAULT now(),
  doc           json,
  tags          text[] NOT NULL DEFAULT '{}',
  mood          ext.mood DEFAULT 'ok',
  price         ext.money,
  twice         numeric GENERATED ALWAYS AS (price * 2) STORED,
  number        serial,
  day           text NOT NULL DEFAULT '2026-01-01',
  dropped       int,
  CONSTRAINT "Заказы pk" PRIMARY KEY (id, "when"),
  CONSTRAINT "named check" CHECK (length(name) < 1000)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE "Лавка"."Заказы" DROP COLUMN dropped;
ALTER TABLE "Лавка"."Заказы" ALTER COLUMN name SET STATISTICS 333, ALTER COLUMN "Name" SET (n_distinct = -0.5), ALTER COLUMN doc SET STORAGE EXTERNAL;
CREATE INDEX "Заказы_name ON x" ON "Лавка"."Заказы" USING btree (lower(name) text_pattern_ops DESC, "when") INCLUDE (price) WHERE person IS NOT NULL;
CREATE INDEX "Заказы_tags" ON "Лавка"."Заказы" USING gin (tags);
CREATE UNIQUE INDEX "Заказы_number" ON "Лавка"."Заказы" (number, "when" DESC);
CREATE INDEX "by day" ON "Лавка"."Заказы" (day DESC, id) WHERE number > 0;
COMMENT ON INDEX "Лавка"."by day" IS 'for days';
CREATE STATISTICS "Лавка"."st 1" (dependencies, mcv) ON person, mood FROM "Лавка"."Заказы";
COMMENT ON TABLE "Лавка"."Заказы" IS 'it''s the orders';
COMMENT ON COLUMN "Лавка"."Заказы".name IS 'lower';
COMMENT ON CONSTRAINT "named check" ON "Лавка"."Заказы" IS 'a check';
COMMENT ON CONSTRAINT "Заказы pk" ON "Лавка"."Заказы" IS 'a key';
COMMENT ON INDEX "Лавка"."Заказы_tags" IS 'for tags';
COMMENT ON STATISTICS "Лавка"."st 1" IS 'together';
CREATE FUNCTION "Лавка".stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := coalesce(NEW.name, 'nobody'); RETURN NEW; END $$;
CREATE FUNCTION "Лавка".audited() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO "Лавка".audit (what) VALUES (TG_OP); RETURN NULL; END $$;
-- Changes the row again after it was written.
CREATE FUNCTION "Лавка".again() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $f$ BEGIN
  IF NEW."o$$id" = 'again' THEN UPDATE "Лавка"."Заказы" SET "o$$id" = 'was again' WHERE id = NEW.id; END IF; RETURN NULL; END $f$;
CREATE TRIGGER a_stamp BEFORE INSERT OR UPDATE OF name ON "Лавка"."Заказы" FOR EACH ROW EXECUTE FUNCTION "Лавка".stamp();
CREATE TRIGGER "z audited" AFTER INSERT OR DELETE OR UPDATE ON "Лавка"."Заказы" FOR EACH STATEMENT EXECUTE FUNCTION "Лавка".audited();
CREATE TRIGGER again AFTER INSERT ON "Лавка"."Заказы" FOR EACH ROW WHEN (NEW.name <> 'x') EXECUTE FUNCTION "Лавка".again();
CREATE TRIGGER off AFTER UPDATE ON "Лавка"."Заказы" FOR EACH ROW EXECUTE FUNCTION "Лавка".audited();
ALTER TABLE "Лавка"."Заказы" DISABLE TRIGGER off;
ALTER TABLE "Лавка"."Заказы" ENABLE ALWAYS TRIGGER "z audited";
COMMENT ON TRIGGER again ON "Лавка"."Заказы" IS 'twice';
CREATE TABLE "Лавка".lines (id serial PRIMARY KEY, order_id bigint, order_when timestamptz,
  CONSTRAINT "line of" FOREIGN KEY (order_id, order_when) REFERENCES "Лавка"."Заказы" ON DELETE CASCADE ON UPDATE CASCADE);
COMMENT ON CONSTRAINT "line of" ON "Лавка".lines IS 'incoming';
CREATE VIEW "Лавка".happy WITH (security_barrier = true) AS SELECT id, "when", name AS "Имя" FROM "Лавка"."Заказы" WHERE mood = 'happy' WITH CHECK OPTION;
CREATE VIEW "Лавка".counted AS SELECT count(*) AS n FROM "Лавка".happy;
GRANT SELECT ON "Лавка".happy TO "case reader";
COMMENT ON VIEW "Лавка".happy IS 'good ones';
ALTER TABLE "Лавка"."Заказы" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "see own" ON "Лавка"."Заказы" FOR SELECT TO "case reader" USING (EXISTS (SELECT FROM "Лавка".people AS p WHERE p.id = "Заказы".person));
CREATE POLICY writers ON "Лавка"."Заказы" TO case_writer USING (true) WITH CHECK (price IS NULL OR price < 1000000);
COMMENT ON POLICY writers ON "Лавка"."Заказы" IS 'all of it';
GRANT SELECT, INSERT, UPDATE, DELETE ON "Лавка"."Заказы" TO case_writer WITH GRANT OPTION;
GRANT SELECT (id, name) ON "Лавка"."Заказы" TO "case reader";
GRANT USAGE ON SEQUENCE "Лавка"."Заказы_id_seq", "Лавка"."Заказы_number_seq" TO case_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON "Лавка".people, "Лавка".lines TO case_writer;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA "Лавка" TO case_writer;
GRANT USAGE ON SCHEMA ext TO case_writer;
INSERT INTO "Лавка".people (name) SELECT 'p' || i FROM generate_series(1, 40) AS i;
INSERT INTO "Лавка"."Заказы" (name, "Name", person, "when", doc, tags, mood, price)
SELECT 'n' || i, repeat('Ж', i % 300), 1 + i % 40, timestamptz '2026-01-01' + i * interval '3 hours', json_build_object('i', i), ARRAY['a' || i % 7], (ARRAY['sad', 'ok', 'happy'])[1 + i % 3]::ext.mood, i
  FROM generate_series(1, 1500) AS i;
INSERT INTO "Лавка"."Заказы" (name, "when") VALUES ('early', '-infinity'), ('late', 'infinity'), ('NaN', '1999-12-31');
INSERT INTO "Лавка".lines (order_id, order_when) SELECT id, "when" FROM "Лавка"."Заказы" WHERE id % 14 = 0;
`;
export const HOSTILE = '"Лавка"."Заказы"';

/**
 * Rows of one table that the other has not, both ways, by their text where types differ or have no equality; written
 * without the engine.
 */
export async function differing(
  client: pg.ClientBase,
  one: string,
  other: string,
  { asText = false } = {},
): Promise<number> {
  const { rows: columns } = await client.query<{ list: string }>(
    `SELECT string_agg(quote_ident(attname) || CASE WHEN $2 OR atttypid IN ('json'::regtype, 'xml'::regtype, 'point'::regtype) THEN '::text' ELSE '' END, ', ' ORDER BY attnum) AS list
       FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`,
    [one, asText],
  );
  const side = (table: string) => `SELECT ${columns[0]?.list} FROM ${table}`;
  const { rows } = await client.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ((${side(one)} EXCEPT ALL ${side(other)}) UNION ALL (${side(other)} EXCEPT ALL ${side(one)})) AS d`,
  );
  return rows[0]?.n ?? Number.NaN;
}
