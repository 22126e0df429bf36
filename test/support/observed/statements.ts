import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { context, trace } from '@opentelemetry/api';
import Bluebird from 'bluebird';
import pg from 'pg';
import copy from 'pg-copy-streams';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { processIdOf } from '../../../lib/pg/pooler.ts';

/**
 * Gives a client statements in every way there is, each within a span of its own, and prints what came of it. What is
 * printed must not depend on whether telemetry is there.
 */
const connectionString = process.env['DATABASE_URL'] ?? '';
const pool = new pg.Pool({ connectionString, max: 2 });
pool.on('error', () => {});

type Client = pg.PoolClient;
const once = <T>(run: (done: (error: unknown, value?: T) => void) => void) =>
  new Promise<T | undefined>((resolve, reject) =>
    run((error, value) => (error ? reject(error) : resolve(value))),
  );
const rows = (result: unknown) => (result as pg.QueryResult).rows;
const ROWS = 'SELECT n FROM generate_series(1, 5) n';
const collected = async (stream: NodeJS.ReadableStream) => {
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  return text;
};

/** How many statements each one runs, and what. */
export const cases: Record<string, [statements: number, run: (client: Client) => Promise<unknown>]> = {
  text: [1, async (client) => rows(await client.query('SELECT $1::int AS a', [1]))],
  callback: [1, async (client) => rows(await once((done) => client.query(ROWS, done)))],
  'callback with values': [
    1,
    async (client) => rows(await once((done) => client.query('SELECT $1::int', [2], done))),
  ],
  config: [
    1,
    async (client) => rows(await client.query({ text: 'SELECT $1::int', values: [3], rowMode: 'array' })),
  ],
  'callback in a config that is used twice': [
    2,
    async (client) => {
      let called = 0;
      const finished: (() => void)[] = [];
      const config = {
        text: ROWS,
        callback() {
          called += 1;
          finished.shift()?.();
        },
      };
      for (let i = 0; i < 2; i += 1)
        await new Promise<void>((resolve) => {
          finished.push(resolve);
          client.query(config as never);
        });
      return called;
    },
  ],
  'named statement': [
    2,
    async (client) => [
      rows(await client.query({ name: 'named', text: 'SELECT $1::int AS x', values: [1] })),
      rows(await client.query({ name: 'named', text: 'SELECT $1::int AS x', values: [2] })),
    ],
  ],
  'two statements in one text': [
    1,
    async (client) => ((await client.query('SELECT 1; SELECT 2')) as never as []).length,
  ],
  'pg.Query with a callback': [
    1,
    async (client) =>
      rows(await once((done) => client.query(new pg.Query({ text: ROWS } as never, done as never)))),
  ],
  'pg.Query with events': [
    1,
    (client) => {
      const query = client.query(new pg.Query(ROWS) as never) as unknown as pg.Query;
      const seen: unknown[] = [];
      query.on('row', (row) => seen.push(row));
      return new Promise((resolve, reject) => {
        query.on('end', () => resolve(seen));
        query.on('error', reject);
      });
    },
  ],
  'cursor read to its end': [
    1,
    async (client) => {
      const cursor = client.query(new Cursor(ROWS, []));
      const read = [await cursor.read(2), await cursor.read(2), await cursor.read(2)];
      await cursor.close();
      return read;
    },
  ],
  'cursor closed early': [
    1,
    async (client) => {
      const cursor = client.query(new Cursor('SELECT n FROM generate_series(1, $1::int) n', [1000]));
      const read = await cursor.read(3);
      await cursor.close();
      return read;
    },
  ],
  'stream to its end': [
    1,
    async (client) => JSON.stringify(await client.query(new QueryStream(ROWS)).toArray()),
  ],
  'stream left early': [
    1,
    async (client) => {
      const stream = client.query(
        new QueryStream('SELECT n FROM generate_series(1, 1000) n', [], { highWaterMark: 2 }),
      );
      for await (const row of stream) if ((row as { n: number }).n === 3) break;
      return rows((await pool.query('SELECT 1 AS still_there').catch(String)) as never);
    },
  ],
  'COPY TO': [1, async (client) => collected(client.query(copy.to(`COPY (${ROWS}) TO STDOUT`)))],
  'COPY FROM': [
    3,
    async (client) => {
      await client.query('CREATE TEMP TABLE copied (a int)');
      await pipeline(Readable.from(['1\n', '2\n', '3\n']), client.query(copy.from('COPY copied FROM STDIN')));
      return rows(await client.query('SELECT sum(a) FROM copied'));
    },
  ],
  'COPY FROM that fails': [
    2,
    async (client) => {
      await client.query('CREATE TEMP TABLE refused (a int)');
      await pipeline(Readable.from(['x\n']), client.query(copy.from('COPY refused FROM STDIN')));
    },
  ],
  'COPY both': [
    1,
    async (client) => {
      const into = new Writable({ write: (_chunk, _encoding, done) => done() });
      await pipeline(client.query(copy.to('COPY (SELECT 1) TO STDOUT')), into);
    },
  ],
  'syntax error': [1, (client) => client.query('SELEC 1')],
  'syntax error with a callback': [1, (client) => once((done) => client.query('SELEC 1', done))],
  'syntax error in a cursor': [1, (client) => client.query(new Cursor('SELEC 1')).read(1)],
  'syntax error in a stream': [1, (client) => client.query(new QueryStream('SELEC 1')).toArray()],
  'syntax error in a pg.Query': [
    1,
    (client) =>
      new Promise((_resolve, reject) => {
        (client.query(new pg.Query('SELEC 1') as never) as unknown as pg.Query).on('error', reject);
      }),
  ],
  'type parser that throws': [
    1,
    (client) =>
      client.query({
        text: 'SELECT 1::int AS a',
        types: {
          getTypeParser: () => () => {
            throw new Error('a parser of the application failed');
          },
        },
      } as never),
  ],
  'nothing to run': [0, async (client) => client.query(null as never)],
  'query timeout': [1, (client) => client.query({ text: 'SELECT pg_sleep(30)', query_timeout: 50 } as never)],
};

