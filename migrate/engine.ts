import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { DirectConnectionNeeded, describeTarget, openDirect, openReadOnly } from '../lib/pg/connect.ts';
import { isTransient, OperationError } from '../lib/pg/errors.ts';
import type { Settings } from '../lib/pg/transaction.ts';
import {
  type DerivedTable,
  type Mapping,
  type Phase,
  phaseIndex,
  phases,
  type Reached,
  type TableMapping,
} from './mapping.ts';
import {
  type Cursor,
  type DoneStep,
  journal,
  type MigrationState,
  markDone,
  markUndone,
  readState,
  stateSql,
  type Undo,
} from './state.ts';
import { type Facts, isHarmless, readFacts, type Step, stepsOf } from './steps.ts';
import { Throttle } from './throttle.ts';
import { COMPARING, differences, type Verification, verify } from './verify.ts';

const id = pg.escapeIdentifier;

export type Verdict =
  | {
      ok: true;
      /** The shop's p95 over what it was before the migration, where it is read: the backfill is throttled by it. */
      strain?: number;
    }
  | { ok: false; reason: string };

export interface MigrationOptions {
  /** URL of the owner of the legacy tables, or of a superuser; never printed. */
  url: string;
  mapping: Mapping;
  /** Exchanges the application's store by name; needed from `cutover-reads` on. */
  switchStore?: (store: string) => Promise<void>;
  /** The store that is in use before the migration; needed at its first run. */
  previousStore?: string;
  /**
   * Asked before each phase and step and at least once a second during backfill and verification, and while a new
   * store is being watched: may the migration go on, or does the shop suffer?
   */
  mayContinue?: (phase: Phase) => Promise<Verdict>;
  /** How long the migration waits for the shop to be well again before it stops, milliseconds. */
  maxPauseMs?: number;
  /** After a switch the KPIs are watched this long; when they are bad, it is switched back. Milliseconds. */
  observeMs?: number;
  /** How long requests may be under way with the store of before, milliseconds. */
  drainMs?: number;
  /** A batch of the backfill is sized to take this long, milliseconds. */
  batchMs?: number;
  /** No batch is larger, units. */
  maxBatch?: number;
  /** Share of time in which the backfill works at the most (0 to 1); the rest is left to the shop. */
  dutyCycle?: number;
  /** It works no less than this share, so that it comes to its end while the shop is slow for other reasons. */
  leastDuty?: number;
  /** Go on although rows were set aside that the new model cannot hold. */
  acceptSetAside?: boolean;
  signal?: AbortSignal;
}

export interface Progress {
  phase: Phase;
  step?: string;
  event:
    | 'begun'
    | 'done'
    | 'batch'
    | 'compared'
    | 'retry'
    | 'paused'
    | 'resumed'
    | 'undoing'
    | 'undone'
    | 'phase done'
    | 'phase undone';
  detail?: Record<string, unknown>;
}

/** The KPIs said no for too long; the next run goes on from here. */
export class MigrationPaused extends OperationError {
  override readonly name = 'MigrationPaused';
}

const LOCK_TIMEOUT_MS = 500;
const ATTEMPTS = 40;
/** Below deadlock_timeout (1 s), so that in a circle of waiting it is the batch that gives way, never the shop. */
const BATCH_LOCK_TIMEOUT_MS = 300;
const GATE_EVERY_MS = 1_000;
const defaults = {
  maxPauseMs: 600_000,
  observeMs: 30_000,
  drainMs: 8_000,
  batchMs: 200,
  maxBatch: 10_000,
  dutyCycle: 0.5,
  leastDuty: 0.05,
};

export const hashOf = (mapping: Mapping): string =>
  createHash('sha256').update(JSON.stringify(mapping)).digest('hex').slice(0, 16);

const APPLICATION_NAME = 'sqltrail-migrate';
/** The settings of each session of the engine. */
const SETTINGS = { jit: 'off', idle_in_transaction_session_timeout: '60000' };

/**
 * A session that may change things. One run at a time: the lock goes with the connection.
 *
 * @throws OperationError when another run holds it, the role may not, or a pooler is in between
 */
