import type { Statement } from '../../corpusDatabase.ts';
import { uuidOf } from '../../random.ts';

const device =
  'de1_0.id,de1_0.additional_info,de1_0.created_time,de1_0.customer_id,de1_0.device_data,de1_0.device_profile_id,de1_0.external_id,de1_0.firmware_id,de1_0.label,de1_0.name,de1_0.software_id,de1_0.tenant_id,de1_0.type,de1_0.version';
const kv = '(entity_id, key, ts, bool_v, str_v, long_v, dbl_v, json_v)';

export const workload: Statement[] = [
  {
    from: 'JpaRepository.findById of a device',
    text: `select ${device} from device de1_0 where de1_0.id=$1`,
    calls: 2500,
    values: (r) => [uuidOf('device', r.zipf(15_000))],
  },
  {
    from: 'DeviceCredentialsRepository.findByCredentialsId',
    text: 'select dce1_0.id,dce1_0.created_time,dce1_0.credentials_id,dce1_0.credentials_type,dce1_0.credentials_value,dce1_0.device_id,dce1_0.version from device_credentials dce1_0 where dce1_0.credentials_id=$1',
    calls: 1500,
    values: (r) => [uuidOf('credentials', r.zipf(15_000)).replaceAll('-', '')],
  },
  {
    from: 'DeviceRepository.findByTenantId, text search and Pageable',
    text: `select ${device} from device de1_0 where de1_0.tenant_id=$1 and ($2::varchar is null or de1_0.name ilike concat('%',$2,'%') or de1_0.label ilike concat('%',$2,'%') or de1_0.type ilike concat('%',$2,'%')) order by de1_0.created_time desc offset $3 rows fetch first $4 rows only`,
    calls: 120,
    values: (r) => [uuidOf('tenant', r.zipf(2)), `${r.word()} 1`, 0, 10],
  },
  {
    from: 'DeviceRepository.findByTenantId, later pages',
    text: `select ${device} from device de1_0 where de1_0.tenant_id=$1 order by de1_0.created_time desc offset $2 rows fetch first $3 rows only`,
    calls: 150,
    values: (r) => [uuidOf('tenant', 1), 10 * r.any(200), 10],
  },
  {
    from: 'the count that Pageable sends for each page',
    text: 'select count(de1_0.id) from device de1_0 where de1_0.tenant_id=$1',
    calls: 250,
    values: () => [uuidOf('tenant', 1)],
  },
  {
    from: 'RelationRepository.findAllByToIdAndToTypeAndRelationTypeGroup',
    text: 'select re1_0.from_id,re1_0.from_type,re1_0.relation_type,re1_0.relation_type_group,re1_0.to_id,re1_0.to_type,re1_0.additional_info,re1_0.version from relation re1_0 where re1_0.to_id=$1 and re1_0.to_type=$2 and re1_0.relation_type_group=$3',
    calls: 400,
    values: (r) => [uuidOf('device', r.any(15_000)), 'DEVICE', 'COMMON'],
  },
  {
    from: 'RelationRepository.findAllByFromId…',
    text: 'select re1_0.to_id,re1_0.to_type,re1_0.relation_type from relation re1_0 where re1_0.from_id=$1 and re1_0.from_type=$2 and re1_0.relation_type_group=$3',
    calls: 400,
    values: (r) => [uuidOf('asset', r.any(3000)), 'ASSET', 'COMMON'],
  },
  {
    from: 'AttributeKvRepository.findAllByEntityIdAndAttributeType',
    text: 'select a.entity_id,a.attribute_type,a.attribute_key,a.bool_v,a.dbl_v,a.json_v,a.last_update_ts,a.long_v,a.str_v,a.version from attribute_kv a where a.entity_id=$1 and a.attribute_type=$2',
    calls: 1000,
    values: (r) => [uuidOf('device', r.zipf(15_000)), r.any(3)],
  },
  {
    from: 'attribute of each kind joined for the entity query',
    text: `select e.id, t.str_v, h.long_v from device e left join attribute_kv t on t.entity_id = e.id and t.attribute_type = 2 and t.attribute_key = $2 left join attribute_kv h on h.entity_id = e.id and h.attribute_type = 1 and h.attribute_key = $3 where e.id = $1`,
    calls: 400,
    values: (r) => [uuidOf('device', r.any(15_000)), r.any(60), r.any(60)],
  },
  {
    from: 'SqlTimeseriesInsertRepository',
    text: `INSERT INTO ts_kv ${kv} VALUES ($1, $2, $3, NULL, NULL, NULL, $4, NULL) ON CONFLICT (entity_id, key, ts) DO UPDATE SET dbl_v = $4`,
    calls: 1000,
    values: (r) => [uuidOf('device', r.zipf(15_000)), r.any(10), Date.now() - r.any(60_000), r.unit() * 100],
  },
  {
    from: 'LatestInsertTsRepository',
    text: `INSERT INTO ts_kv_latest ${kv} VALUES ($1, $2, $3, NULL, NULL, NULL, $4, NULL) ON CONFLICT (entity_id, key) DO UPDATE SET ts = $3, dbl_v = $4`,
    calls: 1000,
    values: (r) => [uuidOf('device', r.zipf(15_000)), r.any(60), Date.now(), r.unit() * 100],
  },
  {
    from: 'TsKvRepository.findAvg of a series in an interval',
    text: 'SELECT AVG(COALESCE(t.dbl_v, 0)) FROM ts_kv t WHERE t.entity_id = $1 AND t.key = $2 AND t.ts >= $3 AND t.ts < $4',
    calls: 400,
    values: (r) => [uuidOf('device', r.zipf(15_000)), r.any(10), Date.now() - 30 * 86_400_000, Date.now()],
  },
  {
    from: 'AlarmRepository.findActiveByOriginatorAndType',
    text: 'select a.id, a.type, a.severity, a.created_time from alarm a where a.originator_id=$1 and a.type=$2 and a.cleared=false order by a.start_ts desc fetch first 1 rows only',
    calls: 400,
    values: (r) => [uuidOf('device', r.any(15_000)), 'Offline'],
  },
  {
    from: 'AuditLogRepository.findByTenantId with a text',
    text: `select a.id, a.created_time, a.entity_name, a.user_name, a.action_type from audit_log a where a.tenant_id=$1 and a.created_time >= $2 and (a.entity_name ilike concat('%',$3::varchar,'%') or a.user_name ilike concat('%',$3::varchar,'%')) order by a.created_time desc offset 0 rows fetch first 20 rows only`,
    calls: 60,
    values: (r) => [uuidOf('tenant', 1), Date.now() - 86_400_000, r.word()],
  },
  {
    from: 'NotificationRepository, unread of the recipient',
    text: `select count(n.id) from notification n where n.delivery_method=$1 and n.recipient_id=$2 and n.status<>'READ'`,
    calls: 400,
    values: (r) => ['WEB', uuidOf('tb_user', r.any(600))],
  },
  {
    from: 'dashboard: buildings with a floor (planted column)',
    text: `select ae.id, ae.name from asset ae where ';' || ae.floor_numbers || ';' like '%;' || $1::varchar || ';%'`,
    calls: 60,
    values: (r) => [String(r.any(9))],
  },
];
