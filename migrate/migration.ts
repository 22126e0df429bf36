import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Settings } from '../lib/pg/transaction.ts';
import type { Kept } from './kept.ts';
import type { Mapping, Phase } from './mapping.ts';
import type { MigrationState, Undo } from './state.ts';
import type { Throttle } from './throttle.ts';
import type { Verification, VerifyOptions } from './verify.ts';

export type Verdict =
  | {
      ok: true;
      /** The shop's p95 over what it was before the migration, where it is read: the backfill is throttled by it. */
      impact?: number;
    }
  | { ok: false; reason: string };

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

/** An index that is built while reads and writes go on. */
export interface ConcurrentIndex {
  schema: string;
  name: string;
  /** CREATE INDEX CONCURRENTLY. */
  sql: string;
}

export interface Step {
  phase: Phase;
  name: string;
  /** What is locked, and for how long. */
  lock: string;
  undo: Undo;
  work:
    | { kind: 'transaction'; sql: string }
    | { kind: 'indexes'; indexes: readonly ConcurrentIndex[] }
    /** May be run again after it was killed anywhere. */
    | { kind: 'run'; run: (run: Running, at: { phase: Phase; step: string }) => AsyncGenerator<Progress> }
    | { kind: 'nothing' };
  /** Of a backfill: estimated rows of its table, units that it goes through, and bytes. */
  size?: { rows: number; units: number; bytes: number };
}

export interface MigrationOptions {
  /** URL of the owner of the legacy tables, or of a superuser; never printed. */
  url: string;
  /** What is run: a declared mapping, or an operation. */
  mapping: Mapping | Migration;
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
  /** Drop old columns although functions or statements name them. */
  acceptUse?: boolean;
  signal?: AbortSignal;
}

type Paces = 'maxPauseMs' | 'observeMs' | 'drainMs' | 'batchMs' | 'maxBatch' | 'dutyCycle' | 'leastDuty';

/** Of what a migration is made from: one that has begun goes on only with the same. */
export const hashOf = (made: unknown): string =>
  createHash('sha256').update(JSON.stringify(made)).digest('hex').slice(0, 16);

/** The lock of a short transaction, for the plan. */
export const SHORT_LOCK = 'for milliseconds; gives up after 500 ms of waiting and tries again';

/** Name of the step that compares, also of the contract; kept with each migration that has begun. */
export const MODELS_EQUAL = 'both models are equal';

/** Name of the step that ends the contract while something uses what would go. */
export const UNUSED = 'nothing uses what goes';

/** Name of the step after which every contradiction is kept. */
export const LEDGER_COMPLETE = 'ledger is complete';

/** Both models are compared. */
export const VERIFY: Step['work'] = {
  kind: 'run',
  run: (run, { phase, step }) => run.verified(phase, step),
};

/** A run at work, as its steps see it. */
export interface Running {
  readonly client: pg.Client;
  readonly options: MigrationOptions & Required<Pick<MigrationOptions, Paces>>;
  readonly throttle: Throttle;
  /** Waits while the KPIs say no; asks no more often than `everyMs`. */
  gate(phase: Phase, step?: string, everyMs?: number): AsyncGenerator<Progress>;
  /** One short transaction, retried while a lock is not free. */
  transaction(phase: Phase, step: string, sql: string): AsyncGenerator<Progress>;
  /** @throws OperationError naming what differs */
  verified(phase: Phase, step: string): AsyncGenerator<Progress>;
  switch(store: string): Promise<void>;
  note(entry: { phase: string; step?: string; event: string; detail?: unknown }): Promise<void>;
}

/**
 * What the engine runs: steps in the order of their phases, each of which it journals, and can undo. A declared
 * {@link file://./mapping.ts Mapping} is one, an operation on one table another.
 */
export interface Migration {
  /** Also the key of its rows in `sqltrail.migration`. */
  name: string;
  /** A migration that has begun goes on only with the same one. */
  hash: string;
  /** Tables in whose owner's name everything is done; the first that is there counts. */
  tables: readonly { schema: string; table: string }[];
  /** Before its first step. @throws OperationError when it no longer fits the database */
  begins?: (client: pg.ClientBase) => Promise<void>;
  /** Of the session that compares. */
  comparing: Settings;
  /** @throws OperationError when the database is not what the migration needs */
  steps(
    client: pg.ClientBase,
    at: { state: MigrationState | undefined; previousStore: string },
  ): Promise<Step[]>;
  /** What has no place, and is kept apart; once it has begun. */
  kept(client: pg.ClientBase): Promise<Kept[]>;
  /** @param client with the settings of `comparing` */
  verify(client: pg.ClientBase, options: VerifyOptions): Promise<Verification>;
}
