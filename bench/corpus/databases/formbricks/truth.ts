import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'Display',
      columns: ['contactId'],
      why: 'dropped: what a contact was shown',
    },
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'Response',
      columns: ['contactId'],
      why: 'dropped: what a contact answered',
    },
    prefix('ContactAttribute', 'contactId', 'made beside the unique (contactId, attributeKeyId)'),
    {
      check: 'access-too-wide',
      table: 'Contact',
      why: 'a policy on a table whose row-level security is off',
    },
    {
      check: 'list-in-column',
      or: ['leading-wildcard', 'cast-defeats-index'],
      table: 'Contact',
      columns: ['surveysSeen'],
      why: 'surveys with bars between them, searched by pattern',
    },
    {
      check: 'missing-foreign-key',
      table: 'Display',
      columns: ['surveyId'],
      why: 'the key was dropped, and 3 % of the displays are of no survey',
    },
  ],
  natural: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'TagsOnResponses',
      columns: ['tagId'],
      why: 'the key begins with the response: counts by tag and deletes of tags read it whole',
    },
    {
      check: 'entity-attribute-value',
      table: 'ContactAttribute',
      why: 'a contact, a key, and a value of one of three kinds',
    },
    {
      check: 'leading-wildcard',
      table: 'ContactAttribute',
      columns: ['value'],
      why: 'contains, insensitive',
    },
    { check: 'offset-paging', table: 'Response', why: 'Prisma’s skip' },
    { check: 'offset-paging', table: 'Contact', why: 'Prisma’s skip' },
  ],
  accepted: [
    {
      checks: ['counts-everything'],
      table: 'Response',
      why: 'counted at each look at a survey; an index-only scan makes it cheap',
    },
    {
      checks: ['counts-everything'],
      table: 'TagsOnResponses',
      why: 'what the missing index makes expensive',
    },
    {
      checks: ['missing-index'],
      table: 'Contact',
      columns: ['workspaceId'],
      why: 'workspace and date together would serve the pages',
    },
    { checks: ['foreign-key-without-index'], why: 'true where it is; of the parents only tags are deleted' },
    { checks: ['missing-foreign-key'], why: 'few are undeclared; rows without a parent only in Display' },
    { checks: ['duplicate-index'], why: 'the schema has such pairs on tables that are tiny here' },
    { checks: ['weak-type'], why: 'timestamps without a zone, as Prisma makes them: for information' },
    { checks: ['cold-data'], table: 'Display', why: 'what was shown long ago' },
  ],
  traps: [
    { checks: ['typed-as-text'], columns: ['id'], why: 'keys' },
    { checks: ['cold-data'], table: 'Response', why: 'answers are what a survey is for' },
    { checks: ['cold-data'], table: 'Contact', why: 'an old contact is not a cold one' },
    {
      checks: ['missing-index'],
      table: 'ContactAttribute',
      columns: ['attributeKeyId'],
      why: 'it has an index with the value',
    },
    { checks: ['offset-paging'], table: 'Display', why: 'OFFSET 0, as Prisma always writes it' },
    { checks: ['offset-paging'], table: 'Survey', why: 'OFFSET 0, as Prisma always writes it' },
    { checks: ['offset-paging'], table: 'User', why: 'OFFSET 0, as Prisma always writes it' },
    { checks: ['missing-gin-index'], table: 'Response', why: 'no condition on its documents' },
    { checks: ['list-in-column'], table: 'ContactAttribute', columns: ['value'], why: 'names of two words' },
  ],
};
