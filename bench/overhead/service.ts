import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { type PostgresServer, startPostgresIn } from '../../stack/postgres.ts';
import { onDatabase } from '../onDatabase.ts';
import { packInstrumentation } from '../packInstrumentation.ts';
import { spanIds } from './spans.ts';

/** Where the packages, the service and its database are. */
export const DIR = process.env['OVERHEAD_DIR'] ?? path.join(os.tmpdir(), 'sqltrail-bench-overhead');
export const say = (text: string) =>
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

/** Packages as a user has them, with @sqltrail/instrumentation from its tarball, and the small service, in {@link DIR}. */
export async function install(): Promise<void> {
  await mkdir(DIR, { recursive: true });
  await chmod(DIR, 0o755);
  for (const file of ['package.json', 'package-lock.json', 'server.cjs', 'lean.cjs'])
    await cp(path.join(import.meta.dirname, file), path.join(DIR, file));
  const npm = (args: string[], cwd: string) => promisify(execFile)('npm', args, { cwd, maxBuffer: 2 ** 26 });
  say('Installing the packages …');
  await npm(['ci'], DIR);
  await npm(['install', '--no-save', await packInstrumentation(DIR, npm)], DIR);
}

/** The Postgres of the service, with the table that it reads; stays in {@link DIR}. */
export async function startDatabase(): Promise<PostgresServer> {
  const server = await startPostgresIn(DIR, {
    password: 'bench-only',
    settings: { shared_buffers: '64MB' },
  });
  try {
    await onDatabase(server.url(), (client) =>
      client.query(`CREATE TABLE IF NOT EXISTS item (id int PRIMARY KEY, name text, price numeric);
        INSERT INTO item SELECT i, 'item ' || i, i FROM generate_series(1, 1000) AS i ON CONFLICT DO NOTHING; ANALYZE item`),
    );
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** Takes spans over OTLP/HTTP and counts them, each once: what was sent again after a timeout arrives twice. */
export async function startReceiver() {
  const spans = new Set<string>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    for (const id of spanIds(Buffer.concat(chunks))) spans.add(id);
    response.setHeader('content-type', 'application/x-protobuf').end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Spans received so far. */
    spans: () => spans.size,
    close: () => server.close(),
  };
}
