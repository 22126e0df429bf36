import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      table: 'room_memberships',
      columns: ['user_id'],
      why: 'dropped: the rooms of a user are searched in all memberships',
    },
    prefix('receipts_linearized', 'room_id', 'made beside (room_id, stream_id)'),
    {
      check: 'list-in-column',
      or: ['leading-wildcard', 'cast-defeats-index'],
      table: 'users',
      columns: ['approved_by_servers'],
      why: 'names with commas between them, searched by pattern',
    },
    {
      check: 'dead-rows',
      table: 'device_inbox',
      why: 'autovacuum is off, and messages that were delivered are deleted',
    },
  ],
  natural: [
    { check: 'missing-primary-key', table: 'users', why: 'the name is unique, but it may be null' },
    { check: 'missing-primary-key', table: 'event_push_actions', why: 'what is unique may be null' },
    { check: 'missing-primary-key', table: 'local_media_repository', why: 'what is unique may be null' },
    {
      check: 'leading-wildcard',
      table: 'events',
      columns: ['sender'],
      why: 'the server of a sender by LIKE %:server',
    },
    {
      check: 'leading-wildcard',
      table: 'users',
      columns: ['name'],
      why: 'the admin API searches names by LIKE %text%',
    },
    { check: 'offset-paging', table: 'users', why: 'the admin API pages by OFFSET' },
    { check: 'missing-primary-key', table: 'device_inbox', why: 'indexes, none of which is unique' },
    { check: 'missing-primary-key', table: 'state_groups_state', why: 'the same' },
    { check: 'missing-primary-key', table: 'event_auth', why: 'the same' },
    { check: 'missing-primary-key', table: 'device_lists_stream', why: 'the same' },
    { check: 'missing-primary-key', table: 'user_daily_visits', why: 'the same' },
    {
      check: 'counts-everything',
      or: ['aggregate-at-request-time'],
      table: 'events',
      why: 'counts 80,000 events at each call',
    },
  ],
  accepted: [
    { checks: ['missing-primary-key'], why: 'Synapse has more such tables, empty here' },
    { checks: ['missing-foreign-key'], why: 'Synapse declares hardly any' },
    { checks: ['cold-data'], table: 'user_daily_visits', why: 'a log that nobody reads here' },
    { checks: ['cold-data'], table: 'user_ips', why: 'Synapse removes them after 28 days, if it is told so' },
    { checks: ['cold-data'], table: 'local_media_repository', why: 'nobody reads it here' },
    { checks: ['cold-data'], table: 'redactions', why: 'nobody reads it here' },
    { checks: ['counts-everything'], table: 'users', why: 'the count of the admin API, joined and filtered' },
    { checks: ['leading-wildcard'], table: 'profiles', why: 'the second column of the same search' },
    {
      checks: ['duplicate-index'],
      table: 'receipts_linearized',
      why: 'the unique index without a thread beside the old constraint',
    },
    { checks: ['unlogged-table'], why: 'locks that need not survive' },
    { checks: ['not-validated-constraint'], why: 'as Synapse adds them' },
  ],
  traps: [
    { checks: ['cold-data'], table: 'events', why: 'rooms are read back to their beginning' },
    { checks: ['cold-data'], table: 'room_memberships', why: 'a membership of years ago still holds' },
    { checks: ['typed-as-text'], why: 'ids with sigils and documents are text' },
    { checks: ['list-in-column'], table: 'events', why: 'ids have colons and dots' },
    {
      checks: ['entity-attribute-value'],
      table: 'state_groups_state',
      why: 'state of a room: type and key name an event',
    },
    { checks: ['missing-index'], table: 'events', columns: ['outlier'], why: 'hardly any event is one' },
    { checks: ['missing-primary-key'], table: 'events', why: 'event_id is unique and never null' },
  ],
};
