import { once } from 'node:events';
import { createServer } from 'node:http';
import { createConsole } from './app.ts';
import { type Environment, readEnvironment } from './environment.ts';

const say = (text: string) => process.stderr.write(`console: ${text}\n`);

let env: Environment;
try {
  env = readEnvironment(process.env);
} catch (error) {
  say((error as Error).message);
  process.exit(2);
}
const server = createServer(await createConsole({ ...env, log: say }));
server.on('error', (error: NodeJS.ErrnoException) => {
  const hint = error.code === 'EADDRINUSE' ? '; end what listens there or set CONSOLE_PORT' : '';
  say(`cannot listen on ${env.host}:${env.port} (${error.code})${hint}`);
  process.exit(1);
});
server.listen(env.port, env.host);
await once(server, 'listening');
say(`http://${env.host}:${env.port}`);
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    server.close();
    server.closeAllConnections();
  });
