import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { OperationError } from '../lib/pg/errors.ts';
import { inBatches } from './batches.ts';
import type { DerivedTable, Mapping, Phase, TableMapping } from './mapping.ts';
import type { Progress, Running } from './migration.ts';
import { ATTEMPTS, GATE_EVERY_MS, MigrationPaused } from './run.ts';
import { advanceCursor, finishCursor, readState } from './state.ts';

const id = pg.escapeIdentifier;

export async function* partitions(
  run: Running,
  { partitions }: Mapping,
  phase: Phase,
  step: string,
): AsyncGenerator<Progress> {
  if (!partitions) return;
  const { rows } = await run.client.query<{ moment: string }>(
    `SELECT moment::text AS moment FROM (${partitions.moments}) AS m`,
  );
  for (const { moment } of rows)
    yield* run.transaction(phase, step, partitions.make.replaceAll('$1', pg.escapeLiteral(moment)));
}

/** Keyset batches up to a bound that is fixed when it begins; what comes later, the triggers bring. */
export async function* backfill(
  run: Running,
  mapping: Mapping,
  table: TableMapping,
  phase: Phase,
): AsyncGenerator<Progress> {
  const { client } = run;
  const name = table.table;
  const legacy = `${id(mapping.legacySchema)}.${id(name)}`;
  const key = id(table.key);
  await client.query(
    `INSERT INTO sqltrail.migration_cursor (migration, legacy_table, reached, upper)
     SELECT ${pg.escapeLiteral(mapping.name)}, ${pg.escapeLiteral(name)}, ${
       table.addKey
         ? `0, pg_relation_size(${pg.escapeLiteral(legacy)}::regclass) / current_setting('block_size')::int`
         : `coalesce(min(${key}), 1) - 1, coalesce(max(${key}), 0) FROM ${legacy}`
     }
     ON CONFLICT (migration, legacy_table) DO NOTHING`,
  );
  const state = await readState(client, mapping.name);
  const cursor = state?.cursors.find((each) => each.table === name);
  if (!cursor) throw new Error(`the cursor of ${name} has gone`);
  let { reached, upper, units } = cursor;
  let done: { reached: string; units: number } | undefined;
  let analyseAt = 1_000;
  const batches = inBatches(
    run,
    { phase, step: name },
    {
      // Blocks of 8 kB, or units.
      size: table.addKey ? 8 : 200,
      maxSize: run.options.maxBatch,
      next: async (size) => {
        done = undefined;
        if (BigInt(reached) >= BigInt(upper)) return undefined;
        done = await batch(client, mapping, table, { reached, upper, size });
        return { reached: done.reached, upper, units: units + done.units };
      },
    },
  );
  for await (const progress of batches) {
    if (progress.event === 'batch' && done) {
      reached = done.reached;
      units += done.units;
      if (units >= analyseAt) {
        // Whoever writes to the legacy tables has plans of his own, made when the new ones were small.
        await client.query(`ANALYZE ${table.present.table}`);
        while (analyseAt <= units) analyseAt *= 8;
      }
    }
    yield progress;
  }
  await finishCursor(client, { migration: mapping.name, table: name });
}

async function batch(
  client: pg.ClientBase,
  mapping: Mapping,
  table: TableMapping,
  { reached, upper, size }: { reached: string; upper: string; size: number },
) {
  const started = performance.now();
  const key = id(table.key);
  const legacy = `${id(mapping.legacySchema)}.${id(table.table)}`;
  let units: number;
  let next: string;
  if (table.addKey) {
    // The row gets its key, and the trigger of the dual write puts what has a key into the new model. A row that
    // has a key but is not there yet has it from a migration that was rolled back.
    const end = BigInt(reached) + BigInt(size);
    next = String(end < BigInt(upper) ? end : BigInt(upper));
    const { rowCount } = await client.query(
      `UPDATE ${legacy} AS l SET ${key} = coalesce(${key}, nextval($1)) WHERE ctid >= $2::tid AND ctid < $3::tid
          AND (${key} IS NULL OR NOT EXISTS (SELECT FROM ${table.present.table} AS t WHERE t.${id(table.present.column)} = l.${key}))`,
      [table.addKey.sequence, `(${reached},0)`, `(${next},0)`],
    );
    units = rowCount ?? 0;
  } else {
    const { rows } = await client.query<{ keys: string[]; last: string | null }>(
      `SELECT coalesce(array_agg(key ORDER BY key), '{}')::text[] AS keys, max(key)::text AS last
         FROM (SELECT ${table.unit === 'group' ? 'DISTINCT ' : ''}${key} AS key FROM ${legacy}
                WHERE ${key} > $1 AND ${key} <= $2 ORDER BY 1 LIMIT $3) AS batch`,
      [reached, upper, size],
    );
    const keys = rows[0]?.keys ?? [];
    await client.query(
      `SELECT ${id(mapping.syncSchema)}.${id(`apply_${table.table}`)}($1::bigint[], true, false)`,
      [keys],
    );
    units = keys.length;
    next = keys.length < size ? upper : (rows[0]?.last ?? upper);
  }
  await advanceCursor(
    client,
    { migration: mapping.name, table: table.table },
    { reached: next, units, tookMs: performance.now() - started },
  );
  return { reached: next, units };
}

