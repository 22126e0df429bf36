import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, it } from 'vitest';
import { readModel, toMermaid } from '../diagnosis/format/diagram.ts';
import { defaultDiagnosis } from '../diagnosis/run.ts';
import { openSession } from '../diagnosis/session.ts';
import { createTestDatabase } from '../test/support/database.ts';
import { DOCS, modelPages } from './modelPage.ts';

it('the diagrams of the docs are what the catalogue says (npm run docs)', async () => {
  const database = await createTestDatabase();
  try {
    for (const [name, text] of await modelPages(database.url))
      expect(await readFile(path.join(DOCS, name), 'utf8'), name).toBe(text);
    const session = await openSession({ ...defaultDiagnosis, url: database.url, dutyCycle: 1 });
    const legacy = await readModel(session, 'public');
    const shop = await readModel(session, 'shop');
    await session.close();
    expect(legacy.references.filter(({ enforced }) => enforced)).toEqual([]);
    expect(legacy.references).toContainEqual({
      from: 'public.orders',
      columns: ['customer_id'],
      to: 'public.customers',
      enforced: false,
      required: false,
      unique: false,
    });
    expect(shop.references.every(({ enforced }) => enforced)).toBe(true);
    expect(shop.boxes.find(({ name }) => name === 'order_lines')?.partitionKey).toBe('RANGE (placed_at)');
    expect(toMermaid(shop)).toContain('order_lines }o--|| orders : "order_id, placed_at"');
  } finally {
    await database.drop();
  }
});
