import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { ConfigurationError } from '../lib/errors.ts';
import { assertPortsFree, defaultPorts, needsOf, resolvePorts } from './ports.ts';

it('takes a port from the environment, and names the variable whose value is none', () => {
  expect(resolvePorts({ SQLTRAIL_PORT_SHOP: '3100' }).shop).toBe(3100);
  for (const value of ['eighty', '0', '70000'])
    expect(() => resolvePorts({ SQLTRAIL_PORT_SHOP: value })).toThrow(
      `SQLTRAIL_PORT_SHOP=${value} is not a TCP port`,
    );
});

it('names both parts that were given one port', () => {
  expect(() => resolvePorts({ SQLTRAIL_PORT_SHOP: '9090' })).toThrow(
    /9090 is configured for both shop and prometheus.*SQLTRAIL_PORT_SHOP/,
  );
});

it('says who holds a port that is taken, and which variable to set', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const taken = assertPortsFree(needsOf({ ...defaultPorts, shop: port }, ['shop']));
  await expect(taken).rejects.toThrow(ConfigurationError);
  await expect(taken).rejects.toThrow(
    new RegExp(
      `Port ${port} for shop is taken.*${process.platform === 'linux' ? `pid ${process.pid}` : ''}.*SQLTRAIL_PORT_SHOP`,
    ),
  );
  holder.close();
});