async function openSession(url: string, mapping: Mapping): Promise<pg.Client> {
  const client = await openDirect({ url, applicationName: APPLICATION_NAME, what: 'The migration' }).catch(
    (error) => {
      if (error instanceof DirectConnectionNeeded)
        throw new OperationError(`${describeTarget(url)}: ${error.message}`, { cause: error });
      throw error;
    },
  );
  try {
    await client.query('SELECT set_config(name, value, false) FROM json_each_text($1) AS s (name, value)', [
      SETTINGS,
    ]);
    const { rows: owners } = await client.query<{ owner: string; is: boolean; may: boolean }>(
      `SELECT r.rolname AS owner, r.rolname = current_user AS is, pg_has_role(current_user, r.oid, 'MEMBER') AS may
         FROM pg_tables AS t JOIN pg_roles AS r ON r.rolname = t.tableowner
        WHERE t.schemaname = ANY ($1) AND t.tablename = ANY ($2) LIMIT 1`,
      [[mapping.legacySchema, mapping.targetSchema], [...mapping.tables.map(({ table }) => table)]],
    );
    const [owner] = owners;
    if (owner && !owner.is && !owner.may)
      throw new OperationError(
        `The tables belong to ${owner.owner}; the migration has to run as that role or as a superuser.`,
      );
    await client.query(stateSql);
    if (owner && !owner.is) {
      // Everything is made in the name of the owner, so that its triggers run with the owner's rights and no more.
      await client.query(
        `GRANT USAGE ON SCHEMA sqltrail TO ${id(owner.owner)};
           GRANT SELECT, INSERT, UPDATE, DELETE ON sqltrail.migration, sqltrail.migration_step, sqltrail.migration_cursor,
             sqltrail.migration_resolution, sqltrail.migration_journal TO ${id(owner.owner)};
           SET ROLE ${id(owner.owner)}`,
      );
    }
    const deadline = Date.now() + 15_000;
    for (;;) {
      const { rows } = await client.query(
        "SELECT pg_try_advisory_lock(hashtextextended('sqltrail migration ' || $1, 0)) AS mine",
        [mapping.name],
      );
      if (rows[0].mine) break;
      if (Date.now() > deadline)
        throw new OperationError(
          `Another run of the migration ${mapping.name} is at work. Wait for it, or end it first.`,
        );
      await sleep(100);
    }
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/** For what only reads: directly, or through any pooler. */
const openReader = (url: string, settings: Settings = {}): Promise<pg.Client> =>
  openReadOnly({ url, applicationName: APPLICATION_NAME, settings: { ...SETTINGS, ...settings } });

/** One run: the session, the options with their defaults, and what both runs and rollbacks do. */
class Run {
  readonly client: pg.Client;
  readonly mapping: Mapping;
  readonly options: MigrationOptions & typeof defaults;
  readonly #throttle: Throttle;
  #gateAt = 0;

  constructor(client: pg.Client, options: MigrationOptions) {
    this.client = client;
    this.mapping = options.mapping;
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.options = { ...defaults, ...(given as unknown as MigrationOptions) };
    this.#throttle = new Throttle(this.options.dutyCycle, this.options.leastDuty);
  }

  note(entry: Parameters<typeof journal>[2]): Promise<void> {
    return journal(this.client, this.mapping.name, entry);
  }

  /** Waits while the KPIs say no. @throws MigrationPaused after `maxPauseMs` */
  async *gate(phase: Phase, step?: string, everyMs = 0): AsyncGenerator<Progress> {
    this.options.signal?.throwIfAborted();
    const { mayContinue, maxPauseMs } = this.options;
    if (!mayContinue || Date.now() - this.#gateAt < everyMs) return;
    const at = { phase, ...(step === undefined ? {} : { step }) };
    const began = Date.now();
    for (let said = ''; ; ) {
      const verdict = await mayContinue(phase);
      this.#gateAt = Date.now();
      if (verdict.ok) {
        this.#throttle.read(verdict.strain);
        if (said) {
          await this.note({ ...at, event: 'resumed', detail: { afterMs: Date.now() - began } });
          yield { ...at, event: 'resumed', detail: { afterMs: Date.now() - began } };
        }
        return;
      }
      if (verdict.reason !== said) {
        said = verdict.reason;
        await this.note({ ...at, event: 'paused', detail: { reason: said } });
        yield { ...at, event: 'paused', detail: { reason: said } };
      }
      if (Date.now() - began > maxPauseMs)
        throw new MigrationPaused(
          `Paused in ${phase}: ${said}. Nothing is half done; run it again when the shop is well.`,
        );
      await sleep(GATE_EVERY_MS, undefined, this.options.signal ? { signal: this.options.signal } : {});
    }
  }

  /** One short transaction; when it has to wait for a lock it lets go at once and tries again later. */
  async *transaction(phase: Phase, step: string, sql: string): AsyncGenerator<Progress> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.client.query(`BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS};\n${sql};\nCOMMIT`);
        return;
      } catch (error) {
        await this.client.query('ROLLBACK');
        if (!isTransient(error)) throw error;
        if (attempt === ATTEMPTS)
          throw new OperationError(
            `${phase}, ${step}: the lock was not free within ${ATTEMPTS} attempts of ${LOCK_TIMEOUT_MS} ms. ` +
              'Look for long transactions in pg_stat_activity, then run it again.',
            { cause: error },
          );
        yield { phase, step, event: 'retry', detail: { attempt, code: (error as { code?: string }).code } };
        await sleep(100 + Math.random() * Math.min(1_500, 150 * attempt));
      }
    }
  }

  /** Builds an index while reads and writes go on; one that was left invalid is removed first. */
  async *index(
    phase: Phase,
    step: string,
    { schema, name, sql }: { schema: string; name: string; sql: string },
  ) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        // It waits for old transactions, and blocks nobody while it does.
        await this.client.query("SET lock_timeout = '20s'");
        const { rows } = await this.client.query<{ indisvalid: boolean }>(
          `SELECT i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
             JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2`,
          [schema, name],
        );
        if (rows[0]?.indisvalid) return;
        if (rows[0]) await this.client.query(`DROP INDEX CONCURRENTLY ${id(schema)}.${id(name)}`);
        await this.client.query(sql);
        return;
      } catch (error) {
        if (!isTransient(error) || attempt === 5) throw error;
        yield { phase, step, event: 'retry', detail: { attempt } } as Progress;
        await sleep(500 + Math.random() * 1_000 * attempt);
      } finally {
        await this.client.query('RESET lock_timeout').catch(() => {});
      }
    }
  }

  async *partitions(phase: Phase, step: string): AsyncGenerator<Progress> {
    const { partitions } = this.mapping;
    if (!partitions) return;
    const { rows } = await this.client.query<{ moment: string }>(
      `SELECT moment::text AS moment FROM (${partitions.moments}) AS m`,
    );
    for (const { moment } of rows)
      yield* this.transaction(phase, step, partitions.make.replaceAll('$1', pg.escapeLiteral(moment)));
  }

  async verify(): Promise<Verification> {
    const { signal } = this.options;
    let began = performance.now();
    const settings = Object.entries(COMPARING);
    for (const [name, value] of settings) await this.client.query(`SET ${name} = ${value}`);
    const verification = await verify(this.client, this.mapping, {
      ...(signal ? { signal } : {}),
      pace: async () => {
        const tookMs = performance.now() - began;
        for await (const _ of this.gate('verify', undefined, GATE_EVERY_MS));
        await sleep(this.#throttle.restMs(tookMs));
        began = performance.now();
      },
    });
    for (const [name] of settings) await this.client.query(`RESET ${name}`);
    return verification;
  }

  /** @throws OperationError naming what differs, or what was set aside */
  async *verified(phase: Phase, step: string): AsyncGenerator<Progress> {
    const verification = await this.verify();
    const found = differences(verification);
    await this.note({ phase, step, event: 'compared', detail: verification });
    yield { phase, step, event: 'compared', detail: { ...verification } };
    if (found.length > 0)
      throw new OperationError(
        `The models are not equal:\n${found.map((line) => `  ${line}`).join('\n')}\nThe legacy tables are what is true; nothing was switched.`,
      );
    if (verification.setAside > 0 && !this.options.acceptSetAside)
      throw new OperationError(
        `${verification.setAside} units cannot be held by the new model and are kept in the ledger only ` +
          "(SELECT * FROM sqltrail.migration_resolution WHERE kind = 'set aside'). Correct them, or accept that with --accept-set-aside.",
      );
  }

  /** Keyset batches up to a bound that is fixed when it begins; what comes later, the triggers bring. */
  async *backfill(phase: Phase, table: TableMapping): AsyncGenerator<Progress> {
    const name = table.table;
    const legacy = `${id(this.mapping.legacySchema)}.${id(name)}`;
    const key = id(table.key);
    await this.client.query(
      `INSERT INTO sqltrail.migration_cursor (migration, legacy_table, reached, upper)
       SELECT ${pg.escapeLiteral(this.mapping.name)}, ${pg.escapeLiteral(name)}, ${
         table.addKey
           ? `0, pg_relation_size(${pg.escapeLiteral(legacy)}::regclass) / current_setting('block_size')::int`
           : `coalesce(min(${key}), 1) - 1, coalesce(max(${key}), 0) FROM ${legacy}`
       }
       ON CONFLICT (migration, legacy_table) DO NOTHING`,
    );
    const cursor = async () =>
      (await readState(this.client, this.mapping.name))?.cursors.find(
        (each) => each.table === name,
      ) as Cursor;
    let { reached, upper, units } = await cursor();
    // Blocks of 8 kB, or units.
    let size = Math.min(this.options.maxBatch, table.addKey ? 8 : 200);
    let retries = 0;
    let analyseAt = 1_000;
    while (BigInt(reached) < BigInt(upper)) {
      yield* this.gate(phase, name, GATE_EVERY_MS);
      const started = performance.now();
      let done: { reached: string; units: number };
      try {
        done = await this.#batch(table, legacy, reached, upper, size);
        retries = 0;
      } catch (error) {
        await this.client.query('ROLLBACK').catch(() => {});
        retries += 1;
        if (!isTransient(error) || retries > ATTEMPTS) throw error;
        size = Math.max(1, Math.floor(size / 2));
        yield { phase, step: name, event: 'retry', detail: { code: (error as { code?: string }).code } };
        await sleep(50 + Math.random() * 100 * retries);
        continue;
      }
      const tookMs = performance.now() - started;
      reached = done.reached;
      units += done.units;
      if (units >= analyseAt) {
        // Whoever writes to the legacy tables has plans of his own, made when the new ones were small.
        await this.client.query(`ANALYZE ${table.present.table}`);
        while (analyseAt <= units) analyseAt *= 8;
      }
      yield {
        phase,
        step: name,
        event: 'batch',
        detail: { reached, upper, units, tookMs, duty: this.#throttle.duty },
      };
      size = Math.max(
        1,
        Math.min(
          this.options.maxBatch,
          Math.round(size * Math.min(2, Math.max(0.5, this.options.batchMs / tookMs))),
        ),
      );
      const restMs = this.#throttle.restMs(tookMs);
      if (restMs >= 1) await sleep(restMs);
    }
    await this.client.query(
      'UPDATE sqltrail.migration_cursor SET done = true WHERE migration = $1 AND legacy_table = $2',
      [this.mapping.name, name],
    );
  }

  async #batch(table: TableMapping, legacy: string, reached: string, upper: string, size: number) {
    const started = performance.now();
    const key = id(table.key);
    // A crash may lose the last batches together with their cursor, never one without the other.
    await this.client.query(
      `BEGIN; SET LOCAL lock_timeout = ${BATCH_LOCK_TIMEOUT_MS}; SET LOCAL synchronous_commit = off`,
    );
    let units: number;
    let next: string;
    if (table.addKey) {
      // The row gets its key, and the trigger of the dual write puts what has a key into the new model. A row that
      // has a key but is not there yet has it from a migration that was rolled back.
      const end = BigInt(reached) + BigInt(size);
      next = String(end < BigInt(upper) ? end : BigInt(upper));
      const { rowCount } = await this.client.query(
        `UPDATE ${legacy} AS l SET ${key} = coalesce(${key}, nextval($1)) WHERE ctid >= $2::tid AND ctid < $3::tid
            AND (${key} IS NULL OR NOT EXISTS (SELECT FROM ${table.present.table} AS t WHERE t.${id(table.present.column)} = l.${key}))`,
        [table.addKey.sequence, `(${reached},0)`, `(${next},0)`],
      );
      units = rowCount ?? 0;
    } else {
      const { rows } = await this.client.query<{ keys: string[]; last: string | null }>(
        `SELECT coalesce(array_agg(key ORDER BY key), '{}')::text[] AS keys, max(key)::text AS last
           FROM (SELECT ${table.unit === 'group' ? 'DISTINCT ' : ''}${key} AS key FROM ${legacy}
                  WHERE ${key} > $1 AND ${key} <= $2 ORDER BY 1 LIMIT $3) AS batch`,
        [reached, upper, size],
      );
      const keys = rows[0]?.keys ?? [];
      await this.client.query(
        `SELECT ${id(this.mapping.syncSchema)}.${id(`apply_${table.table}`)}($1::bigint[], true, false)`,
        [keys],
      );
      units = keys.length;
      next = keys.length < size ? upper : (rows[0]?.last ?? upper);
    }
    await this.client.query(
      `UPDATE sqltrail.migration_cursor SET reached = $3, units = units + $4, batches = batches + 1,
              busy_ms = busy_ms + $5, updated_at = clock_timestamp()
        WHERE migration = $1 AND legacy_table = $2`,
      [this.mapping.name, table.table, next, units, performance.now() - started],
    );
    await this.client.query('COMMIT');
    return { reached: next, units };
  }

  /**
   * In short transactions, each of so many parts as take as long as a batch; what is made already is left. Parts that
   * somebody was changing are missing still, and are tried again.
   *
   * @throws OperationError naming the oldest transaction, when some are missing after all attempts
   */
  async *derive(phase: Phase, derived: DerivedTable): AsyncGenerator<Progress> {
    const step = derived.table;
    const missing = async () => {
      const sql = `SELECT part::text AS part FROM (${derived.missing}) AS m`;
      return (await this.client.query<{ part: string }>(sql)).rows.map(({ part }) => part);
    };
    let parts = await missing();
    for (let attempt = 1; ; attempt += 1) {
      yield* this.#derive(phase, derived, parts);
      const left = new Set(await missing());
      parts = parts.filter((part) => left.has(part));
      if (parts.length === 0) return;
      if (attempt === ATTEMPTS) throw await this.#held(phase, step, parts);
      yield { phase, step, event: 'retry', detail: { attempt, missing: parts.length } };
      await sleep(100 + Math.random() * Math.min(1_500, 150 * attempt));
    }
  }

  async *#derive(phase: Phase, { table: step, make, most }: DerivedTable, parts: string[]) {
    for (let from = 0, size = 1; from < parts.length; ) {
      yield* this.gate(phase, step, GATE_EVERY_MS);
      const batch = parts.slice(from, from + size).map((part) => pg.escapeLiteral(part));
      const started = performance.now();
      yield* this.transaction(
        phase,
        step,
        make.replaceAll('$1', batch[0] as string).replaceAll('$2', batch.at(-1) as string),
      );
      const tookMs = performance.now() - started;
      from += batch.length;
      const detail = { units: from, of: parts.length, tookMs, duty: this.#throttle.duty };
      yield { phase, step, event: 'batch', detail } as Progress;
      size = Math.max(
        1,
        Math.min(most, this.options.maxBatch, size * 2, Math.round((size * this.options.batchMs) / tookMs)),
      );
      const restMs = this.#throttle.restMs(tookMs);
      if (restMs >= 1) await sleep(restMs);
    }
  }

  async #held(phase: Phase, step: string, left: string[]): Promise<OperationError> {
    const { rows } = await this.client.query<{ pid: number; name: string; since: string }>(
      `SELECT pid, application_name AS name, xact_start::text AS since FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1`,
    );
    const [oldest] = rows;
    return new OperationError(
      `${phase}, ${step}: ${left.length} parts could not be made within ${ATTEMPTS} attempts, ${left[0]} to ${left.at(-1)}. ` +
        'Something changes their rows all the time; ' +
        (oldest
          ? `the oldest open transaction is that of process ${oldest.pid} (${oldest.name}), since ${oldest.since}. `
          : 'no transaction is open now. ') +
        'Let it end, then run it again.',
    );
  }

  /** Notes contradictions once more for all units: since they were carried over, masters may have changed. */
  async *sweep(phase: Phase, step: string): AsyncGenerator<Progress> {
    for (const { table, key } of this.mapping.tables) {
      const legacy = `${id(this.mapping.legacySchema)}.${id(table)}`;
      let from = '-9223372036854775808';
      for (;;) {
        yield* this.gate(phase, step, GATE_EVERY_MS);
        const { rows } = await this.client.query<{ keys: string[]; last: string | null }>(
          `SELECT array_agg(key)::text[] AS keys, max(key)::text AS last
             FROM (SELECT DISTINCT ${id(key)} AS key FROM ${legacy} WHERE ${id(key)} > $1::bigint ORDER BY 1 LIMIT 2000) AS chunk`,
          [from],
        );
        const last = rows[0]?.last;
        if (!last) break;
        await this.client.query(
          `SELECT ${id(this.mapping.syncSchema)}.${id(`record_${table}`)}($1::bigint[], NULL)`,
          [rows[0]?.keys],
        );
        from = last;
      }
    }
  }

  async switch(store: string): Promise<void> {
    const { switchStore } = this.options;
    if (!switchStore)
      throw new OperationError(
        `The shop has to be switched to the store ${store}, but no way to do that was given (--shop <url>, and its token in SQLTRAIL_TOKEN).`,
      );
    await switchStore(store);
  }

  /** Switches, watches the KPIs, and switches back when they are bad. */
  async *cutover(phase: Phase, step: string, store: string, back: string): AsyncGenerator<Progress> {
    await this.switch(store);
    const { mayContinue, observeMs } = this.options;
    const until = Date.now() + observeMs;
    while (mayContinue && Date.now() < until) {
      const verdict = await mayContinue(phase);
      if (!verdict.ok) {
        await this.switch(back);
        await this.note({ phase, step, event: 'switched back', detail: verdict });
        throw new MigrationPaused(
          `With the store ${store} the shop suffered (${verdict.reason}); it uses ${back} again, and both models are in step.`,
        );
      }
      yield { phase, step, event: 'compared', detail: { watchedFor: until - Date.now() } };
      await sleep(Math.min(GATE_EVERY_MS, Math.max(0, until - Date.now())));
    }
  }

  async *perform({ phase, name, work }: Step): AsyncGenerator<Progress> {
    switch (work.kind) {
      case 'transaction':
        return; // done together with its mark
      case 'index':
        return yield* this.index(phase, name, work);
      case 'partitions':
        return yield* this.partitions(phase, name);
      case 'backfill':
        return yield* this.backfill(phase, work.table);
      case 'derive':
        return yield* this.derive(phase, work.derived);
      case 'verify':
        return yield* this.verified(phase, name);
      case 'sweep':
        return yield* this.sweep(phase, name);
      case 'switch':
        return yield* this.cutover(phase, name, work.store, work.back);
      case 'confirm':
        await this.switch(work.store);
        await sleep(this.options.drainMs);
        return;
      case 'nothing':
        return;
    }
  }

  async *step(step: Step): AsyncGenerator<Progress> {
    const { phase, name } = step;
    const mark = markDone(this.mapping.name, { phase, step: name, undo: step.undo });
    yield* this.gate(phase, name, GATE_EVERY_MS);
    await this.note({ phase, step: name, event: 'begun' });
    yield { phase, step: name, event: 'begun' };
    const started = performance.now();
    yield* this.perform(step);
    yield* this.transaction(
      phase,
      name,
      step.work.kind === 'transaction' ? `${step.work.sql};\n${mark}` : mark,
    );
    const detail = { ms: Math.round(performance.now() - started) };
    await this.note({ phase, step: name, event: 'done', detail });
    yield { phase, step: name, event: 'done', detail };
  }

  async *undo(done: DoneStep): AsyncGenerator<Progress> {
    const { phase, step } = done;
    const undo: Undo = done.undo;
    const mark = markUndone(this.mapping.name, done);
    await this.note({ phase, step, event: 'undoing' });
    yield { phase, step, event: 'undoing' };
    if (undo.kind === 'concurrently') await this.client.query(undo.sql);
    if (undo.kind === 'switch') {
      await this.switch(undo.store);
      // Requests that began with the other store end with it.
      await sleep(this.options.drainMs);
    }
    yield* this.transaction(phase, step, undo.kind === 'transaction' ? `${undo.sql};\n${mark}` : mark);
    await this.note({ phase, step, event: 'undone' });
    yield { phase, step, event: 'undone' };
  }

  async reached(phase: Reached): Promise<void> {
    await this.client.query('UPDATE sqltrail.migration SET phase = $2, updated_at = now() WHERE name = $1', [
      this.mapping.name,
      phase,
    ]);
  }
}

