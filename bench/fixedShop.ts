import '../sample-shop/useConfig.ts';
import pg from 'pg';
import { shopActions, shopApplication } from '../demo/shopActions.ts';
import { defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { MITIGATED, mitigate } from '../fix/mitigate.ts';
import type { Harness } from './harness.ts';

export const FIXED = 'fixed';
const ROUNDS = 3;
const OBSERVE_MS = 20_000;
const signal = new AbortController().signal;

const exists = async (url: string, name: string) => {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  const { rowCount } = await admin.query('SELECT FROM pg_database WHERE datname = $1', [name]);
  await admin.end();
  return rowCount === 1;
};

/**
 * The database with the whole mitigation: found by the diagnosis under the peak on the sick shop, as the story
 * does it, without measuring each action. Made once.
 */
export async function fixedDatabase(harness: Harness, say: (text: string) => void): Promise<void> {
  if (await exists(harness.adminUrl, FIXED)) return;
  const making = 'making';
  await harness.copy(making);
  const running = await harness.open(making, 'legacy');
  const readUrl = harness.url('monitor', making);
  const { handlers } = shopApplication(running.target);
  try {
    await mitigate({
      url: harness.url('owner', making),
      readUrl,
      rounds: ROUNDS,
      windows: 0,
      windowMs: 0,
      reviewDays: 30,
      // The size of the pool is a measurement of its own.
      application: { handlers, actions: shopActions },
      signal,
      diagnose: () =>
        diagnose({
          ...defaultDiagnosis,
          url: readUrl,
          observeMs: OBSERVE_MS,
          deadlineMs: OBSERVE_MS + defaultDiagnosis.deadlineMs,
          only: [...MITIGATED],
          signal,
        }),
      onEvent: ({ type, action }) => {
        if (type === 'kept' || type === 'failed') say(`${type}: ${action.title}`);
      },
    });
  } finally {
    await running.stop();
  }
  const owner = new pg.Client({ connectionString: harness.adminUrl });
  await owner.connect();
  await owner.query(`ALTER DATABASE ${making} RENAME TO ${FIXED}`);
  await owner.end();
}
