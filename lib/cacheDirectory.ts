import { homedir } from 'node:os';
import path from 'node:path';

/** `SQLTRAIL_CACHE_DIR`, or `~/.cache/sqltrail`; shared by all checkouts. */
export const cacheDirectory = () =>
  path.resolve(
    process.env['SQLTRAIL_CACHE_DIR'] ||
      path.join(process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache'), 'sqltrail'),
  );