/**
 * In short transactions, each of so many parts as take as long as a batch; what is made already is left. Parts that
 * somebody was changing are missing still, and are tried again.
 *
 * @throws OperationError naming the oldest transaction, when some are missing after all attempts
 */
export async function* derive(run: Running, derived: DerivedTable, phase: Phase): AsyncGenerator<Progress> {
  const step = derived.table;
  const missing = async () => {
    const sql = `SELECT part::text AS part FROM (${derived.missing}) AS m`;
    return (await run.client.query<{ part: string }>(sql)).rows.map(({ part }) => part);
  };
  let parts = await missing();
  for (let attempt = 1; ; attempt += 1) {
    yield* deriveParts(run, derived, phase, parts);
    const left = new Set(await missing());
    parts = parts.filter((part) => left.has(part));
    if (parts.length === 0) return;
    if (attempt === ATTEMPTS) throw await held(run, phase, step, parts);
    yield { phase, step, event: 'retry', detail: { attempt, missing: parts.length } };
    await sleep(100 + Math.random() * Math.min(1_500, 150 * attempt));
  }
}

async function* deriveParts(
  run: Running,
  { table: step, make, most }: DerivedTable,
  phase: Phase,
  parts: string[],
) {
  for (let from = 0, size = 1; from < parts.length; ) {
    yield* run.gate(phase, step, GATE_EVERY_MS);
    const batch = parts.slice(from, from + size).map((part) => pg.escapeLiteral(part));
    const started = performance.now();
    yield* run.transaction(
      phase,
      step,
      make.replaceAll('$1', batch[0] as string).replaceAll('$2', batch.at(-1) as string),
    );
    const tookMs = performance.now() - started;
    from += batch.length;
    const detail = { units: from, of: parts.length, tookMs, duty: run.throttle.duty };
    yield { phase, step, event: 'batch', detail } as Progress;
    size = Math.max(
      1,
      Math.min(most, run.options.maxBatch, size * 2, Math.round((size * run.options.batchMs) / tookMs)),
    );
    const restMs = run.throttle.restMs(tookMs);
    if (restMs >= 1) await sleep(restMs);
  }
}

async function held(run: Running, phase: Phase, step: string, left: string[]): Promise<OperationError> {
  const { rows } = await run.client.query<{ pid: number; name: string; since: string }>(
    `SELECT pid, application_name AS name, xact_start::text AS since FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1`,
  );
  const [oldest] = rows;
  return new OperationError(
    `${phase}, ${step}: ${left.length} parts could not be copied within ${ATTEMPTS} attempts, ${left[0]} to ${left.at(-1)}. ` +
      'Something changes their rows all the time; ' +
      (oldest
        ? `the oldest open transaction is that of process ${oldest.pid} (${oldest.name}), since ${oldest.since}. `
        : 'no transaction is open now. ') +
      'Let it end, then run it again.',
  );
}

/** Notes contradictions once more for all units: since they were carried over, masters may have changed. */
export async function* sweep(
  run: Running,
  mapping: Mapping,
  phase: Phase,
  step: string,
): AsyncGenerator<Progress> {
  for (const { table, key } of mapping.tables) {
    const legacy = `${id(mapping.legacySchema)}.${id(table)}`;
    let from = '-9223372036854775808';
    for (;;) {
      yield* run.gate(phase, step, GATE_EVERY_MS);
      const { rows } = await run.client.query<{ keys: string[]; last: string | null }>(
        `SELECT array_agg(key)::text[] AS keys, max(key)::text AS last
           FROM (SELECT DISTINCT ${id(key)} AS key FROM ${legacy} WHERE ${id(key)} > $1::bigint ORDER BY 1 LIMIT 2000) AS chunk`,
        [from],
      );
      const last = rows[0]?.last;
      if (!last) break;
      await run.client.query(
        `SELECT ${id(mapping.syncSchema)}.${id(`record_${table}`)}($1::bigint[], NULL)`,
        [rows[0]?.keys],
      );
      from = last;
    }
  }
}

/** Switches, watches the KPIs, and switches back when they are bad. */
export async function* cutover(
  run: Running,
  phase: Phase,
  step: string,
  { store, back }: { store: string; back: string },
): AsyncGenerator<Progress> {
  await run.switch(store);
  const { mayContinue, observeMs } = run.options;
  const until = Date.now() + observeMs;
  while (mayContinue && Date.now() < until) {
    const verdict = await mayContinue(phase);
    if (!verdict.ok) {
      await run.switch(back);
      await run.note({ phase, step, event: 'switched back', detail: verdict });
      throw new MigrationPaused(
        `With the store ${store} the shop suffered (${verdict.reason}); it uses ${back} again, and both models are in step.`,
      );
    }
    yield { phase, step, event: 'compared', detail: { watchedFor: until - Date.now() } };
    await sleep(Math.min(GATE_EVERY_MS, Math.max(0, until - Date.now())));
  }
}
