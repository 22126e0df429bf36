import type { Statement } from '../../corpusDatabase.ts';

export const workload: Statement[] = [
  {
    from: 'PostsController#show',
    text: 'SELECT "posts".* FROM "posts" WHERE "posts"."id" = $1 LIMIT $2',
    calls: 3000,
    values: (r) => [r.zipf(60_000), 1],
  },
  {
    from: 'PostQueryBuilder, a search for tags',
    text: `SELECT "posts".* FROM "posts" WHERE (string_to_array(posts.tag_string, ' ') @> ARRAY[$1]) AND "posts"."is_deleted" = FALSE ORDER BY "posts"."id" DESC LIMIT $2`,
    calls: 200,
    values: (r) => [`${r.word()}_${r.word()}`, 20],
  },
  {
    from: 'PostQueryBuilder, order:score',
    text: 'SELECT "posts".* FROM "posts" WHERE "posts"."is_deleted" = FALSE ORDER BY posts.score DESC, posts.id DESC LIMIT $1',
    calls: 150,
    values: () => [20],
  },
  {
    from: 'PaginationExtension, numbered pages of posts',
    text: 'SELECT "posts".* FROM "posts" ORDER BY "posts"."id" DESC LIMIT $1 OFFSET $2',
    calls: 120,
    values: (r) => [20, 20 * r.any(1000)],
  },
  {
    from: 'PaginationExtension, sequential pages (page=b123)',
    text: 'SELECT "posts".* FROM "posts" WHERE (posts.id < $1) ORDER BY "posts"."id" DESC LIMIT $2',
    calls: 400,
    values: (r) => [r.any(60_000), 20],
  },
  {
    from: 'comments of a post',
    text: 'SELECT "comments".* FROM "comments" WHERE "comments"."post_id" = $1 ORDER BY "comments"."id" ASC',
    calls: 600,
    values: (r) => [r.zipf(60_000)],
    forEach: {
      text: 'SELECT "users".* FROM "users" WHERE "users"."id" = $1 LIMIT $2',
      values: (row) => [row['creator_id'], 1],
    },
  },
  {
    from: 'CommentsController#index, count of the paginator',
    text: 'SELECT COUNT(*) FROM "comments" WHERE "comments"."is_deleted" = FALSE',
    calls: 150,
  },
  {
    from: 'ForumPostsController#search, body_ilike',
    text: 'SELECT "forum_posts".* FROM "forum_posts" WHERE "forum_posts"."body" ILIKE $1 ORDER BY "forum_posts"."id" DESC LIMIT $2',
    calls: 100,
    values: (r) => [`%${r.word()} ${r.word()} ${r.word()}%`, 20],
  },
  {
    from: 'PostVersionsController, search[added_tags_include_all]',
    text: 'SELECT "post_versions".* FROM "post_versions" WHERE (post_versions.added_tags @> $1) ORDER BY "post_versions"."updated_at" DESC LIMIT $2',
    calls: 80,
    values: (r) => [[r.word(), r.word()], 20],
  },
  {
    from: 'PostVersion of a post',
    text: 'SELECT "post_versions".* FROM "post_versions" WHERE "post_versions"."post_id" = $1 ORDER BY "post_versions"."updated_at" ASC',
    calls: 300,
    values: (r) => [r.zipf(60_000)],
  },
  {
    from: 'FavoritesController#create',
    text: 'INSERT INTO "favorites" ("user_id", "post_id") VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING "id"',
    calls: 400,
    values: (r) => [r.any(20_000), r.any(60_000)],
  },
  {
    from: 'Post#favorited, the counter',
    text: 'UPDATE "posts" SET "fav_count" = fav_count + 1, "score" = score + 1 WHERE "posts"."id" = $1',
    calls: 400,
    values: (r) => [r.zipf(60_000)],
  },
  {
    from: 'User.find_by_name at login',
    text: 'SELECT "users".* FROM "users" WHERE lower("users"."name") = $1 LIMIT $2',
    calls: 300,
    values: (r) => [`${r.word()}-${r.any(20_000)}`, 1],
  },
  {
    from: 'TagsController, autocomplete',
    text: 'SELECT "tags"."name", "tags"."post_count" FROM "tags" WHERE "tags"."name" LIKE $1 ORDER BY "tags"."post_count" DESC LIMIT $2',
    calls: 300,
    values: (r) => [`%${r.word()}%`, 10],
  },
  {
    from: 'UserEventsController of a user',
    text: 'SELECT "user_events".* FROM "user_events" WHERE "user_events"."user_id" = $1 ORDER BY "user_events"."created_at" DESC LIMIT $2',
    calls: 50,
    values: (r) => [r.zipf(20_000), 20],
  },
  {
    from: 'NewsUpdate and dashboards: mail that was not read',
    text: 'SELECT COUNT(*) FROM "dmails" WHERE "dmails"."owner_id" = $1 AND "dmails"."is_read" = FALSE AND "dmails"."is_deleted" = FALSE',
    calls: 400,
    values: (r) => [r.zipf(20_000)],
  },
  {
    from: 'NotesController, notes of a post',
    text: 'SELECT "notes".* FROM "notes" WHERE "notes"."post_id" = $1 AND "notes"."is_active" = TRUE',
    calls: 600,
    values: (r) => [r.zipf(60_000)],
  },
  {
    from: 'User.artists followed (planted column)',
    text: `SELECT "users"."id" FROM "users" WHERE ',' || followed_artist_ids || ',' LIKE '%,' || $1::text || ',%'`,
    calls: 60,
    values: (r) => [String(r.any(3000))],
  },
];
