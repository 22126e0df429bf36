import pg from 'pg';
import { queryTextOf, statementOf } from '../../console/traces/span.ts';
import { processIdOf } from '../../lib/pg/pooler.ts';
import { onDatabase } from '../onDatabase.ts';
import type { Application, Blockade } from './application.ts';
import { findingOf, firing, firstTrace, stepsOf } from './incident.ts';
import { startLoad } from './load.ts';
import type { Cleanup } from './processes.ts';
import type { Shown } from './shown.ts';
import type { Observed } from './stack.ts';

/** More than any pool here has connections, so that some wait for one. */
const CLIENTS = 16;
const FORGOTTEN = 'forgotten session';
/** No statement takes that long by itself. Milliseconds. */
const WAITED_MS = 5_000;

/** All connections of the pool wait for one transaction: from the alert to who holds the lock, its end, silence, and the traces of who waited. */
export async function blockaded(
  { service, work, pauseMs }: Application,
  { sql, table, statement }: Blockade,
  { observed, cleanup, say }: { observed: Observed; cleanup: Cleanup; say: (text: string) => void },
): Promise<Shown[]> {
  const { lines, step } = stepsOf(say);
  const alert = { alert: 'PoolExhausted', labels: { job: service } };
  const holder = new pg.Client({ connectionString: observed.ownerUrl, application_name: FORGOTTEN });
  holder.on('error', () => {});
  await holder.connect();
  cleanup.add(() => holder.end());
  await holder.query(`BEGIN; ${sql}`);
  const load = startLoad(work(observed.surroundings), CLIENTS, pauseMs);
  cleanup.add(() => load.stop());
  step('transaction forgotten', sql);

  const fires = await observed.until(`the alert ${alert.alert}`, () => firing(observed, alert));
  step('alert', `${fires.name}: ${fires.summary}`);

  const { title, fix } = await findingOf(observed, { check: 'lock-waits', table });
  const end = /SELECT pg_terminate_backend\(\d+\)/.exec(fix?.summary ?? '')?.[0];
  if (end !== `SELECT pg_terminate_backend(${processIdOf(holder)})`)
    throw new Error(
      `the finding does not name the session ${processIdOf(holder)}: ${title}; ${fix?.summary}`,
    );
  step('finding', `lock-waits: ${title}; fix: ${fix?.summary}`);

  await onDatabase(observed.ownerUrl, (client) => client.query(end));
  // So many clients are too many for the pool also without it.
  await load.stop();
  step('the session ended', end);
  await observed.until('silence', async () => (await firing(observed, alert)) === undefined);
  step('alert silent', alert.alert);

  const waited = await observed.until('a trace of who waited', () =>
    firstTrace(observed, `minDurationMs=${WAITED_MS}`, ({ traceId, spans }) => {
      const span = spans.find(
        (each) => statement.test(statementOf(each) ?? '') && each.durationMs >= WAITED_MS,
      );
      return span && { traceId, span };
    }),
  );
  step(
    'trace of who waited',
    `${waited.traceId}: ${(queryTextOf(waited.span) ?? '').slice(0, 160)} waited ${(waited.span.durationMs / 1_000).toFixed(0)} s`,
  );
  return lines;
}
