import { expect, it } from 'vitest';
import { databaseFor } from '../../test/support/database.ts';
import { PATIENCE_MS } from '../../test/support/patience.ts';
import { startNode } from '../../test/support/process.ts';
import { waitFor } from '../waitFor.ts';
import { openDirect } from './connect.ts';

const database = databaseFor('all');

it('time limits of the role for transactions and idle sessions do not hold', async () => {
  const limits = ['transaction_timeout', 'idle_session_timeout'];
  const { rows: known } = await database.client.query<{ name: string }>(
    'SELECT name FROM pg_settings WHERE name = ANY ($1)',
    [limits],
  );
  for (const { name } of known)
    await database.client.query(`ALTER DATABASE ${database.name} SET ${name} = '5min'`);
  const client = await openDirect({ url: database.url, applicationName: 'sqltrail-test', what: 'The test' });
  const { rows } = await client.query('SELECT setting FROM pg_settings WHERE name = ANY ($1)', [limits]);
  await client.end();
  for (const { name } of known) await database.client.query(`ALTER DATABASE ${database.name} RESET ${name}`);
  expect(rows).toEqual(known.map(() => ({ setting: '0' })));
});

it('a session whose process was killed ends in the middle of its statement', async () => {
  const sessions = async () =>
    (
      await database.client.query<{ sleeps: boolean }>(
        "SELECT wait_event = 'PgSleep' AS sleeps FROM pg_stat_activity WHERE application_name = 'sqltrail-killed' AND datname = current_database()",
      )
    ).rows;
  const { rows } = await database.client.query<{ version: number }>(
    "SELECT current_setting('server_version_num')::int AS version",
  );
  const child = startNode(['test/support/sleepingSession.ts'], { DATABASE_URL: database.url });
  await waitFor('its statement', async () => (await sessions())[0]?.sleeps, { deadlineMs: PATIENCE_MS });
  await child.stop('SIGKILL');
  // Older servers do not look.
  if (Number(rows[0]?.version) >= 140_000)
    await waitFor('its end', async () => (await sessions()).length === 0, { deadlineMs: PATIENCE_MS });
  else
    await database.client.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sqltrail-killed'",
    );
});
