import type { Statement } from '../../corpusDatabase.ts';

export const workload: Statement[] = [
  {
    from: 'Api::NodesController#show',
    text: 'SELECT "current_nodes".* FROM "current_nodes" WHERE "current_nodes"."id" = $1 LIMIT $2',
    calls: 3000,
    values: (r) => [r.zipf(60_000), 1],
  },
  {
    from: 'Node.element_tags',
    text: 'SELECT "current_node_tags".* FROM "current_node_tags" WHERE "current_node_tags"."node_id" = $1',
    calls: 3000,
    values: (r) => [r.zipf(60_000)],
  },
  {
    from: 'Api::MapController, nodes of a box of tiles',
    text: 'SELECT "current_nodes".* FROM "current_nodes" WHERE "current_nodes"."visible" = TRUE AND (current_nodes.tile BETWEEN $1 AND $2) LIMIT $3',
    calls: 400,
    values: (r) => {
      const tile = r.any(4_000_000_000);
      return [tile, tile + 2_000_000, 50_001];
    },
  },
  {
    from: 'MessagesController#inbox',
    text: 'SELECT "messages".* FROM "messages" WHERE "messages"."to_user_id" = $1 AND "messages"."to_user_visible" = TRUE AND "messages"."muted" = FALSE ORDER BY "messages"."sent_on" DESC',
    calls: 150,
    values: (r) => [r.any(10_000)],
  },
  {
    from: 'layout: unread messages of the user, on every page',
    text: 'SELECT COUNT(*) FROM "messages" WHERE "messages"."to_user_id" = $1 AND "messages"."to_user_visible" = TRUE AND "messages"."message_read" = FALSE',
    calls: 500,
    values: (r) => [r.any(10_000)],
  },
  {
    from: 'Note#comments',
    text: 'SELECT "note_comments".* FROM "note_comments" WHERE "note_comments"."note_id" = $1 AND "note_comments"."visible" = TRUE ORDER BY "note_comments"."created_at" ASC',
    calls: 500,
    values: (r) => [r.zipf(12_000)],
  },
  {
    from: 'Api::NotesController#index',
    text: 'SELECT "notes".* FROM "notes" WHERE (notes.tile BETWEEN $1 AND $2) AND "notes"."status" = $3 ORDER BY "notes"."updated_at" DESC LIMIT $4',
    calls: 300,
    values: (r) => {
      const tile = r.any(4_000_000_000);
      return [tile, tile + 40_000_000, 'open', 100];
    },
  },
  {
    from: 'ChangesetsController#index of a user',
    text: 'SELECT "changesets".* FROM "changesets" WHERE "changesets"."user_id" = $1 ORDER BY "changesets"."created_at" DESC LIMIT $2',
    calls: 500,
    values: (r) => [r.zipf(10_000), 20],
  },
  {
    from: 'ChangesetsController#show',
    text: 'SELECT "changeset_tags".* FROM "changeset_tags" WHERE "changeset_tags"."changeset_id" = $1',
    calls: 500,
    values: (r) => [r.any(50_000)],
  },
  {
    from: 'Users::ListsController, all active users for the moderators',
    text: 'SELECT "users".* FROM "users" WHERE "users"."status" IN ($1, $2)',
    calls: 25,
    values: () => ['active', 'confirmed'],
  },
  {
    from: 'SessionsController, case-insensitive e-mail',
    text: 'SELECT "users".* FROM "users" WHERE (LOWER(email) = LOWER($1)) LIMIT $2',
    calls: 400,
    values: (r) => [`${r.word()}${r.any(10_000)}@${r.word()}.example`, 1],
  },
  {
    from: 'Traces, those of a year (planted column)',
    text: `SELECT "gpx_files"."id", "gpx_files"."name" FROM "gpx_files" WHERE (recorded_on::date >= $1::date) ORDER BY "gpx_files"."timestamp" DESC LIMIT $2`,
    calls: 40,
    values: (r) => [r.within(300).toISOString().slice(0, 10), 20],
  },
  {
    from: 'Trace points of a track',
    text: 'SELECT "gps_points".* FROM "gps_points" WHERE "gps_points"."gpx_id" = $1 ORDER BY "gps_points"."trackid" ASC, "gps_points"."timestamp" ASC LIMIT $2',
    calls: 200,
    values: (r) => [r.any(4000), 500],
  },
  {
    from: 'DiaryEntriesController#index',
    text: 'SELECT "diary_entries".* FROM "diary_entries" WHERE "diary_entries"."visible" = TRUE AND "diary_entries"."id" < $1 ORDER BY "diary_entries"."id" DESC LIMIT $2',
    calls: 300,
    values: (r) => [r.any(4000), 20],
    forEach: {
      text: 'SELECT COUNT(*) FROM "diary_comments" WHERE "diary_comments"."diary_entry_id" = $1 AND "diary_comments"."visible" = TRUE',
      values: (row) => [row['id']],
    },
  },
  {
    from: 'NodesController#update, optimistic version',
    text: 'UPDATE "current_nodes" SET "latitude" = $1, "version" = "version" + 1, "timestamp" = now() WHERE "current_nodes"."id" = $2',
    calls: 300,
    values: (r) => [r.any(600_000_000), r.any(60_000)],
  },
  {
    from: 'HistoryController, nodes of a changeset',
    text: 'SELECT "nodes".* FROM "nodes" WHERE "nodes"."changeset_id" = $1 ORDER BY "nodes"."node_id" LIMIT $2',
    calls: 300,
    values: (r) => [r.any(50_000), 20],
  },
  {
    from: 'Doorkeeper, token of a request',
    text: 'SELECT "oauth_access_tokens".* FROM "oauth_access_tokens" WHERE "oauth_access_tokens"."id" = $1 LIMIT $2',
    calls: 1000,
    values: (r) => [r.zipf(15_000), 1],
  },
];
