import pg from 'pg';
import { shopActions, shopHandlers } from '../demo/shopActions.ts';
import { defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { type Action, actionsFor } from '../fix/action.ts';
import { settingsActions } from '../fix/settings.ts';
import { applyShortTerm } from '../fix/shortTerm.ts';
import type { Rig } from './harness.ts';

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
 * The database with the whole short-term relief: found by the diagnosis under the peak on the sick shop, as the story
 * does it, without measuring each action. Made once.
 */
export async function fixedDatabase(rig: Rig, say: (text: string) => void): Promise<void> {
  if (await exists(rig.adminUrl, FIXED)) return;
  const making = 'making';
  await rig.copy(making);
  const running = await rig.open(making, 'legacy');
  const handlers = shopHandlers(running.target);
  const readUrl = rig.url('monitor', making);
  const apply = (actions: readonly Action[]) =>
    applyShortTerm({
      url: rig.url('owner', making),
      readUrl,
      actions,
      windows: 0,
      windowMs: 0,
      reviewDays: 30,
      handlers,
      signal,
      onEvent: ({ type, action }) => {
        if (type === 'kept' || type === 'failed') say(`${type}: ${action.title}`);
      },
    });
  try {
    const tried = new Set<string>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const { findings } = await diagnose({
        ...defaultDiagnosis,
        url: readUrl,
        observeMs: OBSERVE_MS,
        deadlineMs: OBSERVE_MS + defaultDiagnosis.deadlineMs,
        only: ['indexes', 'queries', 'set-up', 'size'],
        signal,
      });
      const actions = actionsFor(findings).filter(({ id }) => !tried.has(id));
      for (const { id } of actions) tried.add(id);
      if (round > 0 && actions.length === 0) break;
      await apply(actions);
    }
    await apply(await settingsActions({ url: readUrl, signal }));
    await apply(shopActions([]));
  } finally {
    await running.stop();
  }
  const owner = new pg.Client({ connectionString: rig.adminUrl });
  await owner.connect();
  await owner.query(`ALTER DATABASE ${making} RENAME TO ${FIXED}`);
  await owner.end();
}