/** @throws OperationError when a different mapping has begun */
async function begin(run: Run): Promise<{ state: MigrationState; facts: Facts }> {
  const { mapping, client, options } = run;
  const hash = hashOf(mapping);
  await client.query(
    `INSERT INTO sqltrail.migration (name, phase, mapping, previous_store) VALUES ($1, 'none', $2, $3)
     ON CONFLICT (name) DO UPDATE SET mapping = EXCLUDED.mapping, previous_store = EXCLUDED.previous_store
      WHERE migration.phase = 'none' AND NOT EXISTS (SELECT FROM sqltrail.migration_step WHERE migration = EXCLUDED.name)`,
    [mapping.name, hash, options.previousStore ?? 'legacy'],
  );
  const state = (await readState(client, mapping.name)) as MigrationState;
  if (state.mapping !== hash)
    throw new OperationError(
      `The migration ${mapping.name} was begun with another mapping. Roll it back with the version that began it, or finish it with that.`,
    );
  return { state, facts: await factsFor(client, mapping, state) };
}

/** Once the contract has begun, legacy tables go one by one; the steps that are left then need no facts about them. */
async function factsFor(
  client: pg.Client,
  mapping: Mapping,
  state: MigrationState | undefined,
): Promise<Facts> {
  try {
    return await readFacts(client, mapping);
  } catch (error) {
    if (!(error instanceof OperationError) || !state?.steps.some(({ phase }) => phase === 'contract'))
      throw error;
    return {
      columns: new Map(),
      rows: new Map(),
      units: new Map(),
      bytes: new Map(),
      indexed: new Set(),
      sequences: new Map(),
      extensions: new Set(),
    };
  }
}

