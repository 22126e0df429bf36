import type { Statement } from '../../corpusDatabase.ts';
import { md5 } from '../../random.ts';

const room = (n: number) => `!${md5(`room${n}`)}:example.org`;
const user = (n: number) => `@user${n}:example.org`;
const event = (n: number) => `$${md5(`event${n}`)}`;

export const workload: Statement[] = [
  {
    from: 'events_worker._fetch_event_rows',
    text: `SELECT e.event_id, e.stream_ordering, ej.internal_metadata, ej.json, ej.format_version, rej.event_id FROM events AS e JOIN event_json AS ej USING (event_id) LEFT JOIN rejections AS rej USING (event_id) WHERE event_id = ANY($1)`,
    calls: 1500,
    values: (r) => [Array.from({ length: 10 }, () => event(r.any(60_000)))],
  },
  {
    from: 'stream.paginate_room_events',
    text: `SELECT event_id, topological_ordering, stream_ordering FROM events WHERE outlier = $1 AND room_id = $2 AND ((topological_ordering < $3) OR (topological_ordering = $3 AND stream_ordering <= $4)) ORDER BY topological_ordering DESC, stream_ordering DESC LIMIT $5`,
    calls: 500,
    values: (r) => [false, room(r.zipf(2000)), r.any(100_000), r.any(100_000), 20],
  },
  {
    from: 'roommember.get_rooms_for_user_where_membership_is (remote users)',
    text: `SELECT room_id, membership, event_id FROM room_memberships WHERE user_id = $1 AND membership = $2`,
    calls: 300,
    values: (r) => [user(r.any(8000)), 'join'],
  },
  {
    from: 'roommember.get_users_in_room',
    text: `SELECT c.state_key FROM current_state_events AS c WHERE c.type = 'm.room.member' AND c.room_id = $1 AND membership = $2`,
    calls: 300,
    values: (r) => [room(r.zipf(2000)), 'join'],
  },
  {
    from: 'state store, one group',
    text: `SELECT type, state_key, event_id FROM state_groups_state WHERE state_group = $1`,
    calls: 500,
    values: (r) => [r.zipf(10_000)],
  },
  {
    from: 'deviceinbox.get_messages_for_user_devices',
    text: `SELECT stream_id, user_id, device_id, message_json FROM device_inbox WHERE user_id = $1 AND device_id = $2 AND $3 < stream_id AND stream_id <= $4 ORDER BY stream_id ASC LIMIT $5`,
    calls: 600,
    values: (r) => [
      user(r.any(8000)),
      md5(`device${r.any(15_000)}`)
        .slice(0, 10)
        .toUpperCase(),
      0,
      40_000,
      100,
    ],
  },
  {
    from: 'receipts.get_linearized_receipts_for_room',
    text: `SELECT stream_id, instance_name, receipt_type, user_id, event_id, data FROM receipts_linearized WHERE room_id = $1 AND stream_id <= $2`,
    calls: 300,
    values: (r) => [room(r.any(2000)), 50_000],
  },
  {
    from: 'event_push_actions, counts after a receipt',
    text: `SELECT COUNT(CASE WHEN notif = 1 THEN 1 END), COUNT(CASE WHEN highlight = 1 THEN 1 END) FROM event_push_actions WHERE user_id = $1 AND room_id = $2 AND stream_ordering > $3`,
    calls: 500,
    values: (r) => [user(r.any(8000)), room(r.zipf(2000)), r.any(60_000)],
  },
  {
    from: 'admin API, users by name: the count',
    text: `SELECT COUNT(*) as total_users FROM users AS u LEFT JOIN profiles AS p ON u.name = '@' || p.user_id || ':' || $1 WHERE (u.name LIKE $2 OR p.displayname LIKE $2) AND deactivated = 0`,
    calls: 80,
    values: (r) => ['example.org', `%${r.word()} ${r.word()}%`],
  },
  {
    from: 'admin API, users by name: the page',
    text: `SELECT name, user_type, is_guest, admin, deactivated, shadow_banned, displayname, avatar_url, creation_ts * 1000 as creation_ts FROM users AS u LEFT JOIN profiles AS p ON u.name = '@' || p.user_id || ':' || $3 WHERE deactivated = 0 ORDER BY u.name ASC LIMIT $1 OFFSET $2`,
    calls: 80,
    values: (r) => [100, 100 * r.any(70), 'example.org'],
  },
  {
    from: 'metrics.count_daily_sent_messages',
    text: `SELECT COUNT(*) FROM events WHERE type = 'm.room.message' AND sender LIKE $1 AND stream_ordering > $2`,
    calls: 40,
    values: () => ['%:example.org', 20_000],
  },
  {
    from: 'client_ips: last access',
    text: `INSERT INTO user_ips (user_id, access_token, ip, device_id, user_agent, last_seen) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, access_token, ip) DO UPDATE SET last_seen = EXCLUDED.last_seen`,
    calls: 500,
    values: (r) => [user(r.any(8000)), `t${r.any(5000)}`, '10.1.1.7', 'D', 'Element', Date.now()],
  },
  {
    from: 'registration.get_user_by_access_token',
    text: `SELECT users.name as user_id, users.is_guest, users.shadow_banned, access_tokens.id as token_id, access_tokens.device_id, access_tokens.valid_until_ms FROM users INNER JOIN access_tokens on users.name = COALESCE(puppets_user_id, access_tokens.user_id) WHERE token = $1`,
    calls: 800,
    values: (r) => [md5(`access_tokens.token${r.any(12_000)}`)],
  },
  {
    from: 'event_federation, the auth chain',
    text: `SELECT event_id, auth_id FROM event_auth WHERE event_id = ANY($1)`,
    calls: 300,
    values: (r) => [Array.from({ length: 5 }, () => event(r.any(100_000)))],
  },
  {
    from: 'users that a server has approved (planted column)',
    text: `SELECT name FROM users WHERE ',' || approved_by_servers || ',' LIKE '%,' || $1::text || ',%' LIMIT $2`,
    calls: 60,
    values: (r) => [`node${r.any(9)}`, 50],
  },
];
