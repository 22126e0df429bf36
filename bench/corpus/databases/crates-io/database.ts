import type { CorpusDatabase } from '../../corpusDatabase.ts';
import { oneOf } from '../../oneOf.ts';
import { orphans } from '../../plants.ts';
import { truth } from './truth.ts';
import { workload } from './workload.ts';

export const database: CorpusDatabase = {
  name: 'crates-io',
  about: 'package registry; Rust, Diesel; full-text search, BRIN, a materialized view',
  source: {
    repository: 'rust-lang/crates.io',
    commit: '57fa000662f511321daa61e6769f190ea0e80771',
    files: ['migrations/*/up.sql'],
    sha256: '5a5df1c087f07b8cbd71c8781b17c5fcffc6f0e263b1784fba5602d1e88c7e9e',
  },
  filling: {
    days: 900,
    rows: {
      users: 15_000,
      teams: 300,
      crates: 20_000,
      crate_downloads: 20_000,
      versions: 60_000,
      dependencies: 120_000,
      version_downloads: 150_000,
      crate_owners: 30_000,
      keywords: 5_000,
      crates_keywords: 40_000,
      categories: 80,
      crates_categories: 20_000,
      api_tokens: 20_000,
      emails: 12_000,
      follows: 30_000,
      version_owner_actions: 30_000,
      background_jobs: 50,
    },
    columns: {
      'users.gh_login': '{word} || {i}',
      'users.username': '{word} || {i}',
      'users.gh_id': '{i} + 1000',
      'crates.name': "{word} || '-' || {word:b} || '-' || {i}",
      'crates.textsearchable_index_col': "to_tsvector('english', {word:a} || ' ' || {word:b})",
      'crates.readme': 'NULL',
      'crates.max_upload_size': 'NULL',
      'crates.max_features': 'NULL',
      'crate_downloads.downloads': 'floor(1e7 / {i})::bigint',
      'categories.path': "('root.c' || {i})::ltree",
      'categories.category': "'category ' || {i}",
      'versions.num': "'1.' || {i} || '.0'",
      'versions.num_no_build': "'1.' || {i} || '.0'",
      'versions.license': oneOf(['MIT OR Apache-2.0', 'MIT', 'Apache-2.0', 'GPL-3.0-only'], 'power({u}, 2)'),
      'versions.semver_ord_v2': "decode(lpad(to_hex({i}), 8, '0'), 'hex')",
      'versions.tar_sha256': "decode(md5({i}::text) || md5('tar' || {i}), 'hex')",
      'versions.zip_sha256': 'NULL',
      'versions.zip_json_sha256': 'NULL',
      'versions.features': "'{}'",
      'versions.linecounts': 'NULL',
      'versions.trustpub_data': 'NULL',
      'versions.links': 'NULL',
      'versions.edition': oneOf(['2018', '2021', '2024']),
      'versions.rust_version': "CASE WHEN {u} < 0.5 THEN '1.' || (60 + floor({u:v} * 30)) END",
      'dependencies.req': "'^' || floor({u} * 3) || '.' || floor({u:b} * 20)",
      'dependencies.kind': 'floor(power({u}, 3) * 3)::int',
      'dependencies.target': 'NULL',
      'dependencies.explicit_name': 'NULL',
      'version_downloads.date': '({at})::date',
      'version_downloads.version_id': '{ref:versions.id}',
      'version_downloads.processed': 'true',
      'crate_owners.owner_id': '{ref:users.id}',
      'crate_owners.owner_kind': '0',
      'crate_owners.deleted': '{u} < 0.05',
      'keywords.keyword': '{word} || {i}',
      'api_tokens.token': "decode(md5('token' || {i}), 'hex')",
      'api_tokens.crate_scopes': 'NULL',
      'api_tokens.endpoint_scopes': 'NULL',
      'emails.user_id': '{own:users.id}',
      'version_owner_actions.version_id': '{ref:versions.id}',
      'version_owner_actions.action': '0',
    },
    plant: `
      DROP INDEX index_dependencies_version_id;
      ALTER TABLE users ADD COLUMN followed_keywords text;
      UPDATE users SET followed_keywords = (SELECT string_agg((ARRAY['cli','async','http','web','parser','crypto','wasm','no-std'])[1 + (id * k) % 8], ', ') FROM generate_series(1, 2 + id % 3) AS k);
      CREATE INDEX index_version_owner_actions_version ON version_owner_actions (version_id);
      ${orphans('version_downloads', 'version_id', 0.03)}`,
  },
  workload,
  truth,
};
