import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below the ports that a system gives to outgoing connections and to whoever listens on port 0: from 32768 on Linux
 * (ip_local_port_range), 49152 elsewhere (RFC 6335). One of those can be taken in the second before it is used.
 */
const [FIRST, LAST] = [20_000, 32_767];
const TRIED = 100;

const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

/** A TCP port on 127.0.0.1 that was free a moment ago, and that no system gives away by itself. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < TRIED; tried += 1) {
    const port = randomInt(FIRST, LAST + 1);
    if (await isFree(port)) return port;
  }
  throw new Error(`Of ${TRIED} ports from ${FIRST} to ${LAST} none is free on 127.0.0.1.`);
}