function outcome(name: string, value: unknown, error?: unknown): void {
  const { message, code } = (error ?? {}) as { message?: string; code?: string };
  process.stdout.write(`${JSON.stringify({ name, value, message, code })}\n`);
}

const tracer = trace.getTracer('test');
const within = <T>(name: string, run: () => Promise<T>) =>
  tracer.startActiveSpan(name, async (span) => {
    try {
      return await run();
    } finally {
      span.end();
    }
  });

if (import.meta.main) {
  for (const [name, [, run]] of Object.entries(cases)) {
    const client = new pg.Client({ connectionString });
    client.on('error', () => {});
    await client.connect();
    await within(`case:${name}`, () =>
      run(client as Client).then(
        (value) => outcome(name, value),
        (error) => outcome(name, undefined, error),
      ),
    );
    void client.end();
  }

  // One connection, five callers: each statement belongs to its caller, also with callbacks.
  const narrow = new pg.Pool({ connectionString, max: 1 });
  await Promise.all(
    [1, 2, 3, 4, 5].map((n) =>
      within(`contended:${n}`, async () => {
        await narrow.query('SELECT $1::int', [n]);
        const active = trace.getSpan(context.active());
        await once((done) =>
          narrow.query('SELECT $1::text', [String(n)], (error) => {
            done(
              error ??
                (trace.getSpan(context.active()) === active ? undefined : new Error('of another caller')),
            );
          }),
        );
        const client = await narrow.connect();
        await client.query(new Cursor('SELECT 1')).read(10);
        client.release();
      }),
    ),
  );
  await narrow.end();

  const foreign = new pg.Pool({ connectionString, max: 1, Promise: Bluebird as never });
  const promised = await within('bluebird', async () => {
    const promise = foreign.query('SELECT 6 AS six');
    const six = rows(await promise);
    return [promise instanceof Bluebird, six];
  });
  outcome('bluebird', promised);
  await foreign.end();

  // A background job.
  outcome('job', rows(await pool.query('SELECT 7 AS seven')));

  const ended = new pg.Client({ connectionString });
  ended.on('error', () => {});
  await ended.connect();
  // Its error may come before the answer to who ended it.
  const failed = within('ended', () => ended.query('SELECT pg_sleep(30)')).catch((error) => error);
  await pool.query('SELECT pg_terminate_backend($1)', [processIdOf(ended)]);
  outcome('ended', undefined, await failed);
  const closed = new pg.Client({ connectionString });
  await closed.connect();
  await closed.end();
  outcome(
    'after the end',
    undefined,
    await within('after the end', () => closed.query('SELECT 8')).catch((error) => error),
  );
  await pool.end();
}
