/** A process that migrates the shop of DATABASE_URL and kills itself at its nth progress event (tests of resuming). */
import { runMigration } from '../../migrate/engine.ts';
import type { Phase } from '../../migrate/mapping.ts';
import { sessionTimeZone, shopMapping } from '../../sample-shop/migration/mapping.ts';

const [until = 'reverse-sync', events = '4'] = process.argv.slice(2);
const url = process.env['DATABASE_URL'] ?? '';
let seen = 0;
for await (const { phase, step, event } of runMigration({
  url,
  mapping: await shopMapping({ timeZone: await sessionTimeZone(url) }),
  until: until as Phase,
  yes: until === 'contract',
  switchStore: async () => {},
  previousStore: 'legacy',
  dutyCycle: 1,
  observeMs: 0,
  batchMs: 150,
})) {
  seen += 1;
  process.stdout.write(`${phase} ${step ?? ''} ${event}\n`);
  if (seen >= Number(events)) process.kill(process.pid, 'SIGKILL');
}
