import { expect, it } from 'vitest';
import { sqlOfRailsSchema } from './railsSchema.ts';

const schema = (body: string) => `ActiveRecord::Schema[8.1].define(version: 1) do\n${body}\nend\n`;

it('makes tables, with keys, defaults and arrays', () => {
  const sql = sqlOfRailsSchema(
    schema(`  create_table "posts", force: :cascade do |t|
    t.string "title", limit: 80, default: "it's", null: false
    t.bigint "tag_ids", default: [], null: false, array: true
    t.datetime "created_at", precision: nil, null: false
  end

  create_table "joins", primary_key: ["a_id", "b_id"], force: :cascade do |t|
    t.bigint "a_id", null: false
    t.bigint "b_id", null: false
  end`),
  );
  expect(sql).toContain(
    `CREATE TABLE "posts" ("id" bigserial PRIMARY KEY, "title" character varying(80) DEFAULT 'it''s' NOT NULL, "tag_ids" bigint[] DEFAULT '{}' NOT NULL, "created_at" timestamp(6) without time zone NOT NULL);`,
  );
  expect(sql).toContain(
    'CREATE TABLE "joins" ("a_id" bigint NOT NULL, "b_id" bigint NOT NULL, PRIMARY KEY ("a_id", "b_id"));',
  );
});

it('makes indexes of columns and expressions, with order, condition and method', () => {
  const sql = sqlOfRailsSchema(
    schema(`  create_table "posts", force: :cascade do |t|
    t.text "body"
    t.index "lower((body)::text)", name: "by_lower", unique: true
    t.index ["author_id", "id"], name: "by_author", order: { id: :desc }, where: "(deleted_at IS NULL)"
    t.index ["body"], name: "by_words", opclass: :gin_trgm_ops, using: :gin
  end`),
  );
  expect(sql).toContain('CREATE UNIQUE INDEX "by_lower" ON "posts" USING btree (lower((body)::text));');
  expect(sql).toContain(
    'CREATE INDEX "by_author" ON "posts" USING btree ("author_id", "id" desc) WHERE (deleted_at IS NULL);',
  );
  expect(sql).toContain('CREATE INDEX "by_words" ON "posts" USING gin ("body" gin_trgm_ops);');
});

it('makes foreign keys, whose column follows from the table', () => {
  const sql = sqlOfRailsSchema(
    schema(`  add_foreign_key "media", "statuses", on_delete: :nullify
  add_foreign_key "likes", "accounts", column: "target_account_id", on_delete: :cascade`),
  );
  expect(sql).toContain(
    'ALTER TABLE "media" ADD FOREIGN KEY ("status_id") REFERENCES "statuses" ON DELETE SET NULL;',
  );
  expect(sql).toContain(
    'ALTER TABLE "likes" ADD FOREIGN KEY ("target_account_id") REFERENCES "accounts" ON DELETE CASCADE;',
  );
});
