import type pg from 'pg';
import { expect } from 'vitest';
import { type MigrationOptions, migrationStatus } from '../../migrate/engine.ts';
import type { Kept } from '../../migrate/kept.ts';

/** What the status of a migration says is kept apart, each with SQL that shows as many rows as it counts. */
export async function kept(
  client: pg.Client | pg.Pool,
  options: Pick<MigrationOptions, 'url' | 'mapping'>,
): Promise<Omit<Kept, 'query'>[]> {
  const ledger = (await migrationStatus(options))?.ledger ?? [];
  const counted: Omit<Kept, 'query'>[] = [];
  for (const { query, ...entry } of ledger) {
    expect((await client.query(query)).rowCount, query).toBe(entry.entries);
    counted.push(entry);
  }
  return counted;
}
