import type { Statement } from '../../corpusDatabase.ts';

const crate =
  '"crates"."id", "crates"."name", "crates"."updated_at", "crates"."created_at", "crates"."description", "crates"."homepage", "crates"."documentation", "crates"."repository"';
const version =
  '"versions"."id", "versions"."crate_id", "versions"."num", "versions"."updated_at", "versions"."created_at", "versions"."downloads", "versions"."features", "versions"."yanked", "versions"."license", "versions"."crate_size", "versions"."published_by"';

export const workload: Statement[] = [
  {
    from: 'controllers::krate::metadata, the crate',
    text: `SELECT ${crate} FROM "crates" WHERE (canon_crate_name("crates"."name") = canon_crate_name($1)) LIMIT $2`,
    calls: 1500,
    values: (r) => [`${r.word()}-${r.word()}-${r.any(20_000)}`, 1],
  },
  {
    from: 'the versions of a crate',
    text: `SELECT ${version} FROM "versions" WHERE ("versions"."crate_id" = $1) ORDER BY "versions"."semver_ord_v2" DESC LIMIT $2`,
    calls: 800,
    values: (r) => [r.zipf(20_000), 100],
  },
  {
    from: 'controllers::version::dependencies',
    text: `SELECT "dependencies"."id", "dependencies"."version_id", "dependencies"."crate_id", "dependencies"."req", "dependencies"."optional", "dependencies"."kind", "crates"."name" FROM "dependencies" INNER JOIN "crates" ON ("dependencies"."crate_id" = "crates"."id") WHERE ("dependencies"."version_id" = $1) ORDER BY "dependencies"."optional", "crates"."name"`,
    calls: 300,
    values: (r) => [r.any(60_000)],
  },
  {
    from: 'reverse dependencies',
    text: `SELECT "dependencies"."id", "dependencies"."version_id" FROM "dependencies" INNER JOIN "versions" ON ("versions"."id" = "dependencies"."version_id") WHERE ("dependencies"."crate_id" = $1) LIMIT $2`,
    calls: 300,
    values: (r) => [r.zipf(20_000), 10],
  },
  {
    from: 'controllers::krate::search, full text',
    text: `SELECT ${crate} FROM "crates" WHERE (plainto_tsquery('english', $1) @@ "crates"."textsearchable_index_col") ORDER BY ts_rank_cd("crates"."textsearchable_index_col", plainto_tsquery('english', $1)) DESC LIMIT $2`,
    calls: 200,
    values: (r) => [`${r.word()} ${r.word()}`, 10],
  },
  {
    from: 'controllers::krate::search, all crates, page by page',
    text: `SELECT ${crate} FROM "crates" ORDER BY "crates"."name" ASC LIMIT $1 OFFSET $2`,
    calls: 120,
    values: (r) => [50, 50 * r.any(390)],
  },
  {
    from: 'controllers::summary',
    text: 'SELECT COUNT(*) FROM "crates"',
    calls: 250,
  },
  {
    from: 'controllers::summary, most downloaded',
    text: `SELECT "crates"."id", "crates"."name", "crate_downloads"."downloads" FROM "crate_downloads" INNER JOIN "crates" ON ("crates"."id" = "crate_downloads"."crate_id") ORDER BY "crate_downloads"."downloads" DESC LIMIT $1`,
    calls: 250,
    values: () => [10],
  },
  {
    from: 'controllers::token::list',
    text: `SELECT "api_tokens"."id", "api_tokens"."user_id", "api_tokens"."name", "api_tokens"."created_at", "api_tokens"."last_used_at" FROM "api_tokens" WHERE ("api_tokens"."user_id" = $1) AND ("api_tokens"."revoked" = $2) ORDER BY "api_tokens"."id" DESC`,
    calls: 300,
    values: (r) => [r.any(15_000), false],
  },
  {
    from: 'ApiToken::find_by_api_token, on each publish',
    text: `UPDATE "api_tokens" SET "last_used_at" = now() WHERE ("api_tokens"."revoked" = FALSE AND "api_tokens"."token" = decode(md5($1::text), 'hex')) RETURNING "id", "user_id"`,
    calls: 500,
    values: (r) => [`token${r.any(20_000)}`],
  },
  {
    from: 'crates of a user (crate_owners)',
    text: `SELECT ${crate} FROM "crate_owners" INNER JOIN "crates" ON ("crate_owners"."crate_id" = "crates"."id") WHERE ("crate_owners"."owner_id" = $1 AND "crate_owners"."owner_kind" = $2 AND "crate_owners"."deleted" = FALSE) ORDER BY "crates"."name"`,
    calls: 300,
    values: (r) => [r.any(15_000), 0],
  },
  {
    from: 'owners of a crate',
    text: `SELECT "users"."id", "users"."gh_login", "users"."name" FROM "crate_owners" INNER JOIN "users" ON ("crate_owners"."owner_id" = "users"."id") WHERE ("crate_owners"."crate_id" = $1 AND "crate_owners"."owner_kind" = $2 AND "crate_owners"."deleted" = FALSE)`,
    calls: 500,
    values: (r) => [r.zipf(20_000), 0],
  },
  {
    from: 'controllers::version::downloads',
    text: `SELECT "version_downloads"."version_id", "version_downloads"."date", "version_downloads"."downloads" FROM "version_downloads" WHERE ("version_downloads"."version_id" = ANY($1) AND "version_downloads"."date" > $2) ORDER BY "version_downloads"."date" ASC`,
    calls: 400,
    values: (r) => [[r.zipf(60_000), r.zipf(60_000), r.zipf(60_000)], new Date(Date.now() - 90 * 86_400_000)],
  },
  {
    from: 'worker::jobs::downloads, the counters of today',
    text: `INSERT INTO "version_downloads" ("version_id", "downloads", "counted", "date", "processed") VALUES ($1, 1, 0, current_date, false) ON CONFLICT ("version_id", "date") DO UPDATE SET "downloads" = version_downloads.downloads + 1`,
    calls: 600,
    values: (r) => [r.zipf(60_000)],
  },
  {
    from: 'a crate that is deleted',
    text: 'DELETE FROM "crates" WHERE ("crates"."id" = $1)',
    calls: 15,
    values: (r) => [15_000 + r.any(5_000)],
  },
  {
    from: 'mails to followers of a keyword (planted column)',
    text: `SELECT "users"."id" FROM "users" WHERE ("users"."followed_keywords" ILIKE '%' || $1::text || '%') LIMIT $2`,
    calls: 60,
    values: (r) => [r.pick('crypto', 'no-std', 'embedded'), 100],
  },
];
