import type { CorpusDatabase } from '../../corpusDatabase.ts';
import { oneOf } from '../../oneOf.ts';
import { leftAlone, orphans } from '../../plants.ts';
import { truth } from './truth.ts';
import { workload } from './workload.ts';

export const database: CorpusDatabase = {
  name: 'danbooru',
  about: 'image board; Rails (Active Record), structure.sql',
  source: {
    repository: 'danbooru/danbooru',
    commit: '06587d1f933502ae5d749c967787d44be3938846',
    files: ['db/structure.sql'],
    sha256: '9e3e90d35613c944a844f95b82c7c75f633e25c2198e455f9976aea8b2094ee1',
  },
  filling: {
    rows: {
      users: 20_000,
      posts: 60_000,
      media_assets: 60_000,
      tags: 10_000,
      post_versions: 100_000,
      favorites: 250_000,
      post_votes: 80_000,
      comments: 50_000,
      notes: 20_000,
      artists: 3_000,
      artist_urls: 9_000,
      wiki_pages: 2_000,
      forum_topics: 1_000,
      forum_posts: 12_000,
      dmails: 8_000,
      mod_actions: 10_000,
      uploads: 20_000,
      pools: 1_500,
      user_sessions: 5_000,
      login_sessions: 5_000,
      user_events: 40_000,
      good_jobs: 20_000,
      schema_migrations: 400,
    },
    columns: {
      'posts.tag_string':
        "{own:tags.name} || ' ' || {word:a} || ' ' || {word:b} || ' ' || {word:c} || '_' || {word:d}",
      'posts.rating': oneOf(['g', 's', 'q', 'e']),
      'posts.parent_id': 'CASE WHEN {u} < 0.05 AND {i} > 1 THEN {i} - 1 END',
      'posts.score': 'floor(power({u}, 5) * 900) - 10',
      'posts.pixiv_id': 'CASE WHEN {u} < 0.4 THEN 20000000 + {i} * 37 END',
      'post_versions.tags': "{word:a} || ' ' || {word:b} || ' ' || {word:c} || ' ' || {word:d}",
      'post_versions.rating': oneOf(['g', 's', 'q', 'e']),
      'post_versions.added_tags': 'ARRAY[{word:a}, {word:b}]',
      'post_versions.updater_id': '{ref:users.id}',
      'tags.name': "{word} || '_' || {i}",
      'tags.post_count': 'floor(60000 / ({i} + 3))',
      'media_assets.pixel_hash': "md5('pixels' || {i})::uuid",
      'users.blacklisted_tags': "{word:a} || E'\\n' || {word:b}",
      'users.favorite_tags': 'NULL',
      'users.level': '20',
      'users.bit_prefs': '0',
      'users.inviter_id': 'NULL',
      'users.time_zone': "'Eastern Time (US & Canada)'",
      'schema_migrations.version': '(20100204211522 + {i} * 1000000)::text',
      'user_events.login_session_id': 'NULL',
      'user_events.user_agent': "'Mozilla/5.0 (X11; rv:' || floor({u} * 40) || ') Gecko'",
      'mod_actions.subject_type': oneOf(['Post', 'User', 'Comment']),
      'good_jobs.batch_id': 'NULL',
      'good_jobs.locked_by_id': 'NULL',
    },
    plant: `
      DROP INDEX index_comments_on_post_id, index_comments_on_creator_id_and_post_id;
      CREATE INDEX index_favorites_on_post_id_2 ON favorites (post_id);
      ALTER TABLE users ADD COLUMN followed_artist_ids text;
      UPDATE users SET followed_artist_ids = (SELECT string_agg((1 + (id * k * 7) % 3000)::text, ',') FROM generate_series(1, 2 + id % 5) AS k);
      ${orphans('notes', 'post_id', 0.03)}`,
    afterAnalyze: leftAlone(
      'post_votes',
      'UPDATE post_votes SET score = -score, updated_at = now() WHERE id % 2 = 0',
    ),
  },
  workload,
  truth,
};
