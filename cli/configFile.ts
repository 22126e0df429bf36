import { existsSync } from 'node:fs';
import { CONFIG_FILE } from '../config/inForce.ts';

/** `sqltrail.yaml` where the command is started, unless something else is named. */
export const configFile = (given?: string): string =>
  given ?? (existsSync(CONFIG_FILE) ? CONFIG_FILE : (process.env['SQLTRAIL_CONFIG'] ?? CONFIG_FILE));
