import { afterEach, expect, it, vi } from 'vitest';
import { ensureBinaries } from './binaries.ts';

afterEach(() => vi.unstubAllEnvs());

it('names the cache that cannot be written and the variable to set', async () => {
  vi.stubEnv('SQLTRAIL_CACHE_DIR', '/dev/null/cache');
  await expect(ensureBinaries(['prometheus'])).rejects.toThrow(
    /cache \/dev\/null\/cache \(ENOTDIR\).*SQLTRAIL_CACHE_DIR/,
  );
});
