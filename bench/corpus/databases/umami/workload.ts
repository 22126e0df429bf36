import type { Statement } from '../../corpusDatabase.ts';
import { type Random, uuidOf } from '../../random.ts';

const site = (n: number) => uuidOf('website', n);
const lastDays = (days: number) => [new Date(Date.now() - days * 86_400_000), new Date()];
const key = (r: Random) => uuidOf('inserted', r.fresh());

export const workload: Statement[] = [
  {
    from: 'prisma.website.findUnique',
    text: 'SELECT "public"."website"."website_id", "public"."website"."name", "public"."website"."domain", "public"."website"."reset_at", "public"."website"."user_id", "public"."website"."created_at", "public"."website"."deleted_at" FROM "public"."website" WHERE ("public"."website"."website_id" = $1 AND 1=1) LIMIT $2 OFFSET $3',
    calls: 2000,
    values: (r) => [site(r.any(8)), 1, 0],
  },
  {
    from: 'createSession: on conflict do nothing',
    text: 'insert into session (session_id, website_id, browser, os, device, screen, language, country, region, city) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (session_id) do nothing',
    calls: 600,
    values: (r) => [
      key(r),
      site(r.zipf(8)),
      'chrome',
      'Linux',
      'desktop',
      '1920x1080',
      'en-US',
      'US',
      'R-01',
      'Oak',
    ],
  },
  {
    from: 'prisma.websiteEvent.create',
    text: 'INSERT INTO "public"."website_event" ("event_id","website_id","session_id","visit_id","created_at","url_path","page_title","event_type","hostname") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)',
    calls: 1000,
    values: (r) => [
      key(r),
      site(r.zipf(8)),
      uuidOf('session', r.any(40_000)),
      key(r),
      new Date(),
      `/${r.word()}/${r.word()}`,
      'Title',
      1,
      'www.example',
    ],
  },
  {
    from: 'getWebsiteStats',
    text: `select sum(t.c) as "pageviews", count(distinct t.session_id) as "visitors", count(distinct t.visit_id) as "visits", sum(case when t.c = 1 then 1 else 0 end) as "bounces", sum(extract(epoch from (t.max_time - t.min_time))) as "totaltime" from (select website_event.session_id, website_event.visit_id, count(*) as "c", min(website_event.created_at) as "min_time", max(website_event.created_at) as "max_time" from website_event where website_event.website_id = $1::uuid and website_event.created_at between $2 and $3 and event_type = 1 group by 1, 2) as t`,
    calls: 40,
    values: (r) => [site(r.any(2)), ...lastDays(180)],
  },
  {
    from: 'getPageviewMetrics',
    text: `select url_path x, count(distinct website_event.session_id) as y from website_event where website_event.website_id = $1::uuid and website_event.created_at between $2 and $3 and event_type = $4 group by 1 order by 2 desc limit 500`,
    calls: 40,
    values: (r) => [site(r.any(2)), ...lastDays(180), 1],
  },
  {
    from: 'getActiveVisitors',
    text: `select count(distinct session_id) as "visitors" from website_event where website_id = $1::uuid and created_at >= $2`,
    calls: 500,
    values: (r) => [site(r.any(8)), new Date(Date.now() - 300_000)],
  },
  {
    from: 'getWebsiteEvents with a search, the count of pagedRawQuery',
    text: `select count(*) as num from (select event_id as "id" from website_event where website_id = $1::uuid and created_at between $2 and $3 and ((event_name ilike $4 and event_type = 2) or (url_path ilike $4 and event_type = 1)) order by created_at desc) t`,
    calls: 30,
    values: (r) => [site(1), ...lastDays(300), `%${r.word()}/${r.word()}%`],
  },
  {
    from: 'getWebsiteEvents, a later page',
    text: `select event_id as "id", website_id as "websiteId", session_id as "sessionId", created_at as "createdAt", url_path as "urlPath", page_title as "pageTitle", event_type as "eventType", event_name as "eventName" from website_event where website_id = $1::uuid and created_at between $2 and $3 order by created_at desc limit $4 offset $5`,
    calls: 80,
    values: (r) => [site(1), ...lastDays(300), 20, 20 * r.any(1500)],
  },
  {
    from: 'getEventData of an event',
    text: `select event_data_id, data_key, string_value, number_value, date_value, data_type from event_data where website_event_id = $1::uuid`,
    calls: 250,
    values: (r) => [uuidOf('website_event', r.any(200_000))],
  },
  {
    from: 'getEventDataProperties',
    text: `select data_key as "propertyName", count(*) as "total" from event_data where website_id = $1::uuid and created_at between $2 and $3 group by data_key order by 2 desc limit 500`,
    calls: 60,
    values: (r) => [site(r.any(8)), ...lastDays(7)],
  },
  {
    from: 'getWebsiteSession',
    text: `select session.session_id, session.browser, session.os, session.device, session.country, session.city, min(website_event.created_at), max(website_event.created_at) from website_event join session on session.session_id = website_event.session_id and session.website_id = website_event.website_id where website_event.website_id = $1::uuid and website_event.session_id = $2::uuid group by 1, 2, 3, 4, 5, 6`,
    calls: 300,
    values: (r) => [site(1), uuidOf('session', r.any(40_000))],
  },
  {
    from: 'getSessionData',
    text: `select website_id, session_id, data_key, data_type, string_value, number_value, date_value from session_data where website_id = $1::uuid and session_id = $2::uuid order by data_key asc`,
    calls: 300,
    values: (r) => [site(r.any(2)), uuidOf('session', r.any(40_000))],
  },
  {
    from: 'getRevenue of a week',
    text: `select sum(revenue) as sum, count(distinct event_id) as count from revenue where website_id = $1::uuid and created_at between $2 and $3 and upper(currency) = $4`,
    calls: 100,
    values: (r) => [site(r.any(8)), ...lastDays(7), 'USD'],
  },
];
