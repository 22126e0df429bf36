import type { Statement } from '../../corpusDatabase.ts';
import { md5, uuidOf } from '../../random.ts';

export const workload: Statement[] = [
  {
    from: 'app.http.session/read',
    text: 'SELECT * FROM http_session WHERE id = $1',
    calls: 2000,
    values: (r) => [md5(`session${r.any(30_000)}`)],
  },
  {
    from: 'app.rpc.commands.profile/get-profile',
    text: 'SELECT * FROM profile WHERE id = $1 AND deleted_at IS NULL',
    calls: 1000,
    values: (r) => [uuidOf('profile', r.zipf(15_000))],
  },
  {
    from: 'app.rpc.commands.teams, teams of a profile',
    text: 'select t.*, tp.is_owner, tp.is_admin, tp.can_edit from team_profile_rel as tp join team as t on (t.id = tp.team_id) where t.deleted_at is null and tp.profile_id = $1 order by tp.created_at asc',
    calls: 500,
    values: (r) => [uuidOf('profile', r.any(15_000))],
  },
  {
    from: 'app.rpc.commands.files/get-project-files',
    text: 'select f.id, f.project_id, f.created_at, f.modified_at, f.name, f.revn, f.is_shared from file as f where f.project_id = $1 and f.deleted_at is null order by f.modified_at desc',
    calls: 600,
    values: (r) => [uuidOf('project', r.zipf(15_000))],
  },
  {
    from: 'app.rpc.commands.search/search-files',
    text: `select f.id, f.name, f.project_id from file as f where f.name ilike ('%' || $1 || '%') and (f.deleted_at is null or f.deleted_at > now()) order by f.created_at asc`,
    calls: 120,
    values: (r) => [`${r.word()} ${r.word()}`],
  },
  {
    from: 'app.rpc.commands.files, the permissions of a profile on projects',
    text: 'select ppr.is_owner, ppr.is_admin, ppr.can_edit, ppr.project_id from project_profile_rel as ppr where ppr.profile_id = $1',
    calls: 500,
    values: (r) => [uuidOf('profile', r.any(15_000))],
  },
  {
    from: 'app.rpc.commands.files/get-library-file-references',
    text: 'select f.id, f.name from file_library_rel as flr join file as f on (f.id = flr.file_id) where flr.library_file_id = $1 and f.deleted_at is null',
    calls: 400,
    values: (r) => [uuidOf('file', r.any(30_000))],
  },
  {
    from: 'libraries of a file',
    text: 'select flr.library_file_id, flr.synced_at from file_library_rel as flr where flr.file_id = $1',
    calls: 500,
    values: (r) => [uuidOf('file', r.any(30_000))],
  },
  {
    from: 'app.rpc.commands.comments, threads of a file',
    text: 'select ct.*, f.name as file_name from comment_thread as ct join file as f on (f.id = ct.file_id) where ct.file_id = $1',
    calls: 400,
    values: (r) => [uuidOf('file', r.zipf(30_000))],
    forEach: {
      text: 'select c.* from comment as c where c.thread_id = $1 order by c.created_at asc limit 10',
      values: (row) => [row['id']],
    },
  },
  {
    from: 'app.rpc.commands.files-update, the change',
    text: 'INSERT INTO file_change (id, file_id, created_at, revn, changes, profile_id) VALUES ($1, $2, now(), $3, $4, $5)',
    calls: 600,
    values: (r) => [
      uuidOf('changed', r.fresh()),
      uuidOf('file', r.zipf(30_000)),
      r.any(1e6),
      Buffer.alloc(60),
      uuidOf('profile', r.any(15_000)),
    ],
  },
  {
    from: 'app.rpc.commands.files-update, changes since a revision',
    text: 'select s.id, s.changes, s.file_id, s.revn from file_change as s where s.file_id = $1 and s.revn > $2 order by s.created_at asc',
    calls: 500,
    values: (r) => [uuidOf('file', r.any(30_000)), r.any(60_000)],
  },
  {
    from: 'app.loggers.audit.archive-task',
    text: 'select * from audit_log where archived_at is null order by created_at asc limit 128',
    calls: 120,
  },
  {
    from: 'app.worker.dispatcher',
    text: `select id, queue, label from task as t where t.scheduled_at <= now() and (t.status = 'new' or t.status = 'retry') order by t.priority desc, t.scheduled_at limit $1`,
    calls: 300,
    values: () => [100],
  },
  {
    from: 'app.storage, an object by its hash',
    text: `select * from storage_object where (metadata->>'~:hash') = $1 and (metadata->>'~:bucket') = $2 and backend = $3 and deleted_at is null limit 1`,
    calls: 400,
    values: (r) => [`blake2b:${md5(String(r.any(50_000)))}`, 'file-media-object', 's3'],
  },
  {
    from: 'files with a tag (planted column)',
    text: `select f.id, f.name from file as f where ';' || f.tag_names || ';' like '%;' || $1::text || ';%' order by f.name limit 50`,
    calls: 60,
    values: (r) => [r.pick('print', 'final', 'web')],
  },
];
