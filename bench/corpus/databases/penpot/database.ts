import type { CorpusDatabase } from '../../corpusDatabase.ts';
import { oneOf } from '../../oneOf.ts';
import { leftAlone, orphans } from '../../plants.ts';
import { truth } from './truth.ts';
import { workload } from './workload.ts';

export const database: CorpusDatabase = {
  name: 'penpot',
  about: 'design tool; Clojure, SQL written by hand (next.jdbc); documents as bytea',
  source: {
    repository: 'penpot/penpot',
    commit: '66bb6a11dfb1fc708a5c8165f8eaa4222e233bb2',
    // Later ones are ordered by the program, not by their names.
    files: ['00', '010', '011'].map((number) => `backend/src/app/migrations/sql/${number}*.sql`),
    sha256: 'cb0923435619bded177a4ca9028e9d1bbfc58877fc3c157496a0a0796db5a20b',
  },
  filling: {
    days: 700,
    rows: {
      storage_object: 50_000,
      team: 6_000,
      profile: 15_000,
      project: 15_000,
      team_profile_rel: 30_000,
      project_profile_rel: 30_000,
      file: 30_000,
      file_library_rel: 40_000,
      file_change: 60_000,
      file_media_object: 50_000,
      comment_thread: 15_000,
      comment: 60_000,
      http_session: 30_000,
      access_token: 500,
      audit_log: 60_000,
      task: 30_000,
      webhook: 50,
      webhook_delivery: 15_000,
      server_error_report: 3_000,
    },
    columns: {
      'profile.email': "{word} || {i} || '@' || {word:d} || '.example'",
      'profile.photo_id': 'NULL',
      'profile.default_project_id': '{ref:project.id}',
      'profile.default_team_id': '{ref:team.id}',
      'profile.is_active': 'true',
      'team.photo_id': 'NULL',
      'file.data': 'NULL',
      'file.data_backend': "'objects-storage'",
      'file.name': '{words}',
      'file.is_shared': '{u} < 0.1',
      'file.features': "'{}'",
      'file_change.data': 'NULL',
      'file_change.changes': "decode(repeat(md5({i}::text), 6), 'hex')",
      'file_change.label': 'NULL',
      'file_change.revn': '{i}',
      'file_media_object.thumbnail_id': 'NULL',
      'file_media_object.media_id': '{ref:storage_object.id}',
      'comment_thread.seqn': '{i}',
      'comment_thread.participants': "'[]'",
      'comment_thread.frame_id': 'NULL',
      'comment.thread_id': '{ref:comment_thread.id}',
      'storage_object.backend': "'s3'",
      'storage_object.touched_at': 'NULL',
      'storage_object.metadata':
        "jsonb_build_object('~:hash', 'blake2b:' || md5({i}::text), '~:bucket', 'file-media-object')",
      'http_session.id': "md5('session' || {i})",
      'http_session.user_agent': "'Mozilla/5.0'",
      'audit_log.archived_at': 'CASE WHEN {i} < {n} * 0.98 THEN {at} END',
      'audit_log.profile_id': '{ref:profile.id}',
      'audit_log.name': oneOf(['login', 'update-file', 'create-file', 'navigate']),
      'audit_log.type': "'action'",
      'task.status': "CASE WHEN {i} < {n} * 0.999 THEN 'completed' ELSE 'new' END",
      'task.queue': "'default'",
      'task.name': oneOf(['sendmail', 'file-gc', 'delete-object']),
      'webhook_delivery.created_at': '{at}',
      'server_error_report.content': "jsonb_build_object('hint', {sentence})",
    },
    plant: `
      DROP INDEX comment__thread_id__idx;
      ALTER TABLE file ADD COLUMN tag_names text;
      UPDATE file SET tag_names = (ARRAY['ui','ui;draft','icons;final','draft;icons;ui','print'])[1 + abs(hashtext(id::text)) % 5];
      CREATE INDEX file_change__file_id__idx ON file_change (file_id);
      ${orphans('file_media_object', 'media_id', 0.03, "md5('gone' || id::text)::uuid")}`,
    afterAnalyze: leftAlone(
      'http_session',
      "DELETE FROM http_session WHERE created_at < now() - interval '150 days'",
    ),
  },
  workload,
  truth,
};