/**
 * Runs the phases up to and including `until`, from wherever the last run stopped. Each step is committed together with
 * the note that it is done, so killing it at any moment loses nothing and the next run goes on.
 *
 * @throws OperationError when a phase's exit condition fails; MigrationPaused when the KPIs said no for too long
 */
export async function* runMigration(
  options: MigrationOptions & {
    until: Phase /** Needed for `contract`, which cannot be undone. */;
    yes?: boolean;
  },
): AsyncGenerator<Progress> {
  const { mapping, until } = options;
  if (until === 'contract' && !options.yes)
    throw new OperationError(
      'The contract drops the legacy tables and cannot be undone: it needs an explicit yes.',
    );
  const client = await openSession(options.url, mapping);
  try {
    const run = new Run(client, options);
    const { state, facts } = await begin(run);
    const steps = stepsOf(mapping, facts, state.previousStore);
    const done = new Set(state.steps.map(({ phase, step }) => `${phase}/${step}`));
    let notes = 0;
    for (const phase of phases.slice(0, phaseIndex(until) + 1)) {
      if (phaseIndex(phase) <= phaseIndex(state.phase)) continue;
      yield* run.gate(phase);
      for (const step of steps)
        if (step.phase === phase && !done.has(`${phase}/${step.name}`)) {
          notes += 1;
          yield* run.step(step);
        }
      await run.reached(phase);
      await run.note({ phase, event: 'phase done', detail: { steps: notes } });
      yield { phase, event: 'phase done' };
    }
  } finally {
    await client.end().catch(() => {});
  }
}

