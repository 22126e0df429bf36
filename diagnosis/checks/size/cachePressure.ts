import { bytesText } from '../../../lib/units/format.ts';
import type { Check, CheckContext } from '../../check.ts';

/** As peers do. */
const CACHE_OBJECTIVE = 0.99;

/** Fewer are no workload, but what began one. */
const MIN_BLOCKS = 20_000;

/**
 * Blocks that the statements of the workload asked for. The counters of the database hold whatever went on since they
 * began: the load of the data, backups, builds of indexes; they count only where no statement is known.
 */
async function blocksOf({ session, statements }: CheckContext) {
  const asked = statements.filter(({ text }) => /^\s*(select|with|update|delete)\b/i.test(text));
  if (statements.length > 0)
    return {
      hit: asked.reduce((sum, { sharedBlocksHit }) => sum + sharedBlocksHit, 0),
      read: asked.reduce((sum, { sharedBlocksRead }) => sum + sharedBlocksRead, 0),
      how: 'SELECT sum(shared_blks_hit), sum(shared_blks_read) FROM pg_stat_statements',
    };
  const [row] = await session.query<{ hit: number; read: number }>(
    'SELECT blks_hit::float8 AS hit, blks_read::float8 AS read FROM pg_stat_database WHERE datname = current_database()',
  );
  return {
    hit: row?.hit ?? 0,
    read: row?.read ?? 0,
    how: 'SELECT blks_hit, blks_read FROM pg_stat_database',
  };
}

export const check: Check = {
  id: 'cache-pressure',
  group: 'size',
  title: 'Data that memory cannot hold',
  description: 'Share of blocks found in shared_buffers, beside the size of the tables that are read.',
  async *run(context) {
    const { hit, read, how } = await blocksOf(context);
    const blocks = hit + read;
    if (blocks < MIN_BLOCKS) return;
    const ratio = hit / blocks;
    const buffers = Number(context.settings.get('shared_buffers')?.value ?? 0) * 8192;
    const total = context.tables.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
    if (ratio >= CACHE_OBJECTIVE || total < buffers) return;
    yield {
      id: 'cache-pressure',
      check: 'cache-pressure',
      severity: 'warning',
      title: `${(100 * (1 - ratio)).toFixed(1)} % of the blocks do not come from the server’s own memory`,
      explanation: `The tables have ${bytesText(total)}, shared_buffers ${bytesText(buffers)}. Scans of large tables push out what the hot statements need.`,
      cause: 'cold-data',
      objects: [],
      statements: [],
      evidence: [
        {
          label: 'cache hit ratio',
          value: Math.round(ratio * 10_000) / 10_000,
          unit: '1',
          how,
        },
      ],
      cost: {},
      confidence: { level: 0.8, basis: 'statistics', note: 'the operating system’s cache is not counted' },
      explains: { kpis: ['cache-hit-ratio', 'database-size'], traces: [] },
    };
  },
};
