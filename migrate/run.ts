import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { briefly } from '../lib/pg/briefly.ts';
import { isTransient, OperationError } from '../lib/pg/errors.ts';
import type { Phase, Reached } from './mapping.ts';
import type { ConcurrentIndex, Migration, MigrationOptions, Progress, Running, Step } from './migration.ts';
import { type DoneStep, journal, markDone, markUndone, type Undo } from './state.ts';
import { Throttle } from './throttle.ts';
import { differences, type Verification } from './verify.ts';

const id = pg.escapeIdentifier;

/** The KPIs were bad for too long; the next run continues from here. */
export class MigrationPaused extends OperationError {
  override readonly name = 'MigrationPaused';
}

export const LOCK_TIMEOUT_MS = 500;
export const ATTEMPTS = 40;
/** Below deadlock_timeout (1 s), so that in a deadlock the batch backs off, never the shop. */
export const BATCH_LOCK_TIMEOUT_MS = 300;
export const GATE_EVERY_MS = 1_000;
const defaults = {
  maxPauseMs: 600_000,
  observeMs: 30_000,
  drainMs: 8_000,
  batchMs: 200,
  maxBatch: 10_000,
  dutyCycle: 0.5,
  leastDuty: 0.05,
};

/** One run: the session, the options with their defaults, and what both runs and rollbacks do. */
export class Run implements Running {
  readonly client: pg.Client;
  readonly migration: Migration;
  readonly options: MigrationOptions & typeof defaults;
  readonly throttle: Throttle;
  #gateAt = 0;

  constructor(client: pg.Client, migration: Migration, options: MigrationOptions) {
    this.client = client;
    this.migration = migration;
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.options = { ...defaults, ...(given as unknown as MigrationOptions) };
    this.throttle = new Throttle(this.options.dutyCycle, this.options.leastDuty);
  }

  note(entry: Parameters<typeof journal>[2]): Promise<void> {
    return journal(this.client, this.migration.name, entry);
  }

  /** Waits while the KPIs are bad. @throws MigrationPaused after `maxPauseMs` */
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
        this.throttle.read(verdict.impact);
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

  /** One short transaction; if a lock is not free, it gives up at once and tries again later. */
  async *transaction(phase: Phase, step: string, sql: string): AsyncGenerator<Progress> {
    const { client, options } = this;
    const delays = briefly(
      {
        client,
        url: options.url,
        what: `${phase}, ${step}`,
        lockTimeoutMs: LOCK_TIMEOUT_MS,
        attempts: ATTEMPTS,
        pauseMs: (attempt) => 100 + Math.random() * Math.min(1_500, 150 * attempt),
        signal: options.signal,
      },
      () => client.query(`BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS};\n${sql};\nCOMMIT`),
    );
    for await (const delay of delays) yield { phase, step, ...delay };
  }

  /** Builds an index while reads and writes continue; an invalid one is removed first. */
  async *index(phase: Phase, step: string, { schema, name, sql }: ConcurrentIndex): AsyncGenerator<Progress> {
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
        if (!isTransient(error)) throw error;
        if (attempt === 5)
          throw new OperationError(
            `${phase}, ${step}: the index ${name} waits for transactions that are older than it, and they did not end within 100 s. ` +
              'Look for them in pg_stat_activity (xact_start), let them end, then run it again.',
            { cause: error },
          );
        yield { phase, step, event: 'retry', detail: { attempt } };
        await sleep(500 + Math.random() * 1_000 * attempt);
      } finally {
        await this.client.query('RESET lock_timeout').catch(() => {});
      }
    }
  }

  async verify(): Promise<Verification> {
    const { signal } = this.options;
    let began = performance.now();
    const settings = Object.entries(this.migration.comparing);
    for (const setting of settings) await this.client.query('SELECT set_config($1, $2, false)', setting);
    const verification = await this.migration.verify(this.client, {
      ...(signal ? { signal } : {}),
      pace: async () => {
        const tookMs = performance.now() - began;
        for await (const _ of this.gate('verify', undefined, GATE_EVERY_MS));
        await sleep(this.throttle.restMs(tookMs));
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
        `The models are not equal:\n${found.map((line) => `  ${line}`).join('\n')}\nThe legacy tables are correct; nothing was switched.`,
      );
    if (verification.setAside > 0 && !this.options.acceptSetAside)
      throw new OperationError(
        `${verification.setAside} units do not fit the new model and are only kept in the ledger ` +
          "(SELECT * FROM sqltrail.migration_resolution WHERE kind = 'set aside'). Correct them, or accept this with --accept-set-aside.",
      );
  }

  async switch(store: string): Promise<void> {
    const { switchStore } = this.options;
    if (!switchStore)
      throw new OperationError(
        `The shop has to be switched to the store ${store}. Give its URL with --shop, and its token in SQLTRAIL_TOKEN.`,
      );
    await switchStore(store);
  }

  async *#perform({ phase, name, work }: Step): AsyncGenerator<Progress> {
    // The step is marked as done in the same transaction.
    if (work.kind === 'run') yield* work.run(this, { phase, step: name });
    else if (work.kind === 'indexes')
      for (const index of work.indexes) {
        yield* this.gate(phase, name, GATE_EVERY_MS);
        yield* this.index(phase, name, index);
      }
  }

  async *step(step: Step): AsyncGenerator<Progress> {
    const { phase, name } = step;
    const mark = markDone(this.migration.name, { phase, step: name, undo: step.undo });
    yield* this.gate(phase, name, GATE_EVERY_MS);
    await this.note({ phase, step: name, event: 'begun' });
    yield { phase, step: name, event: 'begun' };
    const started = performance.now();
    yield* this.#perform(step);
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
    const mark = markUndone(this.migration.name, done);
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
      this.migration.name,
      phase,
    ]);
  }
}
