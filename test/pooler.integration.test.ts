import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultDiagnosis } from '../diagnosis/run.ts';
import { openSession } from '../diagnosis/session.ts';
import { OperationError } from '../lib/pg/errors.ts';
import { createMigratedShop, type MigratedShop } from './support/migration.ts';
import { isPgBouncerInstalled, type PgBouncer, pgBouncerNote, startPgBouncer } from './support/pgbouncer.ts';
import { readers, writers } from './support/pooledTools.ts';
import { clocks } from './support/process.ts';
import { propertyRuns } from './support/property.ts';
import { type Application, freshState, pooledStates, startApplication } from './support/serverConnections.ts';

/** Few, so that the application gets each connection that a tool had. */
const POOL = 2;
const RUNS = propertyRuns(4);
/** Each run starts up to two processes, which load all of sqltrail: many runs take more than the limit of all tests. */
const RUN_MS = 100_000;

let shop: MigratedShop;
beforeAll(async () => {
  if (isPgBouncerInstalled) shop = await createMigratedShop(60);
});
afterAll(() => shop?.close());

describe.skipIf(!isPgBouncerInstalled).each([
  { name: 'transaction mode', mode: 'transaction', settings: {} },
  { name: 'session mode', mode: 'session', settings: {} },
  { name: 'session mode without a reset', mode: 'session', settings: { server_reset_query: '' } },
] as const)(`through PgBouncer in $name${pgBouncerNote}`, ({ mode, settings }) => {
  let bouncer: PgBouncer;
  let application: Application;
  let direct: string;
  let url: string;

  beforeAll(async () => {
    direct = shop.database.url('shop_owner');
    bouncer = await startPgBouncer({ mode, poolSize: POOL, settings, roles: [direct] });
    url = bouncer.through(direct);
    application = await startApplication({ url, direct, reconnect: mode === 'session' });
    // Directly, as it has to be, while the application writes through the pooler.
    await shop.run('backfill');
  });
  afterAll(async () => {
    await application?.stop();
    await bouncer?.stop();
  });

  /** The application goes on, and every server connection is as one that nobody has used. */
  async function expectNothingLeft(): Promise<void> {
    const before = application.writes;
    const states = await pooledStates(url, POOL);
    expect(states.size).toBe(POOL);
    const fresh = await freshState(direct);
    for (const state of states.values()) expect(state).toEqual(fresh);
    await expect.poll(() => application.writes).toBeGreaterThan(before);
    expect(application.problems).toEqual([]);
  }

  it.each(Object.keys(readers))('%s works, and leaves nothing on a connection', async (tool) => {
    await readers[tool]?.(url);
    await expectNothingLeft();
  });

  it.each(Object.keys(writers))('%s says that it needs the server itself', async (tool) => {
    const refused = await writers[tool]?.(url).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(refused).toBeInstanceOf(OperationError);
    expect(refused?.message).toMatch(
      /goes through a connection pooler.*Give the URL of the Postgres server/s,
    );
    expect(refused?.message).not.toContain(new URL(direct).password);
    await expectNothingLeft();
  });

  it('rows that the triggers of a migration carry over leave nothing either', async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('UPDATE customers SET notes = full_name WHERE id = 1');
    await client.end();
    await expectNothingLeft();
  });

  it('a parameter that the pooler does not take is named, with what to do', async () => {
    const asking = new URL(url);
    asking.searchParams.set('options', '-c work_mem=64MB');
    const { signal } = new AbortController();
    await expect(
      openSession({ ...defaultDiagnosis, url: asking.href, dutyCycle: 1, signal }),
    ).rejects.toThrow(/does not take the parameter "options". Remove it from the URL/);
  });

  it(
    'a tool that is killed leaves nothing either, at whatever moment',
    async () => {
      const counts = new Map<string, number>();
      const run = async (tool: string, kill?: string) => {
        const child = fork(path.join(import.meta.dirname, 'support/toolAndDie.ts'), {
          env: {
            PATH: process.env['PATH'],
            ...clocks,
            TEST_URL: url,
            TEST_TOOL: tool,
            ...(kill ? { TEST_KILL: kill } : {}),
          },
          stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        });
        child.on('message', (count) => counts.set(tool, count as number));
        const [code, signal] = await once(child, 'exit');
        return signal ?? code;
      };
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...Object.keys(readers), ...Object.keys(writers)),
          fc.constantFrom('before', 'during'),
          fc.double({ min: 0, max: 1, noNaN: true }),
          async (tool, when, at) => {
            if (!counts.has(tool)) expect(await run(tool)).toBe(0);
            const count = counts.get(tool) as number;
            expect(count).toBeGreaterThan(0);
            await run(tool, `${when}:${1 + Math.floor(at * (count - 1))}`);
            await expectNothingLeft();
          },
        ),
        // A run that failed is not run again with other moments: each takes too long for that.
        { numRuns: RUNS, endOnFailure: true },
      );
    },
    Math.max(6, RUNS) * RUN_MS,
  );
});