/**
 * Takes phases back, the last first, until `to` is the last complete one. Writes made since are in the legacy tables:
 * the reverse sync put each of them there within its own transaction.
 *
 * @throws OperationError once the contract has begun
 */
export async function* rollbackMigration(
  options: MigrationOptions & { to: Reached },
): AsyncGenerator<Progress> {
  const client = await openSession(options.url, options.mapping);
  try {
    const run = new Run(client, options);
    const state = await readState(client, options.mapping.name);
    if (!state) return;
    if (state.steps.some(({ phase, step }) => phase === 'contract' && !isHarmless(step)))
      throw new OperationError(
        'The contract has begun: the legacy tables are no longer complete, and there is no way back.',
      );
    for (const phase of [...phases].reverse()) {
      if (phaseIndex(phase) <= phaseIndex(options.to)) break;
      const steps = state.steps.filter((step) => step.phase === phase).reverse();
      // First of all, so that a run that is killed here does not count the phase as complete.
      if (phaseIndex(state.phase) >= phaseIndex(phase))
        await run.reached(phases[phaseIndex(phase) - 1] ?? 'none');
      for (const step of steps) yield* run.undo(step);
      if (steps.length > 0) {
        await run.note({ phase, event: 'phase undone' });
        yield { phase, event: 'phase undone' };
      }
    }
  } finally {
    await client.end().catch(() => {});
  }
}

