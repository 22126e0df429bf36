import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { erlangC } from '../diagnosis/checks/set-up/erlangC.ts';
import { adviseOnPool, MAX_WAITING, type PoolSample, serversFor } from './pool.ts';

const pool = (more: Partial<PoolSample>): PoolSample => ({
  application: 'app',
  connections: 10,
  busy: 1,
  available: 50,
  scarce: false,
  samples: 60,
  ...more,
});

describe('pool size', () => {
  it('is the least that keeps the chance of waiting below the bound', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 60, noNaN: true }), (load) => {
        const servers = serversFor(load, MAX_WAITING);
        expect(erlangC(servers, load)).toBeLessThanOrEqual(MAX_WAITING);
        if (servers > 1) expect(erlangC(servers - 1, load)).toBeGreaterThan(MAX_WAITING);
      }),
    );
  });

  it('a full pool is left, because its load is not known', () => {
    const { size, reason } = adviseOnPool(pool({ busy: 9.6 }));
    expect(size).toBeNull();
    expect(reason).toContain('load is not known');
  });

  it('one that fits is left; one that is too small is changed, one that is too large where connections are scarce', () => {
    expect(adviseOnPool(pool({ busy: 1.5 })).size).toBeNull();
    const large = { connections: 40, busy: 1.5 };
    expect(adviseOnPool(pool(large)).size).toBeNull();
    expect(adviseOnPool(pool({ ...large, scarce: true })).size).toBe(serversFor(3, MAX_WAITING));
    expect(adviseOnPool(pool({ busy: 8 })).size).toBe(serversFor(16, MAX_WAITING));
  });

  it('never takes more connections than the server has left', () => {
    const { size, reason } = adviseOnPool(pool({ busy: 8, available: 14 }));
    expect(size).toBe(14);
    expect(reason).toContain('only 14 left');
  });
});
