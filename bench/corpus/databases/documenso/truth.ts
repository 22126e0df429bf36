import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'Field',
      columns: ['envelopeId'],
      why: 'dropped: the fields of an envelope',
    },
    {
      check: 'missing-index',
      table: 'Recipient',
      columns: ['token'],
      why: 'dropped: each page that is signed is found by its token',
    },
    {
      check: 'list-in-column',
      or: ['leading-wildcard'],
      table: 'Envelope',
      columns: ['labelNames'],
      why: 'labels with commas between them, searched by pattern',
    },
    {
      check: 'missing-foreign-key',
      table: 'Signature',
      columns: ['recipientId'],
      why: 'the key was dropped, and 3 % are of nobody',
    },
    { check: 'dead-rows', table: 'Session', why: 'autovacuum is off, and what has expired was deleted' },
  ],
  natural: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'UserSecurityAuditLog',
      columns: ['userId'],
      why: 'Prisma makes no index for a relation: the log of a user reads all',
    },
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'WebhookCall',
      columns: ['webhookId'],
      why: 'the same for the calls of a webhook',
    },
    { check: 'leading-wildcard', table: 'Envelope', columns: ['title'], why: 'contains, insensitive' },
    { check: 'offset-paging', table: 'Envelope', why: 'Prisma’s skip' },
    { check: 'counts-everything', table: 'Envelope', why: 'counted for each page' },
    prefix('Recipient', 'email', 'the beginning of three others'),
    prefix('Session', 'sessionToken', 'beside the same unique one'),
  ],
  accepted: [
    {
      checks: ['duplicate-index'],
      table: 'User',
      columns: ['email'],
      why: 'beside the same unique one: true, and small',
    },
    { checks: ['duplicate-index'], table: 'Recipient', why: 'others begin alike too' },
    { checks: ['duplicate-index'], why: 'the schema has such pairs on tables that are empty here' },
    { checks: ['foreign-key-without-index'], why: 'no parent is deleted in this workload' },
    {
      checks: ['missing-foreign-key'],
      why: 'users in the audit log are kept when they go; rows without a parent only in Signature',
    },
    {
      checks: ['leading-wildcard'],
      table: 'Envelope',
      columns: ['labelNames'],
      why: 'what the list leads to',
    },
    {
      checks: ['missing-index'],
      table: 'Envelope',
      columns: ['teamId'],
      why: 'team and date together would serve the pages',
    },
    { checks: ['cold-data'], table: 'WebhookCall', why: 'only the newest are read' },
    { checks: ['cold-data'], table: 'UserSecurityAuditLog', why: 'only the newest are read' },
    { checks: ['cold-data'], table: 'BackgroundJob', why: 'nobody reads it here' },
    { checks: ['cold-data'], table: 'Session', why: 'sessions that have expired' },
    { checks: ['weak-type'], why: 'timestamps without a zone, as Prisma makes them: for information' },
  ],
  traps: [
    { checks: ['cold-data'], table: 'DocumentAuditLog', why: 'evidence of who signed: it has to be found' },
    { checks: ['cold-data'], table: 'Envelope', why: 'signed documents' },
    { checks: ['offset-paging'], table: 'Recipient', why: 'OFFSET 0, as Prisma always writes it' },
    { checks: ['offset-paging'], table: 'DocumentAuditLog', why: 'OFFSET 0' },
    { checks: ['offset-paging'], table: 'WebhookCall', why: 'OFFSET 0' },
    { checks: ['typed-as-text'], columns: ['secondaryId'], why: 'keys with a prefix' },
    { checks: ['missing-index'], table: 'Envelope', columns: ['deletedAt'], why: 'NULL in nearly every row' },
    { checks: ['missing-index'], table: 'Envelope', columns: ['type'], why: 'most rows have the same' },
    {
      checks: ['functional-dependency'],
      table: 'Field',
      columns: ['recipientId', 'envelopeId'],
      why: 'a field belongs to both; the copy is for the index',
    },
  ],
};