export interface MigrationStatus {
  name: string;
  phase: Reached;
  /** The phase that has begun and is not complete. */
  inPhase?: Phase;
  previousStore: string;
  stepsDone: number;
  cursors: Cursor[];
  ledger: { kind: string; table: string; entries: number }[];
  lastEvents: { at: string; phase: string; step: string | null; event: string }[];
  /** When each phase was begun last, and how long it took; undefined for one that is not complete. */
  phases: { phase: Phase; startedAt: string; seconds?: number }[];
}

/** @returns undefined where the migration was never begun; changes nothing */
export async function migrationStatus(
  options: Pick<MigrationOptions, 'url' | 'mapping'>,
): Promise<MigrationStatus | undefined> {
  const client = await openReader(options.url);
  try {
    const { name } = options.mapping;
    const state = await readState(client, name);
    if (!state) return undefined;
    const ledger = await client.query(
      `SELECT kind, legacy_table AS "table", count(*)::int AS entries FROM sqltrail.migration_resolution
        WHERE migration = $1 AND superseded_at IS NULL GROUP BY kind, legacy_table ORDER BY kind, legacy_table`,
      [name],
    );
    const events = await client.query(
      `SELECT at, phase, step, event FROM sqltrail.migration_journal WHERE migration = $1 ORDER BY id DESC LIMIT 10`,
      [name],
    );
    // Since it was taken back last, if it was.
    const spans = await client.query<{ phase: Phase; started: Date; ended: Date | null }>(
      `SELECT j.phase, min(j.at) AS started, max(j.at) FILTER (WHERE j.event = 'phase done') AS ended
         FROM sqltrail.migration_journal AS j
        WHERE j.migration = $1 AND j.event IN ('begun', 'phase done')
          AND j.id > coalesce((SELECT max(u.id) FROM sqltrail.migration_journal AS u
                                WHERE u.migration = $1 AND u.phase = j.phase AND u.event = 'phase undone'), 0)
        GROUP BY j.phase ORDER BY min(j.id)`,
      [name],
    );
    const begun = state.steps.find((step) => phaseIndex(step.phase) > phaseIndex(state.phase));
    return {
      name,
      phase: state.phase,
      ...(begun ? { inPhase: begun.phase } : {}),
      previousStore: state.previousStore,
      stepsDone: state.steps.length,
      cursors: state.cursors,
      ledger: ledger.rows,
      lastEvents: events.rows.reverse().map((row) => ({ ...row, at: row.at.toISOString() })),
      phases: spans.rows.map(({ phase, started, ended }) => ({
        phase,
        startedAt: started.toISOString(),
        ...(ended && phaseIndex(phase) <= phaseIndex(state.phase)
          ? { seconds: (ended.getTime() - started.getTime()) / 1000 }
          : {}),
      })),
    };
  } finally {
    await client.end().catch(() => {});
  }
}

