import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'comment',
      columns: ['post_id'],
      why: 'dropped: each post reads all comments',
    },
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'notification',
      columns: ['recipient_id'],
      why: 'dropped: the count of unread ones on every page',
    },
    {
      check: 'typed-as-text',
      table: 'private_message',
      columns: ['sent_on'],
      why: 'days as text, day first',
    },
    {
      check: 'missing-foreign-key',
      table: 'post_actions',
      columns: ['post_id'],
      why: 'the key was dropped, and 3 % of the actions are on no post',
    },
    {
      check: 'dead-rows',
      table: 'received_activity',
      why: 'autovacuum is off, and what is older than 200 days was deleted',
    },
    { check: 'unbounded-read', table: 'community_actions', why: 'all followers of a community at once' },
  ],
  natural: [
    {
      check: 'missing-index',
      or: ['cast-defeats-index'],
      table: 'local_user',
      columns: ['email'],
      why: 'compares lower(coalesce(email, …)), and the index is on email',
    },
    prefix('comment_actions', 'person_id', '(person_id) beside the key (person_id, comment_id)'),
    prefix('post_actions', 'person_id', '(person_id) beside the key (person_id, post_id)'),
    prefix(
      'post',
      'hot_rank',
      'the order of the front page, which the index with the community at its end has too',
    ),
    prefix('post', 'hot_rank_active', 'the same'),
    prefix('post', 'scaled_rank', 'the same'),
    prefix('post', 'score', 'the same'),
    prefix('post', 'comments', 'the same'),
    prefix('post', 'controversy_rank', 'the same'),
    prefix(
      'notification',
      'published_at',
      '(published_at DESC) beside (published_at DESC, id DESC, recipient_id)',
    ),
  ],
  accepted: [
    { checks: ['duplicate-index'], table: 'post', why: 'others in the same orders: true, and smaller' },
    {
      checks: ['duplicate-index'],
      table: 'community_actions',
      columns: ['person_id'],
      why: 'the same, and smaller',
    },
    {
      checks: ['duplicate-index'],
      table: 'person_actions',
      columns: ['person_id'],
      why: 'the same, and small',
    },
    { checks: ['duplicate-index'], table: 'modlog', why: 'true, and empty here' },
    { checks: ['foreign-key-without-index'], why: 'no parent is deleted in this workload' },
    {
      checks: ['cold-data'],
      table: 'sent_activity',
      why: 'Lemmy removes them after days; here they are old',
    },
    { checks: ['cold-data'], table: 'received_activity', why: 'the same' },
    { checks: ['cold-data'], table: 'login_token', why: 'logins of years ago' },
    { checks: ['cold-data'], table: 'local_image', why: 'nobody reads them here' },
    {
      checks: ['missing-foreign-key'],
      why: 'few are undeclared; rows without a parent only in post_actions',
    },
    {
      checks: ['cast-defeats-index'],
      table: 'private_message',
      columns: ['sent_on'],
      why: 'what days as text lead to',
    },
    { checks: ['cold-data'], table: 'comment_actions', why: 'old votes, which nobody reads here' },
  ],
  traps: [
    { checks: ['leading-wildcard'], table: 'post', why: 'there is a trigram index over name and body' },
    { checks: ['missing-index', 'cast-defeats-index'], table: 'person', why: 'lower(ap_id) has an index' },
    {
      checks: ['missing-index'],
      table: 'post',
      columns: ['hot_rank'],
      why: 'the index has the order of the front page',
    },
    { checks: ['typed-as-text'], table: 'instance', columns: ['version'], why: 'a version' },
    { checks: ['cold-data'], table: 'post', why: 'old posts are read by id' },
    { checks: ['cold-data'], table: 'comment', why: 'they belong to posts that are read' },
    { checks: ['missing-index'], table: 'post_actions', why: 'its key serves the join' },
    { checks: ['list-in-column'], table: 'comment', columns: ['path'], why: 'an ltree' },
    {
      checks: ['functional-dependency'],
      table: 'post_actions',
      why: 'a vote and its moment come together, by a check',
    },
    {
      checks: ['missing-primary-key'],
      table: '__diesel_schema_migrations',
      why: 'a table of the migrations, with a key',
    },
  ],
};
