import { createServer } from 'node:net';
import { z } from 'zod';
import { ConfigurationError, errorCode } from '../lib/errors.ts';
import { portHolder } from './processes.ts';

/** Default ports, all on 127.0.0.1 (docs/architecture.md). */
export const defaultPorts = {
  postgres: 55432,
  shop: 3000,
  shop_metrics: 9464,
  load: 9465,
  collector: 4318,
  collector_health: 13133,
  collector_metrics: 8888,
  prometheus: 9090,
  alertmanager: 9093,
  postgres_exporter: 9187,
  console: 8088,
};
export type PortName = keyof typeof defaultPorts;
export type Ports = Record<PortName, number>;

/** The variable that overrides a port: `SQLTRAIL_PORT_SHOP_METRICS` for `shop_metrics`. */
export const portVariable = (name: PortName) => `SQLTRAIL_PORT_${name.toUpperCase()}`;

const portNumber = z.coerce.number().int().min(1).max(65_535);

/**
 * The ports to use: defaults, then `SQLTRAIL_PORT_*`, then `overrides`.
 * @throws ConfigurationError for a value that is no port, or for one port given to two parts.
 */
export function resolvePorts(env: NodeJS.ProcessEnv = process.env, overrides: Partial<Ports> = {}): Ports {
  const names = Object.keys(defaultPorts) as PortName[];
  const ports = { ...defaultPorts };
  for (const name of names) {
    const text = env[portVariable(name)];
    if (text === undefined || text === '') continue;
    const parsed = portNumber.safeParse(text);
    if (!parsed.success)
      throw new ConfigurationError(
        `${portVariable(name)}=${text} is not a TCP port: give a number from 1 to 65535, for example ${portVariable(name)}=${defaultPorts[name]}.`,
      );
    ports[name] = parsed.data;
  }
  Object.assign(ports, overrides);
  assertDistinct(needsOf(ports, names));
  return ports;
}

function tryListen(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(errorCode(error) ?? error.message));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)));
  });
}

/** A port that a part listens on. */
export interface PortNeed {
  port: number;
  part: string;
  /** What moves it. */
  variable: string;
}

/** @throws ConfigurationError for one port that two parts need */
export function assertDistinct(needs: readonly PortNeed[]): void {
  for (const [index, { port, part, variable }] of needs.entries()) {
    const other = needs.slice(0, index).find((earlier) => earlier.port === port);
    if (other)
      throw new ConfigurationError(
        `Port ${port} is configured for both ${other.part} and ${part}: change ${other.variable} or ${variable}.`,
      );
  }
}

export const needsOf = (ports: Ports, names: readonly PortName[]): PortNeed[] =>
  names.map((name) => ({ port: ports[name], part: name, variable: portVariable(name) }));

/**
 * Makes sure that every named port can be bound on 127.0.0.1, before anything is started.
 * @throws ConfigurationError with one line a port: the part, the port, who holds it, the variable to set.
 */
export async function assertPortsFree(needs: readonly PortNeed[]): Promise<void> {
  const faults: string[] = [];
  for (const { port, part, variable } of needs) {
    const fault = await tryListen(port);
    if (fault === undefined) continue;
    const holder = fault === 'EADDRINUSE' ? await portHolder(port) : undefined;
    const cause =
      fault === 'EADDRINUSE'
        ? `is taken${holder ? ` by ${holder}` : ''}: end that, or`
        : `cannot be used (${fault}):`;
    faults.push(`Port ${port} for ${part} ${cause} set ${variable} to a free port and run again.`);
  }
  if (faults.length > 0) throw new ConfigurationError(faults.join('\n'));
}
