/** Archives by a policy file, and is killed before the nth statement that changes something (tests of resuming). */
import pg from 'pg';
import { runPolicy } from '../../archive/partitions.ts';
import { readPolicy } from '../../archive/policy.ts';

const [url, directory, policy, at] = process.argv.slice(2) as [string, string, string, string];
let changes = 0;
const { query } = pg.Client.prototype;
pg.Client.prototype.query = function (this: pg.Client, ...given: unknown[]) {
  const [sql] = given;
  if (
    typeof sql === 'string' &&
    /^\s*(ALTER|DROP|COMMIT|INSERT INTO sqltrail|UPDATE sqltrail|DELETE FROM sqltrail)/.test(sql)
  ) {
    changes += 1;
    if (changes === Number(at)) {
      process.stdout.write(sql.slice(0, 80));
      process.kill(process.pid, 'SIGKILL');
    }
  }
  return Reflect.apply(query, this, given);
} as typeof query;
await runPolicy({ url, directory, policy: await readPolicy(policy), dutyCycle: 1 });
