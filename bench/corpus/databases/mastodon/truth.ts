import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      table: 'notifications',
      columns: ['activity_id'],
      why: 'dropped: each favourite that goes looks through all notifications',
    },
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'favourites',
      columns: ['status_id'],
      why: 'dropped: read by status, and by each delete of a status',
    },
    prefix('follows', 'target_account_id', 'made beside (target_account_id, account_id)'),
    {
      check: 'missing-foreign-key',
      table: 'mentions',
      columns: ['account_id'],
      why: 'the key was dropped, and 3 % of the mentions have no account',
    },
    { check: 'unbounded-read', table: 'follows', why: 'all followers of an account at once' },
  ],
  natural: [
    {
      check: 'leading-wildcard',
      or: ['missing-index'],
      table: 'accounts',
      columns: ['display_name'],
      why: 'ILIKE on a column that has no index for it',
    },
    { check: 'offset-paging', table: 'accounts', why: 'Kaminari' },
  ],
  accepted: [
    {
      checks: ['foreign-key-without-index'],
      why: 'statuses are deleted; where the schema gives a child no index, each delete reads it',
    },
    { checks: ['cold-data'], table: 'tombstones', why: 'nobody reads them here' },
    { checks: ['cold-data'], table: 'login_activities', why: 'a log that nobody reads here' },
    { checks: ['cold-data'], table: 'notifications', why: 'only the newest are read' },
    { checks: ['cold-data'], table: 'session_activations', why: 'sessions of years ago' },
    { checks: ['cold-data'], table: 'preview_cards', why: 'not read in this workload' },
    { checks: ['cold-data'], table: 'status_edits', why: 'not read in this workload' },
    {
      checks: ['missing-foreign-key'],
      why: 'some references are not declared; rows without a parent only in mentions',
    },
    { checks: ['weak-type'], why: 'timestamps without a zone, as Rails makes them: for information' },
    {
      checks: ['missing-index'],
      table: 'statuses_tags',
      columns: ['status_id'],
      why: 'the key begins with the tag; whatever is found is a matter of taste',
    },
  ],
  traps: [
    {
      checks: ['foreign-key-without-index'],
      table: 'statuses',
      columns: ['in_reply_to_id'],
      why: 'the index of those that are not null serves the deletes',
    },
    { checks: ['cold-data'], table: 'statuses', why: 'old posts are read by id all the time' },
    { checks: ['cold-data'], table: 'favourites', why: 'they belong to posts that are read' },
    { checks: ['cold-data'], table: 'accounts', why: 'an old account is not a cold one' },
    {
      checks: ['missing-index'],
      table: 'statuses',
      columns: ['visibility'],
      why: 'partial indexes serve the timelines',
    },
    {
      checks: ['cast-defeats-index', 'missing-gin-index', 'missing-index'],
      table: 'accounts',
      columns: ['username'],
      why: 'the expression of the search has a GIN index',
    },
    {
      checks: ['missing-foreign-key'],
      table: 'notifications',
      columns: ['activity_id'],
      why: 'refers to what activity_type says',
    },
    {
      checks: ['duplicate-index'],
      table: 'statuses',
      columns: ['account_id'],
      why: 'the longer index is partial',
    },
    { checks: ['typed-as-text'], table: 'users', why: 'settings are a document' },
    { checks: ['missing-index'], table: 'statuses', columns: ['deleted_at'], why: 'NULL in every row' },
  ],
};
