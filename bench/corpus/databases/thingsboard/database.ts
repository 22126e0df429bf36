import type { CorpusDatabase } from '../../corpusDatabase.ts';
import { oneOf } from '../../oneOf.ts';
import { leftAlone } from '../../plants.ts';
import { truth } from './truth.ts';
import { workload } from './workload.ts';

const sql = (name: string) => `dao/src/main/resources/sql/schema-${name}.sql`;
const ofTenant = '{ref:tenant.id}';

/** ThingsBoard makes them when rows come; a month each. */
const partitions = [
  'ts_kv.ts',
  'audit_log.created_time',
  'notification.created_time',
  'alarm_comment.created_time',
]
  .map((name) => name.split('.')[0])
  .map(
    (table) => `
    FOR month IN 0..7 LOOP
      EXECUTE format('CREATE TABLE %I PARTITION OF ${table} FOR VALUES FROM (%s) TO (%s)', '${table}_' || (8 - month),
        (extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month' * (month - 1)  - interval '1 month') * 1000)::bigint,
        (extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'UTC') - interval '1 month' * (month - 1)) * 1000)::bigint);
    END LOOP;`,
  )
  .join('\n');

export const database: CorpusDatabase = {
  name: 'thingsboard',
  about:
    'internet of things; Java, Spring Data JPA (Hibernate); attributes as entity, attribute, value; partitions',
  source: {
    repository: 'thingsboard/thingsboard',
    commit: 'dfe65d5abc3aa959aaa853952d74943fbd6867bd',
    files: ['entities', 'entities-idx', 'ts-psql', 'ts-latest-psql', 'views', 'functions'].map(sql),
    sha256: '30579e785ad8f96b249b8b192d07db6d2a2130dea8c5dc924a3fb9c6c153343c',
  },
  filling: {
    days: 180,
    rows: {
      tenant: 20,
      customer: 400,
      device_profile: 8,
      device: 15_000,
      device_credentials: 15_000,
      asset: 3_000,
      tb_user: 600,
      key_dictionary: 60,
      attribute_kv: 90_000,
      ts_kv: 200_000,
      ts_kv_latest: 60_000,
      alarm: 40_000,
      entity_alarm: 40_000,
      relation: 40_000,
      audit_log: 40_000,
      notification: 20_000,
    },
    columns: {
      '*.tenant_id': ofTenant,
      '*.customer_id': '{ref:customer.id}',
      '*.external_id': 'NULL',
      '*.entity_id': '{ref:device.id}',
      '*.additional_info': '\'{"description":"\' || {word} || \'"}\'',
      '*.version': '1',
      '*.entity_type': "'DEVICE'",
      'device.name': "'Sensor ' || {word} || ' ' || {i}",
      'device.type': oneOf(['thermometer', 'gateway', 'meter', 'pump'], 'power({u}, 2)'),
      'device.firmware_id': 'NULL',
      'device.software_id': 'NULL',
      'device.device_profile_id': '{ref:device_profile.id}',
      'device_profile.firmware_id': 'NULL',
      'device_profile.software_id': 'NULL',
      'device_profile.default_rule_chain_id': 'NULL',
      'device_profile.default_edge_rule_chain_id': 'NULL',
      'device_profile.default_dashboard_id': 'NULL',
      'device_profile.name': "'profile ' || {i}",
      'asset.name': "'Building ' || {word} || ' ' || {i}",
      'customer.title': "'Customer ' || {i}",
      'device_credentials.device_id': '{own:device.id}',
      'device_credentials.credentials_id': "md5('credentials' || {i})",
      'device_credentials.credentials_value': 'NULL',
      'device_credentials.credentials_type': "'ACCESS_TOKEN'",
      'key_dictionary.key': "{word} || '_' || {i}",
      'attribute_kv.attribute_type': '1 + floor({u} * 3)::int',
      'attribute_kv.attribute_key': '1 + floor({u} * 60)::int',
      'attribute_kv.bool_v': 'CASE WHEN {i} % 4 = 0 THEN {u} < 0.5 END',
      'attribute_kv.str_v': 'CASE WHEN {i} % 4 = 1 THEN {word} END',
      'attribute_kv.long_v': 'CASE WHEN {i} % 4 = 2 THEN floor({u} * 1e6)::bigint END',
      'attribute_kv.dbl_v': 'CASE WHEN {i} % 4 = 3 THEN {u} * 100 END',
      'attribute_kv.json_v': 'NULL',
      'ts_kv.key': '1 + floor({u} * 10)::int',
      'ts_kv.bool_v': 'NULL',
      'ts_kv.str_v': 'NULL',
      'ts_kv.long_v': 'NULL',
      'ts_kv.json_v': 'NULL',
      'ts_kv_latest.key': '1 + floor({u} * 60)::int',
      'ts_kv_latest.bool_v': 'CASE WHEN {i} % 3 = 0 THEN {u} < 0.5 END',
      'ts_kv_latest.str_v': 'NULL',
      'ts_kv_latest.long_v': 'CASE WHEN {i} % 3 = 1 THEN floor({u} * 1e6)::bigint END',
      'ts_kv_latest.dbl_v': 'CASE WHEN {i} % 3 = 2 THEN {u} * 100 END',
      'ts_kv_latest.json_v': 'NULL',
      'alarm.originator_id': '{ref:device.id/device}',
      'alarm.originator_type': '5',
      'alarm.severity': oneOf(['CRITICAL', 'MAJOR', 'WARNING']),
      'alarm.type': oneOf(['High temperature', 'Low battery', 'Offline']),
      'alarm.propagate_relation_types': 'NULL',
      'alarm.assignee_id': 'NULL',
      'alarm.clear_ts': '0',
      'entity_alarm.alarm_id': '{own:alarm.id}',
      'entity_alarm.alarm_type': '{own:alarm.type}',
      'relation.from_id': '{ref:asset.id}',
      'relation.from_type': "'ASSET'",
      'relation.to_id': '{ref:device.id}',
      'relation.to_type': "'DEVICE'",
      'relation.relation_type_group': "'COMMON'",
      'relation.relation_type': oneOf(['Contains', 'Manages']),
      'audit_log.action_type': oneOf(['LOGIN', 'UPDATED', 'ADDED', 'ATTRIBUTES_UPDATED']),
      'audit_log.user_id': '{ref:tb_user.id}',
      'audit_log.user_name': '{ref:tb_user.email}',
      'audit_log.action_failure_details': 'NULL',
      'notification.recipient_id': '{ref:tb_user.id}',
      'notification.status': oneOf(['READ', 'SENT']),
      'notification.delivery_method': "'WEB'",
      'notification.additional_config': 'NULL',
    },
    before: `DO $plant$ DECLARE month int; BEGIN ${partitions} END $plant$`,
    plant: `
      DROP INDEX idx_relation_to_id;
      DELETE FROM device WHERE hashtext(id::text) % 25 = 0;
      ALTER TABLE asset ADD COLUMN floor_numbers text;
      UPDATE asset SET floor_numbers = (SELECT string_agg((1 + (hashtext(name) & 3) + k)::text, ';') FROM generate_series(1, 3 + (hashtext(name) & 3)) AS k);`,
    afterAnalyze: leftAlone(
      'ts_kv_latest',
      'UPDATE ts_kv_latest SET ts = ts + 1 WHERE hashtext(entity_id::text) % 2 = 0',
    ),
  },
  workload,
  truth,
};
