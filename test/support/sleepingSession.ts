/** A process whose session runs a statement for ten minutes (tests of what is left of it when the process is killed). */
import { openDirect } from '../../lib/pg/connect.ts';

const client = await openDirect({
  url: process.env['DATABASE_URL'] ?? '',
  applicationName: 'sqltrail-killed',
  what: 'The test',
});
process.stdout.write('connected\n');
await client.query('SELECT pg_sleep(600)');