/** Compares both models now. Reads only; needs the phase `backfill` complete to be of use. */
export async function verifyMigration(
  options: Pick<MigrationOptions, 'url' | 'mapping' | 'signal'>,
): Promise<Verification> {
  const client = await openReader(options.url, COMPARING);
  try {
    return await verify(client, options.mapping, options.signal ? { signal: options.signal } : {});
  } finally {
    await client.end().catch(() => {});
  }
}

export interface MigrationPlan {
  name: string;
  phase: Reached;
  steps: (Pick<Step, 'phase' | 'name' | 'lock'> & {
    done: boolean;
    reversible: boolean;
    /** SQL in full, where the step is SQL. */
    sql?: string;
    /** Estimated rows of the table of a backfill, units that it goes through, and bytes. */
    rows?: number;
    units?: number;
    bytes?: number;
  })[];
}

/** What would be done. Changes nothing. */
export async function planMigration(
  options: Pick<MigrationOptions, 'url' | 'mapping' | 'previousStore'>,
): Promise<MigrationPlan> {
  const { mapping } = options;
  const client = await openReader(options.url);
  try {
    const state = await readState(client, mapping.name);
    const done = new Set(state?.steps.map(({ phase, step }) => `${phase}/${step}`));
    const facts = await factsFor(client, mapping, state);
    const steps = stepsOf(mapping, facts, state?.previousStore ?? options.previousStore ?? 'legacy');
    return {
      name: mapping.name,
      phase: state?.phase ?? 'none',
      steps: steps.map(({ phase, name, lock, work, undo }) => ({
        phase,
        name,
        lock,
        done: done.has(`${phase}/${name}`),
        reversible: phase !== 'contract' || undo.kind !== 'none',
        ...(work.kind === 'transaction' || work.kind === 'index' ? { sql: work.sql } : {}),
        ...(work.kind === 'backfill'
          ? {
              rows: facts.rows.get(work.table.table) ?? 0,
              units: facts.units.get(work.table.table) ?? 0,
              bytes: facts.bytes.get(work.table.table) ?? 0,
            }
          : {}),
      })),
    };
  } finally {
    await client.end().catch(() => {});
  }
}
