import { existsSync } from 'node:fs';
import { readConfig } from './load.ts';
import { type Config, configSchema } from './schema.ts';

export const CONFIG_FILE = 'sqltrail.yaml';

/** What holds without a file: one service and one database, of any name, and nothing beside them. */
export const WITHOUT_FILE: Config = configSchema.parse({
  version: 1,
  services: [{ name: 'service', metrics: ['127.0.0.1:9464'] }],
  databases: [{ name: 'database' }],
});

function load(): Config {
  const named = process.env['SQLTRAIL_CONFIG'];
  if (named) return readConfig(named);
  return existsSync(CONFIG_FILE) ? readConfig(CONFIG_FILE) : WITHOUT_FILE;
}

/** The configuration of this process: the file that `SQLTRAIL_CONFIG` names, or `sqltrail.yaml` where it was started. */
export const configInForce: Config = load();
