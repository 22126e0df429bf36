import type { CorpusDatabase } from '../../corpusDatabase.ts';
import { oneOf } from '../../oneOf.ts';
import { leftAlone } from '../../plants.ts';
import { truth } from './truth.ts';
import { workload } from './workload.ts';

const site = '{ref:website.website_id/site}';

export const database: CorpusDatabase = {
  name: 'umami',
  about: 'web analytics; Prisma and raw SQL; properties as entity, attribute, value; no foreign keys',
  source: {
    repository: 'umami-software/umami',
    commit: 'c0ea3aefbee7a3429ee2f824b06dc4a9dbe0b7e1',
    files: ['prisma/migrations/*/migration.sql'],
    sha256: '276c7eb3a739ee14cef38076dc4db23f17968c6ee3c614f88770d7be8db88541',
  },
  filling: {
    days: 300,
    rows: {
      user: 50,
      website: 8,
      session: 40_000,
      website_event: 200_000,
      event_data: 100_000,
      session_data: 40_000,
      revenue: 10_000,
      report: 100,
    },
    columns: {
      '*.website_id': site,
      '*.created_by': 'NULL',
      '*.team_id': 'NULL',
      '*.data_key': "(ARRAY['plan','price','signed_up','tier','source','cohort'])[1 + {i} % 6]",
      '*.string_value': 'CASE WHEN {i} % 3 = 0 THEN {word} END',
      '*.number_value': 'CASE WHEN {i} % 3 = 1 THEN round(({u} * 100)::numeric, 2) END',
      '*.date_value': 'CASE WHEN {i} % 3 = 2 THEN {at} END',
      '*.data_type': '(ARRAY[1,2,4])[1 + {i} % 3]',
      '*.distinct_id': 'NULL',
      'website.website_id': '{uuid}',
      'website.user_id': '{ref:user.user_id}',
      'session.browser': oneOf(['chrome', 'safari', 'firefox', 'edge'], 'power({u}, 2)'),
      'session.os': oneOf(['Windows 10', 'iOS', 'Android OS', 'Linux'], 'power({u}, 1.5)'),
      'session.device': oneOf(['desktop', 'mobile', 'tablet'], 'power({u}, 2)'),
      'session.screen': oneOf(['1920x1080', '390x844', '1536x864', '412x915']),
      'session.language': oneOf(['en-US', 'de-DE', 'fr-FR'], 'power({u}, 2)'),
      'session.city': 'initcap({word})',
      'website_event.session_id': '{ref:session.session_id}',
      'website_event.visit_id': "md5('visit' || floor({u} * 90000))::uuid",
      'website_event.url_path': "'/' || {word:a} || '/' || {word:b}",
      'website_event.url_query': 'NULL',
      'website_event.referrer_path': "CASE WHEN {u} < 0.3 THEN '/' END",
      'website_event.referrer_query': 'NULL',
      'website_event.referrer_domain': `CASE WHEN {u} < 0.3 THEN ${oneOf(['google.com', 'bing.com', 'news.example'], '{u:d}')} END`,
      'website_event.page_title': 'initcap({words})',
      'website_event.event_type': 'CASE WHEN {u} < 0.8 THEN 1 ELSE 2 END',
      'website_event.event_name': `CASE WHEN {u} < 0.2 THEN ${oneOf(['signup', 'buy', 'download'], '{u:e}')} END`,
      'website_event.hostname': "'www.example'",
      'website_event.tag': 'NULL',
      'event_data.website_event_id': '{ref:website_event.event_id}',
      'session_data.session_id': '{ref:session.session_id}',
      'revenue.session_id': '{ref:session.session_id}',
      'revenue.event_id': '{ref:website_event.event_id}',
      'revenue.currency': "'USD'",
      ...Object.fromEntries(
        [
          'fbclid',
          'gclid',
          'li_fat_id',
          'msclkid',
          'ttclid',
          'twclid',
          'utm_campaign',
          'utm_content',
          'utm_medium',
          'utm_source',
          'utm_term',
          'lcp',
          'inp',
          'cls',
          'fcp',
          'ttfb',
        ].map((name) => [`website_event.${name}`, 'NULL']),
      ),
    },
    plant: `
      DROP INDEX event_data_website_event_id_idx;
      UPDATE session SET region = 'R-' || upper(left(md5(city), 2)), country = (ARRAY['US','DE','FR','GB','JP'])[1 + abs(hashtext(city)) % 5];
      UPDATE session_data SET session_id = md5('gone' || session_data_id)::uuid WHERE hashtext(session_data_id::text) % 20 = 0;
      CREATE INDEX website_event_visit_again ON website_event (visit_id);`,
    afterAnalyze: leftAlone(
      'revenue',
      'UPDATE revenue SET revenue = revenue * 1.1 WHERE hashtext(revenue_id::text) % 5 < 3',
    ),
  },
  workload,
  truth,
};
