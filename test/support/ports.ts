import { freePort } from '../../lib/freePort.ts';
import { defaultPorts, type PortName } from '../../stack/ports.ts';

/** A free port for each part, so that a test's stack meets no other. */
export async function freePorts(): Promise<Partial<Record<PortName, number>>> {
  const ports: Partial<Record<PortName, number>> = {};
  for (const name of Object.keys(defaultPorts) as PortName[]) {
    let port = await freePort();
    while (Object.values(ports).includes(port)) port = await freePort();
    ports[name] = port;
  }
  return ports;
}
