import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startNode } from '../test/support/process.ts';
import { runbooks } from '../test/support/runbooks.ts';
import { createShopTestDatabase, type ShopDatabase } from '../test/support/shop.ts';

let shop: ShopDatabase;
beforeAll(async () => {
  shop = await createShopTestDatabase();
  const admin = new pg.Client(shop.url('postgres'));
  await admin.connect();
  await admin.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
  await admin.end();
});
afterAll(() => shop?.drop());

const statements = runbooks.flatMap(({ name, sql }) => sql.map((statement) => ({ name, ...statement })));

describe('SQL of the runbooks', () => {
  it.each(statements)('$name, $section: $text', async ({ section, text }) => {
    // To look, what may only read is enough; what is to be done takes more.
    const client = new pg.Client(shop.url(section === 'What to do' ? 'postgres' : 'sqltrail_monitor'));
    await client.connect();
    try {
      const { fields, command } = await client.query(text);
      expect(fields.length > 0 || command === 'ANALYZE').toBe(true);
    } finally {
      await client.end();
    }
  });
});

describe('commands of the runbooks', () => {
  const commands = [...new Set(runbooks.flatMap((runbook) => runbook.commands))]
    .filter((command) => command.startsWith('npm run sqltrail'))
    .map((command) => [command]);

  it('are there', () => expect(commands.length).toBeGreaterThan(3));

  // They spend their time on watching, not on the machine.
  it.concurrent.each(commands)('%s', async (command) => {
    const [, words = ''] = /^npm run sqltrail -- (.+)$/.exec(command) ?? [];
    const given: Record<string, string> = {
      '"$DATABASE_URL"': shop.url('sqltrail_monitor'),
      '"$OWNER_DATABASE_URL"': shop.url('shop_owner'),
      'archive.yaml': 'sample-shop/archive.yaml',
    };
    const args = words.split(' ').map((word) => given[word] ?? word);
    const run = startNode(['cli/main.ts', ...args], {});
    // 3: a diagnosis that had no time for everything, which is for the machine to say, not for the runbook.
    expect([0, 3], run.output()).toContain(await run.exited);
    expect(run.output().length).toBeGreaterThan(0);
  });
});
