import path from 'node:path';

/**
 * Imported before anything else: this process observes the sample shop, unless `SQLTRAIL_CONFIG` names something else.
 * The configuration is read when the catalogue is loaded, so it has to be named before.
 */
process.env['SQLTRAIL_CONFIG'] ??= path.join(import.meta.dirname, 'sqltrail.yaml');
