import type { ForeignDatabase, Judged } from '../database.ts';

const reference = (column: string): Judged => ({
  check: 'missing-foreign-key',
  table: '_private_jobs',
  columns: [column],
  why: 'every value is a key of the other table and nothing declares it; left out on purpose, for speed',
});

export const database: ForeignDatabase = {
  name: 'graphile-worker',
  source: 'graphile-worker 0.18.0 (npm)',
  packages: { npm: ['graphile-worker@0.18.0'] },
  steps: [{ command: 'node', args: ['queue.mjs'] }],
  truth: [reference('task_id'), reference('job_queue_id')],
};
