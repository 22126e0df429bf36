import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Span } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import pg from 'pg';
import { expireArchive, planExpiry } from '../../archive/expire.ts';
import { planPolicy, restorePolicy, runPolicy } from '../../archive/partitions.ts';
import { type ArchivePolicy, readPolicy } from '../../archive/policy.ts';
import { listArchive } from '../../archive/read.ts';
import { DatabaseSource } from '../../console/sources/database.ts';
import { readModel } from '../../diagnosis/format/diagram.ts';
import { defaultDiagnosis, diagnose } from '../../diagnosis/run.ts';
import { openSession } from '../../diagnosis/session.ts';
import { applyActions } from '../../fix/apply.ts';
import { withTimes } from '../../fix/duration.ts';
import { readJournal } from '../../fix/journal.ts';
import { measureWindows } from '../../fix/measure.ts';
import { findRewrites } from '../../fix/rewrite/rewrite.ts';
import { settingsActions } from '../../fix/settings.ts';
import { undoActions } from '../../fix/undo.ts';
import { PlanCapture } from '../../instrumentation/plans.ts';
import { describeStatement, loadParser } from '../../instrumentation/statement.ts';
import { waitFor } from '../../lib/waitFor.ts';
import {
  migrationStatus,
  planMigration,
  rollbackMigration,
  runMigration,
  verifyMigration,
} from '../../migrate/engine.ts';
import { shopMapping } from '../../sample-shop/migration/mapping.ts';
import { testAction } from './action.ts';
import { PATIENCE_MS } from './patience.ts';

const { signal } = new AbortController();

const index = testAction({
  id: 'index:public.pooled',
  kind: 'index',
  title: 'index pooled',
  sql: ['CREATE INDEX CONCURRENTLY "pooled" ON "public"."customers" ("full_name")'],
  undo: ['DROP INDEX CONCURRENTLY IF EXISTS "public"."pooled"'],
  index: { schema: 'public', table: 'customers', name: 'pooled' },
  temporary: true,
});

const readArchivePolicy = () => readPolicy('sample-shop/archive.yaml');

async function withDirectory(run: (directory: string, policy: ArchivePolicy) => Promise<unknown>) {
  const directory = await mkdtemp(path.join(tmpdir(), 'sqltrail-pooled-'));
  try {
    await run(directory, await readArchivePolicy());
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const migration = async (url: string) => ({ url, mapping: await shopMapping({ timeZone: 'Etc/UTC' }) });

/** Until a plan is there: what takes longer than two seconds is given up, which a busy machine may need. */
async function capturePlan(url: string): Promise<void> {
  await loadParser();
  const sql = 'SELECT full_name FROM customers WHERE id = $1';
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await waitFor(
    'a plan',
    async () => {
      const plans = new PlanCapture({ slowMs: 0 });
      let captured = false;
      // Its context is asked for once the plan is there.
      const span = {
        duration: [1, 0],
        status: { code: 0 },
        spanContext() {
          captured = true;
          return { traceId: '0'.repeat(31) + 1, spanId: '0'.repeat(15) + 1, traceFlags: 0 };
        },
      } as unknown as ReadableSpan;
      plans.executed(span as unknown as Span, {
        client,
        sql,
        values: [1],
        statement: describeStatement(sql),
      });
      plans.offer(span);
      try {
        return await waitFor('the plan', () => captured, { deadlineMs: 8_000 });
      } finally {
        plans.close();
      }
    },
    { deadlineMs: PATIENCE_MS },
  );
  await client.end();
}

/** As before Postgres 16, where a generic plan needs a prepared statement. */
async function planPrepared(url: string): Promise<void> {
  const session = await openSession({ ...defaultDiagnosis, url, dutyCycle: 1, signal });
  try {
    const inPublic = session.withSettings({ search_path: 'public' });
    for (let times = 0; times < 5; times += 1) {
      await inPublic.plan('SELECT full_name FROM customers WHERE id = $1', '');
      await inPublic.plan('SELECT gone FROM customers WHERE id = $1', '').catch(() => {});
    }
  } finally {
    await session.close();
  }
}

/** What of sqltrail connects to a database and has to work through a pooler, of the shop with its new model filled. */
export const readers: Record<string, (url: string) => Promise<unknown>> = {
  diagnose: (url) =>
    diagnose({ ...defaultDiagnosis, url, observeMs: 300, deadlineMs: 300_000, dutyCycle: 1, signal }),
  model: async (url) => {
    const session = await openSession({ ...defaultDiagnosis, url, dutyCycle: 1, signal });
    try {
      await readModel(session, 'public');
    } finally {
      await session.close();
    }
  },
  rewrite: (url) => findRewrites({ url, searchPath: ['public'], signal }),
  'fix plan': async (url) => {
    await settingsActions({ url, signal });
    await withTimes({ url, actions: [index], windows: 1, windowMs: 100, signal });
    await measureWindows({ url, windows: 1, windowMs: 300, signal });
  },
  'fix list': readJournal,
  'archive plan': async (url) => planPolicy({ url, policy: await readArchivePolicy() }),
  'archive list': async (url) => {
    await listArchive({ url });
    await planExpiry({ url, policy: await readArchivePolicy() });
  },
  'migrate plan': async (url) => planMigration(await migration(url)),
  'migrate status': async (url) => migrationStatus(await migration(url)),
  'migrate verify': async (url) => verifyMigration(await migration(url)),
  console: async (url) => {
    const database = new DatabaseSource(url, signal);
    await database.facts();
    await database.journal();
  },
  'plan capture': capturePlan,
  'plan of a prepared statement': planPrepared,
};

/** What needs a session of its own, and has to say so instead of beginning. */
export const writers: Record<string, (url: string) => Promise<unknown>> = {
  'fix apply': (url) =>
    applyActions({
      url,
      actions: [index],
      windows: 0,
      windowMs: 0,
      reviewDays: 30,
      signal,
      onEvent: () => {},
    }),
  'fix revert': (url) => undoActions({ url, signal, onUndone: () => {} }),
  'archive run': (url) => withDirectory((directory, policy) => runPolicy({ url, directory, policy })),
  'archive expire': (url) => withDirectory((directory, policy) => expireArchive({ url, directory, policy })),
  'archive restore': (url) =>
    withDirectory((directory) =>
      restorePolicy({ url, directory, segment: 1, holdDays: 1, reason: 'a test' }),
    ),
  migrate: async (url) => {
    for await (const _ of runMigration({
      ...(await migration(url)),
      until: 'verify',
      switchStore: async () => {},
    }));
  },
  'migrate rollback': async (url) => {
    for await (const _ of rollbackMigration({ ...(await migration(url)), to: 'none' }));
  },
};
