import pg from 'pg';
import { expect } from 'vitest';
import { phases } from '../../migrate/mapping.ts';
import { pgDump, startDumpServer } from './dump.ts';
import type { Operated } from './operated.ts';

const EXCEPT_OURS = ['--exclude-schema=sqltrail'];

/**
 * A migration that is carried to each phase before the last, and rolled back, leaves what pg_dump saw before.
 *
 * @param sql makes the database
 * @param plan of the migration of a database with that
 */
export async function expectDumpAfterRollbacks(
  sql: string,
  plan: (url: string) => Promise<Pick<Operated, 'run' | 'back'>>,
): Promise<void> {
  const server = await startDumpServer();
  try {
    const url = server.url();
    const admin = new pg.Client(url);
    admin.on('error', () => {});
    await admin.connect();
    await admin.query(sql);
    const before = await pgDump(url, EXCEPT_OURS);
    const it = await plan(url);
    for (const phase of phases.slice(0, -1)) {
      await it.run(phase);
      await it.back('none');
      expect(await pgDump(url, EXCEPT_OURS), phase).toBe(before);
    }
    await admin.end();
  } finally {
    await server.close();
  }
}
