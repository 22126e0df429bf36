import { watch } from 'node:fs';
import { runArchive } from '../../remediation/archive/archive.ts';
import { readPolicy } from '../../remediation/archive/policy.ts';

/** Archives, and is killed at a given event: `CSV` is the first file that appears. */
const [url, directory, at] = process.argv.slice(2) as [string, string, string];
const die = () => process.kill(process.pid, 'SIGKILL');
if (at === 'CSV') watch(directory, die);
await runArchive({
  url,
  directory,
  policy: await readPolicy('sample-shop/archive.yaml'),
  segmentUnits: 400,
  dutyCycle: 1,
  onProgress: ({ event }) => {
    if (event === at) die();
  },
});
