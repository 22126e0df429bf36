import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      table: 'event_data',
      columns: ['website_event_id'],
      why: 'dropped: the properties of an event',
    },
    {
      check: 'functional-dependency',
      table: 'session',
      columns: ['city', 'region'],
      why: 'the city decides the region, in every session',
    },
    {
      check: 'missing-foreign-key',
      table: 'session_data',
      columns: ['session_id'],
      why: '5 % refer to no session',
    },
    prefix('website_event', 'visit_id', 'made twice'),
    {
      check: 'dead-rows',
      table: 'revenue',
      why: 'autovacuum is off, and three fifths of the rows were updated',
    },
  ],
  natural: [
    { check: 'entity-attribute-value', table: 'event_data', why: 'an event, a key, and one of three values' },
    { check: 'entity-attribute-value', table: 'session_data', why: 'the same for a session' },
    {
      check: 'aggregate-at-request-time',
      table: 'website_event',
      why: 'the figures of half a year at each look at the dashboard',
    },
    { check: 'offset-paging', table: 'website_event', why: 'pagedRawQuery' },
    { check: 'leading-wildcard', table: 'website_event', columns: ['url_path'], why: 'the search of events' },
    prefix('website_event', 'website_id', 'the beginning of seven others'),
    prefix('session', 'website_id', 'the beginning of nine others'),
    prefix('event_data', 'website_id', 'the beginning of two others'),
    prefix('session_data', 'session_id', '(session_id) beside (session_id, created_at)'),
  ],
  accepted: [
    {
      checks: ['duplicate-index'],
      table: 'session_data',
      columns: ['website_id'],
      why: 'the beginning of another: true',
    },
    { checks: ['duplicate-index'], table: 'revenue', why: 'true, and small' },
    { checks: ['duplicate-index'], table: 'website', why: 'tiny' },
    { checks: ['duplicate-index'], table: 'user', why: 'tiny' },
    { checks: ['duplicate-index'], table: 'report', why: 'tiny' },
    { checks: ['duplicate-index'], why: 'keys that are there twice, on empty tables' },
    {
      checks: ['missing-foreign-key'],
      why: 'Prisma’s relations are not declared; rows without a parent only in session_data',
    },
    { checks: ['functional-dependency'], table: 'session', why: 'city, region and country' },
    {
      checks: ['functional-dependency'],
      columns: ['data_key', 'data_type'],
      why: 'a key has one type in the filling',
    },
    {
      checks: ['counts-everything'],
      table: 'website_event',
      why: 'the count of each page, which searches as well',
    },
    {
      checks: ['missing-index'],
      table: 'website_event',
      columns: ['url_path'],
      why: 'part of the answer to the search',
    },
  ],
  traps: [
    { checks: ['cold-data'], why: 'nothing here is older than a year' },
    {
      checks: ['typed-as-text'],
      table: 'session',
      columns: ['screen'],
      why: 'two numbers with an x are no number',
    },
    { checks: ['list-in-column'], table: 'website_event', columns: ['url_path'], why: 'a path' },
    { checks: ['aggregate-at-request-time'], table: 'revenue', why: 'a week of a small table' },
    { checks: ['missing-index'], table: 'session_data', why: 'the index on session_id serves it' },
    { checks: ['entity-attribute-value'], table: 'report', why: 'a document of parameters' },
  ],
};
