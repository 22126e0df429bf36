import type { Statement } from '../../corpusDatabase.ts';

const post =
  '"post"."id", "post"."name", "post"."url", "post"."body", "post"."creator_id", "post"."community_id", "post"."removed", "post"."locked", "post"."published_at", "post"."updated_at", "post"."deleted", "post"."nsfw", "post"."ap_id", "post"."local", "post"."comments", "post"."score", "post"."hot_rank"';
const comment =
  '"comment"."id", "comment"."creator_id", "comment"."post_id", "comment"."content", "comment"."removed", "comment"."published_at", "comment"."ap_id", "comment"."path", "comment"."score"';

export const workload: Statement[] = [
  {
    from: 'Post::read, with what the viewer did',
    text: `SELECT ${post}, "person"."name", "community"."name", "post_actions"."read_at", "post_actions"."vote_is_upvote" FROM (("post" INNER JOIN "person" ON ("post"."creator_id" = "person"."id")) INNER JOIN "community" ON ("post"."community_id" = "community"."id")) LEFT OUTER JOIN "post_actions" ON (("post_actions"."post_id" = "post"."id") AND ("post_actions"."person_id" = $1)) WHERE ("post"."id" = $2) LIMIT $3`,
    calls: 1500,
    values: (r) => [r.any(15_000), r.zipf(30_000), 1],
  },
  {
    from: 'PostQuery, the front page by hot rank',
    text: `SELECT ${post} FROM "post" WHERE ("post"."deleted" = FALSE AND "post"."removed" = FALSE) ORDER BY "post"."featured_local" DESC, "post"."hot_rank" DESC, "post"."published_at" DESC, "post"."id" DESC LIMIT $1`,
    calls: 500,
    values: () => [20],
  },
  {
    from: 'PostQuery of a community, new',
    text: `SELECT ${post} FROM "post" WHERE ("post"."community_id" = $1 AND "post"."deleted" = FALSE) ORDER BY "post"."featured_community" DESC, "post"."published_at" DESC, "post"."id" DESC LIMIT $2`,
    calls: 400,
    values: (r) => [r.zipf(1000), 20],
  },
  {
    from: 'CommentQuery of a post',
    text: `SELECT ${comment}, "person"."name" FROM "comment" INNER JOIN "person" ON ("comment"."creator_id" = "person"."id") WHERE ("comment"."post_id" = $1) ORDER BY "comment"."hot_rank" DESC, "comment"."score" DESC LIMIT $2`,
    calls: 300,
    values: (r) => [r.any(30_000), 50],
  },
  {
    from: 'NotificationView::get_unread_count',
    text: `SELECT COUNT("notification"."id") FROM "notification" WHERE (("notification"."recipient_id" = $1) AND ("notification"."read" = FALSE))`,
    calls: 600,
    values: (r) => [r.any(15_000)],
  },
  {
    from: 'LocalUserView::find_by_email',
    text: `SELECT "local_user"."id", "local_user"."person_id", "local_user"."email", "local_user"."admin" FROM "local_user" WHERE (lower(coalesce("local_user"."email", $1)) = $2) LIMIT $3`,
    calls: 300,
    values: (r) => ['', `${r.word()}${r.any(15_000)}@mail.example`, 1],
  },
  {
    from: 'LoginToken::validate, on every request',
    text: `SELECT EXISTS (SELECT "login_token"."token" FROM "login_token" WHERE ("login_token"."user_id" = $1) AND ("login_token"."token" = $2))`,
    calls: 1500,
    values: (r) => [r.any(15_000), 'x'],
  },
  {
    from: 'PostActions::like',
    text: `INSERT INTO "post_actions" ("post_id", "person_id", "voted_at", "vote_is_upvote") VALUES ($1, $2, now(), $3) ON CONFLICT ("person_id", "post_id") DO UPDATE SET "voted_at" = now(), "vote_is_upvote" = $3`,
    calls: 600,
    values: (r) => [r.zipf(30_000), r.any(15_000), true],
  },
  {
    from: 'trigger of a like: the score',
    text: `UPDATE "post" SET "score" = "score" + 1, "upvotes" = "upvotes" + 1 WHERE ("post"."id" = $1)`,
    calls: 400,
    values: (r) => [r.zipf(30_000)],
  },
  {
    from: 'SearchCombinedQuery of posts',
    text: `SELECT ${post} FROM "post" WHERE ("post"."name" ILIKE $1 OR "post"."body" ILIKE $1) ORDER BY "post"."published_at" DESC LIMIT $2`,
    calls: 100,
    values: (r) => [`%${r.word()} ${r.word()}%`, 10],
  },
  {
    from: 'CommunityFollowerView, all followers of a community, for federation',
    text: `SELECT "community_actions"."person_id" FROM "community_actions" WHERE (("community_actions"."community_id" = $1) AND ("community_actions"."followed_at" IS NOT NULL))`,
    calls: 80,
    values: (r) => [r.any(2)],
  },
  {
    from: 'ReceivedActivity::create',
    text: `INSERT INTO "received_activity" ("ap_id") VALUES ($1) ON CONFLICT DO NOTHING`,
    calls: 600,
    values: (r) => [`https://remote.example/activities/${r.fresh()}`],
  },
  {
    from: 'PersonContentCombinedQuery of a profile',
    text: `SELECT "person_content_combined"."id", "person_content_combined"."post_id", "person_content_combined"."comment_id" FROM "person_content_combined" WHERE ("person_content_combined"."creator_id" = $1) ORDER BY "person_content_combined"."published_at" DESC, "person_content_combined"."id" DESC LIMIT $2`,
    calls: 400,
    values: (r) => [r.zipf(20_000), 20],
  },
  {
    from: 'Person by address',
    text: `SELECT "person"."id", "person"."name", "person"."ap_id" FROM "person" WHERE (lower("person"."ap_id") = $1) LIMIT $2`,
    calls: 500,
    values: (r) => [`https://${r.word()}.example/${r.any(20_000)}`, 1],
  },
  {
    from: 'private messages of a day (planted column)',
    text: `SELECT "private_message"."id" FROM "private_message" WHERE (to_date("private_message"."sent_on", 'DD.MM.YYYY') = $1::date)`,
    calls: 60,
    values: (r) => [r.within(300)],
  },
];
