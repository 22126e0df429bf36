import { expect, it } from 'vitest';
import { operationCommand } from './operationCommand.ts';

const size = { rows: 1, bytes: 1 };

it('a shell and SQL take the command as it is', () => {
  expect(
    operationCommand({
      operation: 'partition',
      schema: 'app',
      table: 'events',
      by: 'at',
      interval: 'month',
      ...size,
    }),
  ).toBe('sqltrail migrate plan partition app.events --by at --interval month');
  expect(
    operationCommand({
      operation: 'retype',
      schema: 'app',
      table: "Order's",
      columns: [
        { column: 'total', type: 'numeric(12,2)' },
        { column: 'tax rate', type: 'numeric(5,2)' },
      ],
      format: 'DD.MM.YYYY',
      ...size,
    }),
  ).toBe(
    `sqltrail migrate plan retype 'app."Order'\\''s".total' 'numeric(12,2)' --also 'tax rate=numeric(5,2)' --format DD.MM.YYYY`,
  );
  expect(
    operationCommand({
      operation: 'split-list',
      schema: 'app',
      table: 'Posts',
      column: 'tags',
      separator: '; ',
      into: "post's_tags",
      ...size,
    }),
  ).toBe(`sqltrail migrate plan split-list 'app."Posts".tags' --separator '; ' --into 'post'\\''s_tags'`);
  expect(
    operationCommand({
      operation: 'extract',
      schema: 'app',
      table: 'orders',
      columns: ['name', 'Home town'],
      key: 'customer',
      into: 'customers',
      contradicting: true,
      ...size,
    }),
  ).toBe(
    "sqltrail migrate plan extract app.orders --columns 'name,Home town' --key customer --into customers --resolve most-frequent",
  );
  expect(
    operationCommand({
      operation: 'eav-to-jsonb',
      schema: 'app',
      table: 'facts',
      entity: ['tenant', 'Thing id'],
      attribute: 'name',
      values: ['text_value', 'number_value'],
      leaveOut: ['id'],
      into: 'facts_documents',
      ...size,
    }),
  ).toBe(
    "sqltrail migrate plan eav-to-jsonb app.facts --entity 'tenant,Thing id' --attribute name --values text_value,number_value --leave-out id --into facts_documents",
  );
});
