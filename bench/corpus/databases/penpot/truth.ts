import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'comment',
      columns: ['thread_id'],
      why: 'dropped: the comments of a thread',
    },
    {
      check: 'list-in-column',
      or: ['leading-wildcard', 'cast-defeats-index'],
      table: 'file',
      columns: ['tag_names'],
      why: 'names with semicolons between them, searched by pattern',
    },
    prefix('file_change', 'file_id', 'made beside (file_id, revn)'),
    {
      check: 'missing-foreign-key',
      table: 'file_media_object',
      columns: ['media_id'],
      why: 'the key was dropped, and 3 % refer to no object',
    },
    { check: 'dead-rows', table: 'http_session', why: 'autovacuum is off, and old sessions were deleted' },
  ],
  natural: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'team_profile_rel',
      columns: ['profile_id'],
      why: 'the unique constraint begins with the team: the teams of a profile read it whole',
    },
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'project_profile_rel',
      columns: ['profile_id'],
      why: 'the same for projects',
    },
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'file_library_rel',
      columns: ['library_file_id'],
      why: 'the key begins with the file: who uses a library reads it whole',
    },
    {
      check: 'missing-index',
      table: 'audit_log',
      why: 'the task looks for the few rows that are not archived in all of them',
    },
    { check: 'leading-wildcard', table: 'file', columns: ['name'], why: 'the search of files' },
    prefix('file_library_rel', 'file_id', '(file_id) beside the key'),
  ],
  accepted: [
    { checks: ['n-plus-one'], why: 'there is one (comments of threads), but only traces show it' },
    { checks: ['cold-data'], table: 'audit_log', why: 'what is archived elsewhere' },
    { checks: ['cold-data'], table: 'server_error_report', why: 'nobody reads it here' },
    { checks: ['cold-data'], table: 'task', why: 'done tasks, which a task removes after days' },
    { checks: ['cold-data'], table: 'webhook_delivery', why: 'nobody reads it here' },
    { checks: ['cold-data'], table: 'http_session', why: 'old sessions' },
    { checks: ['foreign-key-without-index'], why: 'no parent is deleted in this workload' },
    {
      checks: ['missing-foreign-key'],
      why: 'few are undeclared; rows without a parent only in file_media_object',
    },
    { checks: ['duplicate-index'], why: 'the schema has such pairs on tables that are empty here' },
  ],
  traps: [
    {
      checks: ['missing-gin-index', 'missing-index', 'cast-defeats-index'],
      table: 'storage_object',
      why: 'the two fields have an index',
    },
    { checks: ['missing-index'], table: 'task', why: 'partial indexes serve the queue' },
    { checks: ['cold-data'], table: 'file', why: 'an old drawing is not a cold one' },
    { checks: ['cold-data'], table: 'file_change', why: 'the history that users go back to' },
    { checks: ['cold-data'], table: 'comment', why: 'they belong to files that are read' },
    { checks: ['missing-index'], table: 'file', columns: ['deleted_at'], why: 'NULL in nearly every row' },
    { checks: ['unlogged-table'], why: 'none is' },
    { checks: ['hot-row'], why: 'no row is fought for' },
  ],
};
