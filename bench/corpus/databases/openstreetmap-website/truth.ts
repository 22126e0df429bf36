import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'messages',
      columns: ['to_user_id'],
      why: 'dropped: inbox and the count on every page read all messages',
    },
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'note_comments',
      columns: ['note_id'],
      why: 'dropped: each note reads all comments',
    },
    prefix('nodes', 'changeset_id', 'made twice'),
    {
      check: 'typed-as-text',
      table: 'gpx_files',
      columns: ['recorded_on'],
      why: 'dates as text, compared through a cast',
    },
    {
      check: 'missing-foreign-key',
      table: 'diary_comments',
      columns: ['user_id'],
      why: 'the key was dropped, and 3 % of the comments have no author',
    },
    { check: 'unbounded-read', table: 'users', why: 'three quarters of all users for one page' },
  ],
  natural: [{ check: 'missing-primary-key', table: 'gps_points', why: 'the schema gives the points no key' }],
  accepted: [
    {
      checks: ['entity-attribute-value'],
      why: 'tags are what mappers define themselves: true, and meant so',
    },
    {
      checks: ['not-validated-constraint'],
      table: 'oauth_access_tokens',
      why: 'NOT VALID in the schema, and no row breaks them',
    },
    { checks: ['not-validated-constraint'], table: 'oauth_access_grants', why: 'the same' },
    { checks: ['not-validated-constraint'], table: 'oauth_applications', why: 'the same' },
    { checks: ['foreign-key-without-index'], why: 'no parent is deleted in this workload' },
    {
      checks: ['cast-defeats-index'],
      table: 'gpx_files',
      columns: ['recorded_on'],
      why: 'what dates as text lead to',
    },
    { checks: ['n-plus-one'], why: 'there is one (comments of entries), but only traces show it' },
    { checks: ['cold-data'], table: 'oauth_access_tokens', why: 'tokens of years ago are of no use' },
    { checks: ['cold-data'], table: 'gps_points', why: 'bulk that is hardly read' },
    {
      checks: ['missing-foreign-key'],
      why: 'the schema leaves some references undeclared; rows without a parent only in diary_comments',
    },
  ],
  traps: [
    { checks: ['cold-data'], table: 'nodes', why: 'the history of the map is what the project publishes' },
    { checks: ['cold-data'], table: 'current_nodes', why: 'the map itself: an old node is not a cold one' },
    { checks: ['cold-data'], table: 'changesets', why: 'shown with each object' },
    {
      checks: ['cast-defeats-index', 'missing-index'],
      table: 'users',
      columns: ['email'],
      why: 'lower(email) has an index',
    },
    { checks: ['typed-as-text'], table: 'changeset_tags', why: 'values of tags are text' },
    { checks: ['unbounded-read', 'offset-paging'], table: 'current_nodes', why: 'the box has a limit' },
    { checks: ['functional-dependency'], table: 'nodes', why: 'nothing depends' },
  ],
};
