import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { z } from 'zod';
import type { Progress, Verdict } from '../migrate/engine.ts';
import { type LockWatch, watchLocks } from '../migrate/lockWatch.ts';
import type { Phase } from '../migrate/mapping.ts';
import { type LedgerOfOrders, type MigrationStrain, WINDOW_SECONDS } from '../report/recording.ts';

/** After a change of the load, until journeys of all lengths are under way. */
const WARM_SECONDS = 20;
/** Above it the migration waits; the throttle aims well below. */
const PAUSE_ABOVE = 1.5;
/** After so long a rest the migration's own part is out of the p95 of the last window, milliseconds. */
const OWN_PART_MS = 2 * WINDOW_SECONDS * 1000;
/** In these phases it is the migration that takes the time, and waiting gives it back. */
const PAUSABLE: readonly Phase[] = ['backfill', 'verify'];

const summarySchema = z.object({
  all: z.object({ seconds: z.number(), requests: z.number().optional(), p95: z.number().optional() }),
});

/** p95 of all requests that ended in the last seconds, as the load generator measured them, seconds. */
async function p95Of(load: string, seconds: number): Promise<number | undefined> {
  const response = await fetch(new URL(`/summary?seconds=${seconds}`, load), {
    signal: AbortSignal.timeout(15_000),
  });
  return summarySchema.parse(await response.json()).all.p95;
}

/** Requests since the start of the load generator. */
async function counted(load: string): Promise<{ requests: number; failed: number }> {
  const response = await fetch(new URL('/metrics', load), { signal: AbortSignal.timeout(15_000) });
  const total = { requests: 0, failed: 0 };
  for (const [, labels = '', value] of (await response.text()).matchAll(
    /^load_requests_total\{([^}]*)\} (\S+)/gm,
  )) {
    total.requests += Number(value);
    if (!labels.includes('outcome="ok"')) total.failed += Number(value);
  }
  return total;
}

/**
 * What customers notice of a migration: their p95 before it and during its backfill, their failed requests, and who
 * waits for locks. It is also the gate: the backfill is throttled by the p95 of the last seconds over that of before.
 */
export class ImpactWatch {
  readonly #load: string;
  readonly #profile: string;
  readonly #locks: LockWatch;
  #before: number[] = [];
  #beforeWhole: number | undefined;
  #during: number[] = [];
  #duringWhole: number | undefined;
  #backfillAt: number | undefined;
  #backfilled = false;
  #windowAt = 0;
  /** What the p95 is compared with: that of before, unless it has risen for another reason. */
  #reference: number | undefined;
  #pausedAt: number | undefined;
  #start: { requests: number; failed: number } | undefined;

  private constructor(load: string, profile: string, locks: LockWatch) {
    this.#load = load;
    this.#profile = profile;
    this.#locks = locks;
  }

  /** @param load address of the load generator; @param url any role of the shop's database */
  static async open(load: string, profile: string, url: string): Promise<ImpactWatch> {
    return new ImpactWatch(load, profile, await watchLocks(url));
  }

