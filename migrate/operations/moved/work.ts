import { OperationError } from '../../../lib/pg/errors.ts';
import { quote as id } from '../../../lib/pg/quote.ts';
import { inBatches } from '../../batches.ts';
import type { Phase } from '../../mapping.ts';
import type { Progress, Running } from '../../migration.ts';
import { copyBlocks } from '../copy.ts';
import type { DeclaredStep } from '../declared.ts';
import { unused } from './columnUse.ts';
import type { MovedMigration } from './declared.ts';

type Work = (
  run: Running,
  at: { phase: Phase; step: string },
  declared: MovedMigration,
) => AsyncGenerator<Progress>;

const copy: Work = (run, at, { name, table, moved }) =>
  copyBlocks(run, at, {
    name,
    from: id(table.schema, table.name),
    searchPath: moved.searchPath,
    sql: moved.copy,
  });

/** What was noted until it begins: what changes all the time is never all done. */
async function* drain(...[run, at, { moved }]: Parameters<Work>): AsyncGenerator<Progress> {
  const { drain: noted } = moved;
  if (!noted) throw new OperationError(`The plan does not say how ${at.step} are carried over.`);
  const { rows: latest } = await run.client.query<{ last: string }>(noted.last);
  let keys = 0;
  yield* inBatches(run, at, {
    size: 100,
    maxSize: run.options.maxBatch,
    next: async (size) => {
      await run.client.query(`SET LOCAL search_path = ${moved.searchPath}`);
      const { rows } = await run.client.query<{ units: number }>(noted.batch, [size, latest[0]?.last]);
      const units = rows[0]?.units ?? 0;
      keys += units;
      return units === 0 ? undefined : { units: keys };
    },
  });
}

export const movedWork: Record<Exclude<NonNullable<DeclaredStep['work']>, 'compare'>, Work> = {
  copy,
  drain,
  unused,
};
