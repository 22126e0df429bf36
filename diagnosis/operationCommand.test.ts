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
});
