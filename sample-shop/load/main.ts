import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { PoissonArrivals } from './arrivals.ts';
import { ShopClient } from './client.ts';
import { describeVariables, type LoadConfig, readConfig } from './config.ts';
import { type Facets, facetsSchema, Journeys } from './journeys.ts';
import { Ledger } from './ledger.ts';
import { LoadMetrics } from './metrics.ts';
import { now, OpenLoop, ScheduleLag } from './openLoop.ts';
import { PROFILE_NAMES, rateProfile } from './profiles.ts';
import { Summary } from './summary.ts';

if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
  process.stdout.write(
    `Open-loop load on the shop. Configured by the environment:\n\n${describeVariables()}\n\nGET /healthz, /metrics, /summary?seconds=60, /ledger, /profile; POST /profile {"profile":"peak"} with the bearer token.\n`,
  );
  process.exit(0);
}

const say = (text: string) => process.stderr.write(`load: ${text}\n`);

let config: LoadConfig;
let ledger: Ledger;
try {
  config = readConfig(process.env);
  ledger = new Ledger({ file: config.LOAD_LEDGER, warn: (message) => say(message) });
} catch (error) {
  say((error as Error).message);
  process.exit(2);
}

/** Ends journeys under way; aborted once the drain is over. */
const end = new AbortController();
const lag = new ScheduleLag();
const client = new ShopClient(config.LOAD_TARGET, config.LOAD_MAX_IN_FLIGHT);
const summary = new Summary(config.LOAD_WINDOW_SECONDS);
const arrivals = new PoissonArrivals(
  config.LOAD_SEED,
  rateProfile(config.LOAD_PROFILE, config.rates),
  now() / 1000,
);
let journeys: Journeys | undefined;
const loop = new OpenLoop({
  arrivals,
  maxInFlight: config.LOAD_MAX_IN_FLIGHT,
  lag,
  run: async (index, intendedMs) => {
    await journeys?.run(index, intendedMs).catch((error: Error) => say(`journey ${index}: ${error.stack}`));
  },
  refuse: () => metrics.refused(),
});
const metrics = new LoadMetrics({
  offeredRate: () => loop.offeredRate,
  lagSeconds: () => lag.seconds(),
  inFlight: () => loop.inFlight,
});

const digest = (text: string) => createHash('sha256').update(text).digest();

function isAuthorised(request: IncomingMessage): boolean {
  const given = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
  return config.SQLTRAIL_TOKEN !== undefined && timingSafeEqual(digest(given), digest(config.SQLTRAIL_TOKEN));
}

function answer(response: ServerResponse, status: number, body: unknown, type = 'application/json'): void {
  response.writeHead(status, { 'content-type': type });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}
const problem = (response: ServerResponse, status: number, detail: string) =>
  answer(response, status, { status, detail }, 'application/problem+json');

const profileRequest = z.object({ profile: z.enum(PROFILE_NAMES) });

async function changeProfile(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isAuthorised(request)) return problem(response, 401, 'This needs the bearer token SQLTRAIL_TOKEN.');
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 1_000) return problem(response, 413, 'The body is too long.');
  }
  let parsed: z.infer<typeof profileRequest>;
  try {
    parsed = profileRequest.parse(JSON.parse(text));
  } catch {
    return problem(response, 400, `Send {"profile": …} with one of ${PROFILE_NAMES.join(', ')}.`);
  }
  loop.change(rateProfile(parsed.profile, config.rates));
  say(`profile ${parsed.profile}, ${loop.offeredRate} journeys a second`);
  answer(response, 200, parsed);
}

async function control(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url?.split('?')[0];
  const { method } = request;
  if (method === 'POST' && path === '/profile') return changeProfile(request, response);
  if (method !== 'GET') return problem(response, 405, `There is no ${method} ${path}.`);
  if (path === '/healthz')
    return answer(response, 200, { status: 'ok', shop: journeys ? 'known' : 'awaited' });
  if (path === '/metrics') return metrics.serve(request, response);
  if (path === '/profile')
    return answer(response, 200, { profile: loop.profile.name, rate: loop.offeredRate });
  if (path === '/summary') {
    const asked = Number(new URLSearchParams(request.url?.split('?')[1]).get('seconds'));
    const seconds = asked > 0 ? asked : config.LOAD_WINDOW_SECONDS;
    return answer(response, 200, {
      window: config.LOAD_WINDOW_SECONDS,
      steps: summary.read(),
      all: { seconds, ...summary.readAll(seconds) },
    });
  }
  if (path === '/ledger') return answer(response, 200, ledger.read(), 'application/x-ndjson');
  problem(response, 404, `There is no ${path}.`);
}

// Whoever hangs up in the middle of a request must not end the load.
const server = createServer((request, response) => {
  control(request, response).catch((error: Error) => {
    say(`${request.method} ${request.url?.split('?')[0]}: ${error.message}`);
    if (response.headersSent) response.destroy();
    else problem(response, 500, 'The request failed; the log of the load has the cause.');
  });
});
server.on('error', (error: NodeJS.ErrnoException) => {
  const hint = error.code === 'EADDRINUSE' ? '; end what listens there or set LOAD_PORT' : '';
  say(`cannot listen on ${config.LOAD_HOST}:${config.LOAD_PORT} (${error.code})${hint}`);
  process.exit(1);
});

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) {
    end.abort();
    return;
  }
  stopping = true;
  loop.stop();
  await Promise.race([
    loop.idle(),
    sleep(config.LOAD_DRAIN_MS, undefined, { signal: end.signal }).catch(() => {}),
  ]);
  end.abort();
  await loop.idle();
  server.close();
  server.closeAllConnections();
  await client.close();
  await metrics.shutdown();
  ledger.close();
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop());

/** Asks the shop what there is to choose from, until it answers. */
async function awaitFacets(): Promise<Facets | undefined> {
  for (let attempt = 0; !stopping; attempt += 1) {
    const reply = await client.send(
      { method: 'GET', path: '/facets' },
      { intendedMs: now(), timeoutMs: config.LOAD_TIMEOUT_MS, signal: end.signal },
    );
    const facets = facetsSchema.safeParse(reply.body);
    if (facets.success) return facets.data;
    if (attempt % 10 === 0)
      say(`waiting for the shop at ${config.LOAD_TARGET} (${reply.reason || 'no facets'})`);
    await sleep(Math.min(2_000, 100 * 2 ** attempt), undefined, { signal: end.signal }).catch(() => {});
  }
  return undefined;
}

server.listen(config.LOAD_PORT, config.LOAD_HOST);
await once(server, 'listening');
const facets = await awaitFacets();
if (facets && !stopping) {
  journeys = new Journeys({
    config,
    client,
    facets,
    metrics,
    summary,
    ledger,
    lag,
    signal: end.signal,
    run: randomBytes(4).toString('hex'),
  });
  // What was due while the shop was not there is not owed to it.
  arrivals.change(arrivals.profile, now() / 1000);
  loop.start();
  say(`profile ${loop.profile.name}, ${loop.offeredRate} journeys a second on ${config.LOAD_TARGET}`);
}
