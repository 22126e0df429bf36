import type { Statement } from '../../corpusDatabase.ts';

export const workload: Statement[] = [
  {
    from: 'Status.find',
    text: 'SELECT "statuses".* FROM "statuses" WHERE "statuses"."deleted_at" IS NULL AND "statuses"."id" = $1 LIMIT $2',
    calls: 3000,
    values: (r) => [r.any(100_000), 1],
  },
  {
    from: 'timelines: statuses by ids with what belongs to them (cache_collection)',
    text: 'SELECT "accounts".* FROM "accounts" WHERE "accounts"."id" = ANY ($1)',
    calls: 600,
    values: (r) => [Array.from({ length: 20 }, () => r.zipf(20_000))],
  },
  {
    from: 'preload of media',
    text: 'SELECT "media_attachments".* FROM "media_attachments" WHERE "media_attachments"."status_id" = ANY ($1)',
    calls: 600,
    values: (r) => [Array.from({ length: 20 }, () => r.any(100_000))],
  },
  {
    from: 'AccountStatusesFilter of a profile',
    text: 'SELECT "statuses".* FROM "statuses" WHERE "statuses"."deleted_at" IS NULL AND "statuses"."account_id" = $1 AND "statuses"."visibility" IN ($2, $3) AND "statuses"."id" < $4 ORDER BY "statuses"."id" DESC LIMIT $5',
    calls: 500,
    values: (r) => [r.zipf(20_000), 0, 1, 100_000, 20],
  },
  {
    from: 'PublicFeed',
    text: 'SELECT "statuses"."id", "statuses"."updated_at" FROM "statuses" WHERE "statuses"."deleted_at" IS NULL AND "statuses"."visibility" = $1 AND "statuses"."reblog_of_id" IS NULL AND ("statuses"."reply" = FALSE OR "statuses"."in_reply_to_account_id" = "statuses"."account_id") ORDER BY "statuses"."id" DESC LIMIT $2',
    calls: 400,
    values: () => [0, 20],
  },
  {
    from: 'Api::V1::NotificationsController',
    text: 'SELECT "notifications".* FROM "notifications" WHERE "notifications"."account_id" = $1 AND "notifications"."filtered" = FALSE ORDER BY "notifications"."id" DESC LIMIT $2',
    calls: 600,
    values: (r) => [r.any(4000), 20],
  },
  {
    from: 'dependent: :destroy of a favourite: its notification',
    text: 'SELECT "notifications".* FROM "notifications" WHERE "notifications"."activity_id" = $1 AND "notifications"."activity_type" = $2 LIMIT $3',
    calls: 300,
    values: (r) => [r.any(100_000), 'Favourite', 1],
  },
  {
    from: 'StatusesController#favourited_by',
    text: 'SELECT "accounts"."id", "accounts"."username" FROM "accounts" INNER JOIN "favourites" ON "favourites"."account_id" = "accounts"."id" WHERE "favourites"."status_id" = $1 LIMIT $2',
    calls: 250,
    values: (r) => [r.any(100_000), 40],
  },
  {
    from: 'RemoveStatusService: statuses that are discarded, for good',
    text: 'DELETE FROM "statuses" WHERE "statuses"."id" = $1',
    calls: 60,
    values: (r) => [50_000 + r.any(50_000)],
  },
  {
    from: 'favourite',
    text: 'INSERT INTO "favourites" ("account_id", "status_id", "created_at", "updated_at") VALUES ($1, $2, now(), now()) ON CONFLICT DO NOTHING RETURNING "id"',
    calls: 300,
    values: (r) => [r.any(20_000), r.any(40_000)],
  },
  {
    from: 'StatusStat counter',
    text: 'INSERT INTO "status_stats" ("status_id", "favourites_count", "created_at", "updated_at") VALUES ($1, 1, now(), now()) ON CONFLICT (status_id) DO UPDATE SET "favourites_count" = status_stats.favourites_count + 1, "updated_at" = now()',
    calls: 300,
    values: (r) => [r.any(40_000)],
  },
  {
    from: 'fan-out of a post to all followers, at once',
    text: 'SELECT "follows"."account_id", "follows"."show_reblogs", "follows"."languages" FROM "follows" WHERE "follows"."target_account_id" = $1',
    calls: 80,
    values: (r) => [r.any(2)],
  },
  {
    from: 'Admin::AccountsController, filter by display name',
    text: 'SELECT "accounts".* FROM "accounts" WHERE "accounts"."display_name" ILIKE $1 ORDER BY "accounts"."id" DESC LIMIT $2',
    calls: 120,
    values: (r) => [`${r.word()} ${r.word()}%`, 40],
  },
  {
    from: 'Admin::AccountsController, later pages (Kaminari)',
    text: 'SELECT "accounts".* FROM "accounts" ORDER BY "accounts"."id" DESC LIMIT $1 OFFSET $2',
    calls: 100,
    values: (r) => [40, 40 * r.any(480)],
  },
  {
    from: 'AccountSearchService, full text',
    text: `SELECT "accounts"."id" FROM "accounts" WHERE to_tsquery('simple', $1) @@ (setweight(to_tsvector('simple', accounts.display_name), 'A') || setweight(to_tsvector('simple', accounts.username), 'B') || setweight(to_tsvector('simple', coalesce(accounts.domain, '')), 'C')) LIMIT $2`,
    calls: 150,
    values: (r) => [`${r.word()}:*`, 10],
  },
  {
    from: 'User at sign-in',
    text: 'SELECT "users".* FROM "users" WHERE "users"."email" = $1 ORDER BY "users"."id" ASC LIMIT $2',
    calls: 300,
    values: (r) => [`${r.word()}${r.any(4000)}@${r.word()}.example`, 1],
  },
  {
    from: 'TagFeed',
    text: 'SELECT "statuses"."id" FROM "statuses" INNER JOIN "statuses_tags" ON "statuses_tags"."status_id" = "statuses"."id" WHERE "statuses_tags"."tag_id" = $1 AND "statuses"."visibility" = 0 ORDER BY "statuses"."id" DESC LIMIT $2',
    calls: 200,
    values: (r) => [r.zipf(5000), 20],
  },
];
