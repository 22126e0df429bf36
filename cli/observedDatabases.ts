import { whereIs } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { ConfigurationError } from '../lib/errors.ts';
import { isDatabaseUrl } from '../lib/pg/connect.ts';

export interface ConfiguredDatabase {
  name: string;
  url: string;
  /** The environment variable that the address is from. */
  variable: string;
}

/**
 * The databases of a configuration with their addresses.
 *
 * @throws ConfigurationError naming the variable, and where the file asks for it
 */
export function configuredDatabases(config: Config): [ConfiguredDatabase, ...ConfiguredDatabase[]] {
  const [first, ...others] = config.databases.map(({ name, url_env }, index): ConfiguredDatabase => {
    const url = process.env[url_env];
    if (!url || !isDatabaseUrl(url))
      throw new ConfigurationError(
        `${whereIs(config, ['databases', index])}: ${url_env} does not hold the address of ${name}. Example: export ${url_env}=postgres://sqltrail_monitor:…@127.0.0.1:5432/${name}`,
      );
    return { name, url, variable: url_env };
  });
  if (!first) throw new Error('a configuration has a database');
  return [first, ...others];
}
