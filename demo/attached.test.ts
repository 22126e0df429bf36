import { describe, expect, it } from 'vitest';
import { attachedDatabases, attachedTargets } from './attached.ts';

const all = {
  PROMETHEUS_URL: 'http://prometheus:9090',
  ALERTMANAGER_URL: 'http://alertmanager:9093',
  CONSOLE_URL: 'http://console:8088',
  SHOP_URL: 'http://shop:3000',
  LOAD_URL: 'http://load:9465',
  SQLTRAIL_TOKEN: 'a-token-of-the-test',
};

describe('attachedTargets', () => {
  it('takes a running stack from the environment, whole or not at all', () => {
    expect(attachedTargets(all)).toMatchObject({ shop: all.SHOP_URL, token: all.SQLTRAIL_TOKEN });
    expect(attachedTargets({})).toBeUndefined();
    expect(attachedTargets({ ...all, CONSOLE_PUBLIC_URL: 'http://127.0.0.1:8088' })).toMatchObject({
      console: all.CONSOLE_URL,
      consolePage: 'http://127.0.0.1:8088',
    });
    expect(() => attachedTargets({ ...all, CONSOLE_URL: '' })).toThrow(/also set CONSOLE_URL/);
  });
});

describe('attachedDatabases', () => {
  const urls = {
    OWNER_DATABASE_URL: 'postgres://shop_owner@postgres:5432/shop',
    MONITOR_DATABASE_URL: 'postgres://sqltrail_monitor@postgres:5432/shop',
  };

  it('puts each role’s password into its URL, escaped', () => {
    expect(
      attachedDatabases({ ...urls, SHOP_OWNER_PASSWORD: 'a/b@c', SQLTRAIL_MONITOR_PASSWORD: 'd' }),
    ).toEqual({
      owner: 'postgres://shop_owner:a%2Fb%40c@postgres:5432/shop',
      monitor: 'postgres://sqltrail_monitor:d@postgres:5432/shop',
    });
  });

  it('leaves a password that the URL has, and needs both roles', () => {
    const owner = 'postgres://shop_owner:own@postgres:5432/shop';
    expect(
      attachedDatabases({ ...urls, OWNER_DATABASE_URL: owner, SHOP_OWNER_PASSWORD: 'other' })?.owner,
    ).toBe(owner);
    expect(attachedDatabases({ ...urls, MONITOR_DATABASE_URL: '' })).toBeUndefined();
    expect(() => attachedDatabases({ ...urls, OWNER_DATABASE_URL: 'shop' })).toThrow(/OWNER_DATABASE_URL/);
  });
});
