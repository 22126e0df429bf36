import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'dependencies',
      columns: ['version_id'],
      why: 'dropped: the dependencies of a version',
    },
    {
      check: 'list-in-column',
      or: ['leading-wildcard'],
      table: 'users',
      columns: ['followed_keywords'],
      why: 'keywords with commas between them, searched by pattern',
    },
    prefix('version_owner_actions', 'version_id', 'made twice'),
    {
      check: 'missing-foreign-key',
      table: 'version_downloads',
      columns: ['version_id'],
      why: 'the key was dropped, and 3 % are of no version',
    },
  ],
  natural: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'api_tokens',
      columns: ['user_id'],
      why: 'the tokens of a user are searched in all tokens',
    },
    {
      check: 'missing-index',
      table: 'crate_owners',
      columns: ['owner_id'],
      why: 'the key begins with the crate: the crates of a user read it whole',
    },
    {
      check: 'foreign-key-without-index',
      or: ['missing-index'],
      table: 'follows',
      columns: ['crate_id'],
      why: 'crates are deleted, and the key begins with the user',
    },
    { check: 'offset-paging', table: 'crates', why: 'pages of all crates by OFFSET' },
    { check: 'counts-everything', table: 'crates', why: 'the summary counts all crates' },
    {
      check: 'cold-data',
      table: 'version_downloads',
      why: 'only the last 90 days are read, and every day adds rows',
    },
    prefix('dependencies', 'crate_id', '(crate_id) beside (crate_id, version_id)'),
    prefix('crates_keywords', 'crate_id', '(crate_id) beside the key'),
  ],
  accepted: [
    {
      checks: ['duplicate-index'],
      table: 'crates_categories',
      columns: ['crate_id'],
      why: '(crate_id) beside the key: true, and small',
    },
    {
      checks: ['duplicate-index'],
      table: 'keywords',
      why: 'an index beside the same unique one: true, and small',
    },
    {
      checks: ['not-validated-constraint'],
      table: 'versions',
      why: 'NOT VALID in the schema, and no row breaks them',
    },
    {
      checks: ['foreign-key-without-index'],
      why: 'true where it is: crates and what belongs to them are deleted',
    },
    {
      checks: ['missing-foreign-key'],
      why: 'few are undeclared; rows without a parent only in version_downloads',
    },
    { checks: ['leading-wildcard'], table: 'users', why: 'what the list leads to' },
    { checks: ['cold-data'], table: 'version_owner_actions', why: 'a log that nobody reads here' },
    { checks: ['cold-data'], table: 'api_tokens', why: 'tokens that were not used for years' },
    { checks: ['missing-index'], table: 'api_tokens', why: 'whatever columns follow the user' },
  ],
  traps: [
    { checks: ['typed-as-text'], table: 'versions', columns: ['num'], why: 'a version' },
    { checks: ['typed-as-text'], table: 'versions', columns: ['rust_version'], why: 'a version' },
    { checks: ['typed-as-text'], table: 'versions', columns: ['edition'], why: 'a year that is a name' },
    { checks: ['list-in-column'], table: 'versions', columns: ['license'], why: 'an expression' },
    {
      checks: ['missing-foreign-key'],
      table: 'crate_owners',
      columns: ['owner_id'],
      why: 'refers to what owner_kind says',
    },
    { checks: ['cold-data'], table: 'versions', why: 'old versions are what a registry is for' },
    { checks: ['cold-data'], table: 'crates', why: 'the same' },
    {
      checks: ['missing-index', 'missing-gin-index'],
      table: 'crates',
      columns: ['textsearchable_index_col'],
      why: 'it has a GIN index',
    },
    {
      checks: ['missing-index', 'cast-defeats-index'],
      table: 'crates',
      columns: ['name'],
      why: 'the canonical name has an index',
    },
    { checks: ['typed-as-text'], table: 'dependencies', columns: ['req'], why: 'requirements on versions' },
    {
      checks: ['functional-dependency'],
      table: 'versions',
      columns: ['num', 'num_no_build'],
      why: 'the same but for what follows a plus',
    },
  ],
};
