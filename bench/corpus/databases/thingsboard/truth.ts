import type { Truth } from '../../corpusDatabase.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      table: 'relation',
      columns: ['to_id'],
      why: 'dropped: what leads to a device is searched in all relations',
    },
    {
      check: 'missing-foreign-key',
      table: 'device_credentials',
      columns: ['device_id'],
      why: 'devices were deleted, and 4 % of the credentials are left behind',
    },
    {
      check: 'list-in-column',
      or: ['leading-wildcard', 'cast-defeats-index'],
      table: 'asset',
      columns: ['floor_numbers'],
      why: 'numbers with semicolons between them, searched by pattern',
    },
    {
      check: 'dead-rows',
      table: 'ts_kv_latest',
      why: 'autovacuum is off, and half of the rows were updated',
    },
  ],
  natural: [
    {
      check: 'entity-attribute-value',
      table: 'attribute_kv',
      why: 'an entity, a key, and one of five values',
    },
    {
      check: 'leading-wildcard',
      table: 'device',
      columns: ['name'],
      why: 'text search by ILIKE %text% over the devices of a tenant',
    },
    { check: 'offset-paging', table: 'device', why: 'Spring’s Pageable' },
    { check: 'counts-everything', table: 'device', why: 'Pageable counts for each page' },
    { check: 'missing-primary-key', table: 'notification', why: 'an index on id, not a key' },
    { check: 'missing-primary-key', table: 'audit_log', why: 'the same' },
  ],
  accepted: [
    { checks: ['missing-primary-key'], why: 'tables of events have none either, and are empty here' },
    { checks: ['entity-attribute-value'], table: 'ts_kv_latest', why: 'the same pattern, for measurements' },
    { checks: ['entity-attribute-value'], table: 'ts_kv', why: 'the same' },
    { checks: ['missing-primary-key'], table: 'alarm_comment', why: 'true, and empty here' },
    { checks: ['missing-primary-key'], table: 'edge_event', why: 'true, and empty here' },
    {
      checks: ['duplicate-index'],
      table: 'device',
      columns: ['tenant_id'],
      why: '(tenant_id, customer_id) begins (tenant_id, customer_id, type)',
    },
    { checks: ['duplicate-index'], table: 'asset', columns: ['tenant_id'], why: 'the same' },
    { checks: ['duplicate-index'], table: 'entity_alarm', why: 'a long index beside its beginning' },
    { checks: ['duplicate-index'], table: 'key_dictionary', why: 'small' },
    {
      checks: ['leading-wildcard', 'missing-index'],
      table: 'audit_log',
      why: 'a search by pattern, within a day',
    },
    {
      checks: ['missing-foreign-key'],
      why: 'ThingsBoard declares few; rows without a parent are those of the deleted devices',
    },
    {
      checks: ['foreign-key-without-index'],
      why: 'true where it is; the parents that are deleted have none',
    },
    {
      checks: ['missing-index'],
      table: 'device',
      columns: ['created_time'],
      why: 'would serve the pages of a tenant in order',
    },
    {
      checks: ['functional-dependency'],
      table: 'audit_log',
      columns: ['user_id', 'user_name'],
      why: 'copied on purpose: the name at that time',
    },
    { checks: ['functional-dependency'], table: 'entity_alarm', why: 'alarm_type is copied from alarm' },
  ],
  traps: [
    { checks: ['aggregate-at-request-time'], table: 'ts_kv', why: 'one series of one device by its key' },
    { checks: ['missing-index', 'unbounded-read'], table: 'ts_kv', why: 'the key serves it' },
    { checks: ['cold-data'], why: 'nothing here is older than half a year' },
    { checks: ['functional-dependency'], table: 'attribute_kv', why: 'values of entities' },
    { checks: ['typed-as-text'], table: 'device', why: 'names' },
    { checks: ['missing-foreign-key'], table: 'alarm', columns: ['assignee_id'], why: 'nobody is assigned' },
  ],
};