  /** Reads what it is like without the migration; the load has to be the one of later. */
  async before(seconds: number, signal: AbortSignal): Promise<number | undefined> {
    await sleep(WARM_SECONDS * 1000, undefined, { signal });
    const windows = Math.max(1, Math.floor(seconds / WINDOW_SECONDS));
    for (let i = 0; i < windows; i += 1) {
      await sleep(WINDOW_SECONDS * 1000, undefined, { signal });
      const p95 = await p95Of(this.#load, WINDOW_SECONDS);
      if (p95 !== undefined) this.#before.push(p95);
    }
    this.#beforeWhole = await p95Of(this.#load, windows * WINDOW_SECONDS);
    this.#reference = this.#beforeWhole;
    this.#start = await counted(this.#load);
    return this.#beforeWhole;
  }

  /** To be told of each progress event of the migration. */
  async note({ phase, event }: Progress): Promise<void> {
    if (phase === 'backfill' && this.#backfillAt === undefined) {
      this.#backfillAt = this.#windowAt = Date.now();
    }
    if (this.#backfillAt === undefined || this.#backfilled) return;
    if (Date.now() - this.#windowAt >= WINDOW_SECONDS * 1000) {
      this.#windowAt = Date.now();
      const p95 = await p95Of(this.#load, WINDOW_SECONDS);
      if (p95 !== undefined) this.#during.push(p95);
    }
    if (phase === 'backfill' && event === 'phase done') {
      this.#backfilled = true;
      this.#duringWhole = await p95Of(this.#load, (Date.now() - this.#backfillAt) / 1000);
    }
  }

  async mayContinue(phase: Phase): Promise<Verdict> {
    const now = await p95Of(this.#load, WINDOW_SECONDS).catch(() => undefined);
    if (now === undefined || !this.#reference) return { ok: true };
    const impact = now / this.#reference;
    if (impact <= PAUSE_ABOVE || !PAUSABLE.includes(phase)) {
      this.#pausedAt = undefined;
      return { ok: true, impact };
    }
    this.#pausedAt ??= Date.now();
    if (Date.now() - this.#pausedAt < OWN_PART_MS)
      return { ok: false, reason: `customers’ p95 is above ${PAUSE_ABOVE} times what it was before` };
    // What does not pass while the migration rests is not its doing, and no reason to rest for ever.
    this.#reference = now;
    this.#pausedAt = undefined;
    return { ok: true, impact: 1 };
  }

  async read(): Promise<MigrationStrain> {
    const now = await counted(this.#load);
    // It was stopped within the backfill.
    if (this.#backfillAt !== undefined && !this.#backfilled)
      this.#duringWhole = await p95Of(this.#load, (Date.now() - this.#backfillAt) / 1000);
    const locks = this.#locks.read();
    return {
      profile: this.#profile,
      p95Before: this.#before,
      p95DuringBackfill: this.#during,
      p95BeforeWhole: this.#beforeWhole ?? null,
      p95DuringBackfillWhole: this.#duringWhole ?? null,
      requests: now.requests - (this.#start?.requests ?? 0),
      failedRequests: now.failed - (this.#start?.failed ?? 0),
      longestWaitBehindMigrationMs: locks.longestBehindMigrationMs,
      longestWaitMs: locks.longestMs,
      lockSamples: locks.samples,
    };
  }

  async close(): Promise<void> {
    await this.#locks.stop();
  }
}

/**
 * Compares the load generator's ledger with both models, number by number. Exact only while no request is under way.
 *
 * @param url owner of both models
 */
export async function compareLedger(load: string, url: string): Promise<LedgerOfOrders> {
  const response = await fetch(new URL('/ledger', load), { signal: AbortSignal.timeout(60_000) });
  const numbers = (await response.text())
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => z.object({ order: z.string() }).parse(JSON.parse(line)).order);
  const client = new pg.Client({ connectionString: url, application_name: 'sqltrail-story' });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query(
      `WITH acknowledged AS (SELECT number, count(*) AS times FROM unnest($1::text[]) AS a (number) GROUP BY number),
            found AS (
              SELECT number, times,
                     (SELECT count(*) FROM public.orders WHERE order_number = number) AS legacy,
                     (SELECT count(*) FROM shop.order_keys AS k JOIN shop.orders AS o ON o.id = k.order_id AND o.placed_at = k.placed_at
                       WHERE k.order_number = number) AS new
                FROM acknowledged)
       SELECT count(*) FILTER (WHERE legacy = 0)::int AS "missingInLegacy", count(*) FILTER (WHERE new = 0)::int AS "missingInNew",
              count(*) FILTER (WHERE times > 1 OR legacy > 1 OR new > 1)::int AS doubled
         FROM found`,
      [numbers],
    );
    return { acknowledged: numbers.length, ...rows[0] };
  } finally {
    await client.end();
  }
}
