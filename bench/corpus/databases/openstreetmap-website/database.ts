import type { CorpusDatabase } from '../../corpusDatabase.ts';
import { oneOf } from '../../oneOf.ts';
import { orphans } from '../../plants.ts';
import { truth } from './truth.ts';
import { workload } from './workload.ts';

const place = { latitude: '((20 + {u} * 40) * 1e7)::int', longitude: '(({u} * 300 - 150) * 1e7)::int' };

export const database: CorpusDatabase = {
  name: 'openstreetmap-website',
  about: 'map editing; Rails (Active Record), structure.sql',
  source: {
    repository: 'openstreetmap/openstreetmap-website',
    commit: '9da0fa5ecbff8adc5e6e91c7cf22546755a91f77',
    files: ['db/structure.sql'],
    sha256: 'daca3633ffcec2cdaab81c139ba9ac6e2ab4ddb738810e2ef04c903aa7e2db00',
    // PostGIS is not on this server; one small table needs it.
    replace: [
      [/^(CREATE EXTENSION IF NOT EXISTS|COMMENT ON EXTENSION) postgis.*$/gm, ''],
      [/public\.geometry\(Polygon,4326\)/g, 'polygon'],
    ],
  },
  filling: {
    rows: {
      users: 10_000,
      changesets: 50_000,
      changeset_tags: 80_000,
      nodes: 80_000,
      current_nodes: 60_000,
      current_node_tags: 50_000,
      current_ways: 8_000,
      current_way_nodes: 60_000,
      notes: 12_000,
      note_comments: 40_000,
      messages: 40_000,
      gpx_files: 4_000,
      gps_points: 80_000,
      diary_entries: 4_000,
      diary_comments: 15_000,
      user_preferences: 8_000,
      oauth_access_tokens: 15_000,
      friends: 5_000,
      schema_migrations: 200,
    },
    columns: {
      'nodes.node_id': '{i}',
      'nodes.version': '1',
      'nodes.redaction_id': 'NULL',
      'nodes.latitude': place.latitude,
      'nodes.longitude': place.longitude,
      'nodes.tile': 'floor({u} * 4000000000)::bigint',
      'current_nodes.latitude': place.latitude,
      'current_nodes.longitude': place.longitude,
      'current_nodes.tile': 'floor({u} * 4000000000)::bigint',
      'current_nodes.visible': 'true',
      'notes.latitude': place.latitude,
      'notes.longitude': place.longitude,
      'notes.tile': 'floor({u} * 4000000000)::bigint',
      'notes.status': `${oneOf(['open', 'closed', 'closed', 'hidden'])}::note_status_enum`,
      'notes.closed_at': 'NULL',
      'gps_points.latitude': place.latitude,
      'gps_points.longitude': place.longitude,
      'gps_points.tile': 'floor({u} * 4000000000)::bigint',
      'changesets.min_lat': place.latitude,
      'changesets.max_lat': place.latitude,
      'changesets.min_lon': place.longitude,
      'changesets.max_lon': place.longitude,
      'changesets.num_changes': 'floor(power({u}, 6) * 900)::int',
      '*.k': oneOf(['highway', 'name', 'source', 'building', 'surface', 'created_by', 'comment']),
      'current_way_nodes.sequence_id': '{i}',
      'users.auth_provider': 'NULL',
      'users.auth_uid': 'NULL',
      'users.status': `${oneOf(['active', 'active', 'confirmed', 'pending'])}::user_status_enum`,
      'users.languages': "'en-GB'",
      'messages.from_user_visible': '{u} < 0.95',
      'messages.to_user_visible': '{u} < 0.95',
      'messages.message_read': '{u} < 0.8',
      'diary_entries.language_code': "'en'",
      'languages.code': "CASE WHEN {i} = 1 THEN 'en' ELSE 'l' || {i} END",
      'oauth_applications.owner_type': "'User'",
      'schema_migrations.version': '({i} * 7)::text',
    },
    plant: `
      DROP INDEX messages_to_user_id_idx, note_comments_note_id_idx;
      CREATE INDEX nodes_changeset_idx2 ON nodes (changeset_id);
      ALTER TABLE gpx_files ADD COLUMN recorded_on text;
      UPDATE gpx_files SET recorded_on = to_char("timestamp" - interval '3 days', 'YYYY-MM-DD');
      ${orphans('diary_comments', 'user_id', 0.03)}`,
  },
  workload,
  truth,
};
