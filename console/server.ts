import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { observed } from '../kpis/catalogue.ts';
import { secondsOf } from '../kpis/observed.ts';
import { type Console, createConsole } from './app.ts';
import { type Environment, readEnvironment } from './environment.ts';

const say = (text: string) => process.stderr.write(`console: ${text}\n`);

/** Exit codes: 0 ended as asked, 1 cannot run here, 2 a wrong setting. */
function end(code: 1 | 2, text: string): never {
  say(text);
  process.exit(code);
}

/** Answers under way get this long, then are cut. */
const GRACE_MS = 2_000;

/** A request that does not arrive in this time is given up, so that half-open ones do not pile up. */
const LIMITS = { headersTimeout: 15_000, requestTimeout: 60_000, connectionsCheckingInterval: 5_000 };
/** A connection takes some 10 kB, whatever it is for. */
const MAX_CONNECTIONS = 4_000;

let env: Environment;
try {
  env = readEnvironment(process.env);
} catch (error) {
  end(2, (error as Error).message);
}

let served: Console;
try {
  const { diagnosis } = observed.config;
  if (diagnosis && env.directory === undefined)
    say('nothing is diagnosed on a schedule: set CONSOLE_DIR to a directory for the history of findings');
  served = await createConsole({
    ...env,
    log: say,
    ...(diagnosis
      ? {
          schedule: {
            everySeconds: secondsOf(diagnosis.every),
            budgetSeconds: secondsOf(diagnosis.budget),
          },
        }
      : {}),
  });
} catch (error) {
  end(1, `the page cannot be made: ${(error as Error).message}`);
}
const server = createServer(LIMITS, served.app);
server.maxConnections = MAX_CONNECTIONS;

server.once('error', (error: NodeJS.ErrnoException) => {
  const hint = error.code === 'EADDRINUSE' ? '; end what listens there, or set CONSOLE_PORT' : '';
  end(1, `cannot listen on ${env.host}:${env.port} (${error.code})${hint}`);
});
server.listen(env.port, env.host, () => {
  const { port } = server.address() as AddressInfo;
  say(`http://${env.host.includes(':') ? `[${env.host}]` : env.host}:${port}`);
});

const stop = () => {
  server.close();
  server.closeIdleConnections();
  served.close();
  setTimeout(() => server.closeAllConnections(), GRACE_MS).unref();
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
